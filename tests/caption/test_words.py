"""From numbers to words to sentences: thresholds, definitions, and text that reads as English."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from otoscope.caption.acoustic.captioner import AcousticCaptioner
from otoscope.caption.acoustic.likeness import CALLED, called
from otoscope.caption.acoustic.sentences import compose
from otoscope.caption.acoustic.words import Impression, impression

from .signals import (
    RATE,
    between,
    clicks,
    harmonics,
    noise,
    seconds,
    sine,
    sweep,
    tremolo,
    vibrato,
)


def rumble() -> np.ndarray:
    """Noise that falls by 12 dB an octave above 150 Hz."""
    hz = np.fft.rfftfreq(3 * RATE, 1 / RATE)
    return np.fft.irfft(np.fft.rfft(noise(3.0, 0.5)) / (1 + (hz / 150) ** 2)).astype(np.float32)


def heard(wave: np.ndarray, clip_id: str = "clip") -> tuple[Impression, str]:
    captioner = AcousticCaptioner()
    measured = captioner.measure(np.asarray(wave, np.float32))
    return impression(measured), captioner.describe(measured, clip_id)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("loudness_lufs", {-50: "very quiet", -35: "quiet", -25: "moderately loud", -10: "loud"}),
        ("silence_share", {0.1: "", 0.3: "some", 0.6: "half", 0.95: "most"}),
        ("bandwidth_hz", {100: "narrow", 800: "", 3000: "broad"}),
        ("spectral_change", {0.01: "constant", 0.1: "", 0.3: "changing"}),
        ("centroid_hz", {300: "bass-heavy", 900: "dark", 1500: "", 3000: "bright", 6000: "very bright"}),
    ],
)
def test_steps(name, steps):
    family = {
        "loudness_lufs": "loudness",
        "silence_share": "silence",
        "bandwidth_hz": "band",
        "spectral_change": "colour",
        "centroid_hz": "brightness",
    }[name]
    for value, word in steps.items():
        assert getattr(impression({name: value}), family) == word


def test_nothing_measured_says_nothing():
    assert impression({}) == Impression()
    assert impression({"centroid_hz": float("nan")}) == Impression()


@pytest.mark.parametrize(
    ("wave", "expected"),
    [
        (sine(900, 3.0), {"pitch": "high", "texture": "pure", "movement": "steady", "course": "continuous"}),
        (
            harmonics(110, 3.0),
            {"pitch": "low", "texture": "tonal", "movement": "steady", "brightness": "bass-heavy"},
        ),
        (noise(3.0), {"pitch": "", "texture": "noisy", "band": "broad", "brightness": "very bright"}),
        (rumble(), {"texture": "noisy", "brightness": "bass-heavy"}),
        (sweep(400, 1600, 2.0), {"movement": "rising"}),
        (sweep(1600, 400, 2.0), {"movement": "falling"}),
        (vibrato(700, 6, 0.8), {"movement": "vibrato"}),
        (tremolo(800, 10, 0.8), {"modulation": "fluttering"}),
        (tremolo(800, 2, 0.8), {"modulation": "slow"}),
        (tremolo(2000, 60, 0.8), {"modulation": "rough"}),
        (
            clicks(np.arange(0.2, 4.8, 0.5)),
            {"rhythm": "regular", "length": "very short", "course": "intermittent"},
        ),
        (
            between(noise(0.4), 1, 1),
            {"course": "intermittent", "events": 1, "silence": "half", "length": "short"},
        ),
        (np.exp(-3 * seconds(3.0)) * noise(3.0), {"trend": "fading"}),
        (np.exp(-3 * seconds(3.0))[::-1] * noise(3.0), {"trend": "growing"}),
        (noise(3.0, 0.5), {"loudness": "loud"}),
        (noise(3.0, 0.003), {"loudness": "very quiet"}),
    ],
)
def test_words_of_known_sounds(wave, expected):
    seen, _ = heard(wave)
    assert {name: getattr(seen, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("wave", "word"),
    [
        (clicks(np.arange(0.2, 4.8, 0.5)), "ticking"),
        (sine(1500, 3.0), "whistling"),
        (harmonics(100, 3.0), "humming"),
        (noise(3.0), "hissing"),
        (rumble(), "rumbling"),
        (tremolo(300, 12, 0.9), "throbbing"),
        (vibrato(800, 0.9, 5, 4.0), "wailing"),
        (np.concatenate([between(sine(2000, 0.2), 0, 0.3)] * 6), "beeping"),
    ],
)
def test_what_known_sounds_are_called(wave, word):
    captioner = AcousticCaptioner()
    measured = captioner.measure(np.asarray(wave, np.float32))
    assert word in called(impression(measured), measured)


def test_silence_is_called_silence():
    assert heard(np.zeros(RATE, np.float32))[1] == "Silence."
    assert heard(np.zeros(1, np.float32))[1] == "Silence."


def test_a_caption_is_sentences_without_numbers_or_negations():
    waves = [
        sine(900),
        noise(),
        clicks([0.5, 1.0, 1.5], 2.0),
        harmonics(120),
        tremolo(500, 6, 0.7),
        np.ones(1),
    ]
    for number, wave in enumerate(waves):
        text = heard(wave, f"clip {number}")[1]
        assert re.fullmatch(r"([A-Z][^.]*\. ?)+", text), text
        assert not re.search(r"\d|\bnot?\b|without|none|nan|  |,,", text), text
        assert 4 <= len(text.split()) <= 60


def test_phrasing_varies_by_clip_and_never_for_a_clip():
    measured = AcousticCaptioner().measure(noise(2.0))
    texts = [AcousticCaptioner().describe(measured, f"clip {number}") for number in range(40)]
    assert 5 < len(set(texts)) <= 40
    assert texts == [AcousticCaptioner().describe(measured, f"clip {number}") for number in range(40)]


def test_every_word_of_every_family_can_be_said():
    """No impression, however unlikely, breaks the sentences."""
    families = {
        "loudness": ("", "loud"),
        "brightness": ("", "dark"),
        "pitch": ("", "low", "very high"),
        "movement": ("", "rising"),
        "texture": ("pure", "noisy", "mixed"),
        "band": ("", "broad"),
        "course": ("continuous", "intermittent"),
        "events": (1, 3, 30),
        "silence": ("", "most"),
    }
    for values in itertools.product(*families.values()):
        text = compose(Impression(**dict(zip(families, values, strict=True))), ["hissing"], "x")
        assert text.endswith(".") and "  " not in text


def test_definitions_are_safe_on_what_is_missing():
    for _, fits in CALLED:
        assert fits(Impression(), {}) in (True, False)
    assert len({word for word, _ in CALLED}) == len(CALLED)
