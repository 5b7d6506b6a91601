"""Masks become sound: levels, lengths, sums, domains, phase, silence, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.audio.stft import StftSettings
from otoscope.errors import FormatError, InputError, UnknownNameError
from otoscope.explain.explanation import Explanation, gain
from otoscope.explain.listen import Listening, listen
from otoscope.explain.removal import BACKGROUND_DB, edited, filling
from otoscope.explain.spectrogram import Spectrogram

ON = Spectrogram(StftSettings(512, 128), 16000)


def explained(sounds: torch.Tensor, mask: torch.Tensor | float, domain: str = "linear") -> Explanation:
    shape = (len(sounds), 257, ON.n_frames(sounds.shape[-1]))
    full = torch.full(shape, mask) if isinstance(mask, float) else mask.expand(shape).clone()
    return Explanation(full, ON, domain)


def level(sound: torch.Tensor) -> np.ndarray:
    return sound.square().mean((1, 2)).sqrt().numpy()


@pytest.mark.parametrize("domain", ["linear", "log1p"])
def test_all_pass_is_the_input_and_no_mask_is_silence(sounds, domain) -> None:
    everything = listen(explained(sounds, 1.0, domain), sounds)
    assert torch.allclose(everything.explanation, sounds, atol=1e-5)
    assert everything.remainder.abs().max() < 1e-6
    nothing = listen(explained(sounds, 0.0, domain), sounds)
    assert nothing.explanation.abs().max() == 0 and torch.allclose(nothing.remainder, sounds, atol=1e-5)


def test_linear_halves_add_up_and_log_halves_do_not(sounds) -> None:
    linear, log = (listen(explained(sounds, 0.5, one), sounds) for one in ("linear", "log1p"))
    assert torch.allclose(linear.explanation, 0.5 * sounds, atol=1e-6)
    assert torch.allclose(linear.explanation + linear.remainder, sounds, atol=1e-6)
    assert not torch.allclose(log.explanation + log.remainder, sounds, atol=1e-3)
    how = Listening(remainder="difference")
    rest = listen(explained(sounds, 0.5, "log1p"), sounds, how)
    assert torch.allclose(rest.explanation + rest.remainder, sounds, atol=1e-6)


def test_gain_in_the_log_domain_by_hand() -> None:
    magnitude = torch.tensor([0.0, 3.0, 1e-9, 99.0])
    expected = [0.5, (4**0.5 - 1) / 3, 0.5, (100**0.5 - 1) / 99]
    assert gain(torch.full((4,), 0.5), magnitude, "log1p").tolist() == pytest.approx(expected, rel=1e-5)
    assert gain(torch.tensor([0.0, 1.0]), torch.tensor([5.0, 5.0]), "log1p").tolist() == pytest.approx([0, 1])


def test_a_band_is_heard_and_the_rest_is_not(sounds) -> None:
    rows = ((ON.frequencies_hz() > 800) & (ON.frequencies_hz() < 1200)).float()[None, :, None]
    heard = listen(explained(sounds, rows), sounds)
    spectrum = torch.fft.rfft(heard.explanation[0, 0]).abs().square()
    assert spectrum[700:1300].sum() / spectrum.sum() > 0.999
    assert level(heard.explanation)[0] > 5 * level(heard.remainder)[0]
    assert heard.explanation.shape == heard.remainder.shape == sounds.shape


@pytest.mark.parametrize("n_samples", [15873, 16000, 16127, 700])
def test_any_length_and_channels_come_back(n_samples) -> None:
    stereo = torch.randn(1, 2, n_samples, generator=torch.Generator().manual_seed(1))
    heard = listen(explained(stereo, 1.0), stereo)
    assert torch.allclose(heard.explanation, stereo, atol=1e-4)


def test_matched_loudness_stays_within_full_scale(sounds) -> None:
    loud = sounds / sounds.abs().max()
    rows = (ON.frequencies_hz() > 5000).float()[None, :, None]
    heard = listen(explained(loud, rows), loud, Listening(loudness="match"))
    assert level(heard.explanation) == pytest.approx(level(heard.original), rel=1e-3)
    assert (
        max(float(one.abs().max()) for one in (heard.explanation, heard.remainder, heard.original))
        <= 1 + 1e-6
    )
    quiet = listen(explained(loud, rows), loud)
    lifted = heard.gain_db[:, :1] - quiet.gain_db[:, :1]
    assert torch.allclose(heard.explanation, quiet.explanation * (10 ** (lifted / 20))[:, :, None], atol=1e-5)


def test_silence_stays_silent() -> None:
    silence = torch.zeros(1, 1, 4000)
    for how in (Listening(), Listening(loudness="match"), Listening(phase="griffin-lim", iterations=2)):
        heard = listen(explained(silence, 0.7, "log1p"), silence, how)
        assert heard.explanation.abs().max() == 0 and heard.remainder.abs().max() == 0
        assert heard.gain_db.isfinite().all()


def test_griffin_lim_keeps_the_magnitude_and_is_seeded(sounds) -> None:
    few, many = (
        listen(explained(sounds, 1.0), sounds, Listening(phase="griffin-lim", iterations=n)) for n in (1, 40)
    )
    again = listen(explained(sounds, 1.0), sounds, Listening(phase="griffin-lim", iterations=40))
    target = ON.spectrum(sounds).abs()
    errors = [
        float((ON.spectrum(one.explanation).abs() - target).norm() / target.norm()) for one in (few, many)
    ]
    assert errors[1] < errors[0] and errors[1] < 0.35
    assert torch.equal(many.explanation, again.explanation)


class TestRemoval:
    """What stands where something was removed."""

    def test_zero_keeps_and_drops(self, sounds) -> None:
        spectrum = ON.spectrum(sounds)
        mask = torch.zeros(2, *spectrum.shape[-2:])
        assert edited(spectrum, mask, filling("zero", spectrum, None, 0)).abs().max() == 0
        assert torch.equal(edited(spectrum, mask + 1, filling("noise-floor", spectrum, None, 0)), spectrum)

    def test_the_floor_is_below_the_tone_and_seeded(self, sounds) -> None:
        spectrum = ON.spectrum(sounds)
        one, again, other = (filling("noise-floor", spectrum, None, seed) for seed in (1, 1, 2))
        assert torch.equal(one, again) and not torch.equal(one, other)
        below = spectrum.abs().quantile(0.1, dim=-1)
        assert torch.allclose(one.abs()[..., 0], below, rtol=1e-4, atol=1e-6)

    def test_the_background_is_twenty_decibels_below(self, sounds) -> None:
        spectrum = ON.spectrum(sounds)
        fill = filling("background", spectrum, 7 * spectrum.flip(0), 0)
        ratio = fill.abs().square().mean((1, 2, 3)) / spectrum.abs().square().mean((1, 2, 3))
        assert (10 * ratio.log10()).tolist() == pytest.approx([BACKGROUND_DB] * 2, abs=1e-3)
        with pytest.raises(InputError, match=r"needs another recording's spectrum .* got none"):
            filling("background", spectrum, None, 0)
        with pytest.raises(UnknownNameError, match="unknown removal operator 'mean'"):
            filling("mean", spectrum, None, 0)


class TestSpectrogram:
    """What a mask lies on."""

    def test_json_round_trip(self) -> None:
        assert Spectrogram.from_json(ON.to_json()).to_json() == ON.to_json()
        with pytest.raises(FormatError, match="no settings of a spectrogram"):
            Spectrogram.from_json({"n_fft": 4})

    def test_another_rate_is_refused(self) -> None:
        other = Spectrogram(StftSettings(512, 128), 44100)
        with pytest.raises(
            InputError, match=r"the dictionary was made .* sample_rate = 44100, and is used with 16000"
        ):
            ON.require(other, "the dictionary")
        ON.require(Spectrogram(StftSettings(512, 128, win_length=512), 16000), "the dictionary")

    def test_of_a_network(self, model) -> None:
        found = Spectrogram.of(model)
        assert found.settings == model.front_end.stft_settings and found.sample_rate == 16000


def test_errors(sounds) -> None:
    with pytest.raises(InputError, match=r"the mask is \(2, 257, 5\) .* and the sound has \(2, 257, 126\)"):
        listen(Explanation(torch.ones(2, 257, 5), ON), sounds)
    with pytest.raises(InputError, match=r"a mask lies in \[0, 1\], got -1 .. 2"):
        Explanation(torch.tensor([-1.0, 2.0]).repeat(257)[None, :257, None], ON)
    with pytest.raises(InputError, match="expected a mask"):
        Explanation(torch.ones(2, 100, 5), ON)
    with pytest.raises(UnknownNameError, match="unknown masking domain 'db'"):
        Explanation(torch.ones(2, 257, 5), ON, "db")


def test_the_reference_inverse_transform(parity) -> None:
    given = parity("posthoc")
    hop, win = given["stft/16000_hop_win"]
    on = Spectrogram(StftSettings(1024, int(hop), int(win), window="hamming"), 16000)
    wave = torch.from_numpy(given["stft/wav"])[:, None]
    full = torch.ones(2, 513, on.n_frames(4000))
    heard = listen(Explanation(full, on, "log1p"), wave).explanation[:, 0]
    assert heard[:, :3906].numpy() == pytest.approx(given["stft/recon_wav"], abs=2e-4)
    magnitude = on.spectrum(wave[:, 0]).abs().log1p()
    assert magnitude.mT.numpy() == pytest.approx(given["stft/log1p_mag"], abs=1e-4)
