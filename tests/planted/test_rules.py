"""Each rule responds to the sounds it is about, and to no others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.synthesis import SoundSpec, find_kind, render
from otoscope.models.planted.bank import RuleBank
from otoscope.models.planted.front_end import TwoSpectrograms
from otoscope.models.planted.heard import Heard
from otoscope.models.planted.modulation import depth_at
from otoscope.models.planted.rules import RULES

RATE = 16000


def sound(kind: str, *, level_db: float = -6.0, **params) -> np.ndarray:
    """Return (1, time) of one 2 s sound."""
    row = find_kind(kind)
    added = row.complete(np.random.default_rng(0), 2.0, params)
    return render(SoundSpec(kind, row.label, {**params, **added}, 0, 2.0, level_db), RATE)


@torch.no_grad()
def values(waveform: np.ndarray) -> dict[str, np.ndarray]:
    """Return rule -> value (frame,)."""
    found, _ = RuleBank()(*TwoSpectrograms()(torch.as_tensor(waveform)[None]))
    return {rule: found[0, at].numpy() for at, rule in enumerate(RULES)}


BASS = sound("pure_tone", pitch_hz=120.0)
SHRILL = sound("pure_tone", pitch_hz=5000.0)
LOW_VOICE = sound("vowel", pitch_hz=110.0, vowel="ah")
HISS = sound("broadband_noise", slope_db_per_octave=0.0)
KNOCKS = sound("knocking", rate_hz=3.0, resonance_hz=300.0)
SLOW_AM = sound("am_tone", carrier_hz=900.0, rate_hz=3.0, depth=1.0)
FAST_AM = sound("am_tone", carrier_hz=900.0, rate_hz=12.0, depth=1.0)
CHIRP = sound("rising_chirp", low_hz=200.0, high_hz=4000.0)
FAINT = sound("broadband_noise", slope_db_per_octave=0.0, level_db=-60.0)


@pytest.mark.parametrize("rule, responds, silent", [
    ("low_band", [BASS], [SHRILL, HISS, SLOW_AM]),
    ("high_band", [SHRILL], [BASS, LOW_VOICE, SLOW_AM]),
    ("onset", [KNOCKS], [BASS, HISS, CHIRP, SLOW_AM]),
    ("slow_modulation", [SLOW_AM, KNOCKS], [FAST_AM, BASS, HISS, CHIRP]),
    ("fast_modulation", [FAST_AM], [SLOW_AM, BASS, HISS, CHIRP]),
    ("noisy", [HISS], [BASS, SHRILL, LOW_VOICE, SLOW_AM, CHIRP]),
    ("tonal", [BASS, SHRILL, LOW_VOICE, SLOW_AM, CHIRP], [HISS]),
    ("low_pitch", [BASS, LOW_VOICE], [SHRILL, HISS, SLOW_AM]),
    ("high_pitch", [SHRILL], [BASS, LOW_VOICE, HISS, SLOW_AM]),
    ("loud", [BASS, SHRILL], [FAINT]),
    ("quiet", [FAINT], [BASS, SHRILL, HISS]),
    ("steady", [BASS, SHRILL, LOW_VOICE], [CHIRP, KNOCKS, SLOW_AM]),
])  # fmt: skip
def test_rule_responds_to_its_sounds_and_not_to_others(rule, responds, silent):
    peak = [np.quantile(values(one)[rule], 0.9) for one in responds]
    rest = [values(one)[rule].mean() for one in silent]
    assert min(peak) > 0.4
    assert max(rest) < 0.27
    assert min(peak) > 1.9 * max(rest)


@pytest.mark.parametrize("samples", [0.0, 1e-5])
def test_in_silence_every_rule_is_zero_but_quiet(samples):
    noise = samples * np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32)
    found = values(noise)
    assert found.pop("quiet").min() > 0.99
    assert max(trace.max() for trace in found.values()) < 0.01


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in ("loud", "quiet")])
def test_level_does_not_matter(rule):
    for waveform in (BASS, HISS, CHIRP, FAST_AM):
        difference = values(waveform)[rule].mean() - values(0.2 * waveform)[rule].mean()
        assert abs(difference) < 0.03


def test_values_lie_between_0_and_1():
    for waveform in (BASS, SHRILL, HISS, KNOCKS, SLOW_AM, FAST_AM, CHIRP, np.ones((1, RATE), np.float32)):
        for trace in values(waveform).values():
            assert trace.min() >= 0.0 and trace.max() <= 1.0 + 1e-6


def test_onset_is_at_its_time():
    params = {"pitch_hz": 1000.0, "attack_s": 0.001, "decay_s": 0.3, "count": 2, "onset_s": [0.5, 1.3]}
    waveform = render(SoundSpec("tone_bursts", "", params, 0), RATE)
    trace = values(waveform)["onset"]
    peaks = [
        at
        for at in range(1, trace.size - 1)
        if trace[at] > 0.5 and trace[at - 1] < trace[at] >= trace[at + 1]
    ]
    np.testing.assert_allclose(np.array(peaks) * 0.01, [0.5, 1.3], atol=0.021)


@pytest.mark.parametrize("depth", [0.25, 0.5, 1.0])
def test_modulation_depth_by_hand(depth):
    time_s = torch.arange(400) / 100
    amplitude = (1 + depth * torch.sin(2 * torch.pi * 10.0 * time_s))[None]
    assert depth_at(amplitude, 10.0, 4.0)[0, 200] == pytest.approx(depth, abs=0.01)
    assert depth_at(amplitude, 20.0, 4.0)[0, 200] < 0.02


def test_low_band_is_the_share_of_power_below_300_hz():
    waveform = BASS + 0.5 * SHRILL
    frame = np.pad(waveform[0].astype(np.float64), 512)[100 * 160 :][:1024]
    power = np.abs(np.fft.rfft(frame * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)))) ** 2
    share = power[np.fft.rfftfreq(1024, 1 / RATE) < 300].sum() / power.sum()
    assert share == pytest.approx(0.8, abs=0.01)
    assert values(waveform)["low_band"][100] == pytest.approx(share, abs=1e-4)


def test_level_of_a_full_scale_sine_is_minus_3_db():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)[None, None]
    fine, quick = TwoSpectrograms()(torch.as_tensor(tone))
    heard = Heard.of(fine, quick, torch.arange(513) * 15.625)
    assert heard.level_db[0, 50].item() == pytest.approx(-3.01, abs=0.01)
    assert heard.amplitude[0, 50].item() == pytest.approx(0.5**0.5, abs=1e-3)


def test_flatness_tells_noise_from_tones():
    noise, tone = (
        Heard.of(*TwoSpectrograms()(torch.as_tensor(one)[None]), torch.arange(513) * 15.625)
        .flatness_db.mean()
        .item()
        for one in (HISS, BASS)
    )
    assert noise == pytest.approx(
        -10 * np.log10(np.exp(np.euler_gamma)), abs=0.3
    )  # exponential power: e^-gamma
    assert tone < -20
