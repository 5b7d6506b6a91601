"""Sounds and pictures of explained clips for a page, each once, until a size is reached.

Sounds are MP3 (the original once a clip), so that all of a clip shift by the same few milliseconds and stay in step.
Explanations come in the order of the run; where the room ends, the rest keeps its numbers and says that its sound was
left out.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio import read as audio_read
from otoscope.audio.resample import resample
from otoscope.audio.write import encode
from otoscope.report import pictures
from otoscope.report.explained import drawing
from otoscope.report.explained.views import ExplainedClip, ExplanationView

BITRATE_KBPS = 48
_MOST_HZ = 24_000
_HEADROOM = 0.84  # 1.5 dB: a lossy codec may decode that far beyond full scale


@dataclass
class Assets:
    """What goes into the page beside the text.

    Attributes
    ----------
    sounds, pictures : dict of str to str
        Base64 by id.
    n_without_sound : int
        Explanations whose sounds did not fit.
    """

    sounds: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    n_without_sound: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes that they take in the page."""
        held = (*self.sounds.items(), *self.pictures.items())
        return sum(len(key) + len(value) + 96 for key, value in held)


def collect(clips: Sequence[ExplainedClip], room_bytes: int, *, audio: bool) -> Assets:
    """Return the assets of explained clips; ids are ``<clip place>-original`` and ``<clip>.<explanation>-<sound>``."""
    found = Assets()
    for place, clip in enumerate(clips):
        _add_clip(found, place, clip, room_bytes, audio)
    return found


def _add_clip(found: Assets, place: int, clip: ExplainedClip, room_bytes: int, audio: bool) -> None:
    original = clip.explanations[0].kept.sound("original")
    waveform, rate = audio_read.read(original)
    found.pictures[f"{place}-original"] = _base64(
        drawing.spectrogram(pictures.spectrogram(waveform, rate, rate))
    )
    for index, one in enumerate(clip.explanations):
        key = f"{place}.{index}"
        found.pictures[f"{key}-mask"] = _base64(_mask(one, clip.duration_s))
        sounds = _sounds(one, key) if audio else {}
        if audio and f"{place}-original" not in found.sounds:
            sounds[f"{place}-original"] = mp3(original)
        if found.size_bytes + sum(map(len, sounds.values())) > room_bytes or not audio:
            found.n_without_sound += 1
            continue
        found.sounds |= sounds


def _sounds(one: ExplanationView, key: str) -> dict[str, str]:
    found = {f"{key}-{name}": mp3(one.kept.sound(name)) for name in ("explanation", "remainder")}
    for place, part in enumerate(one.parts):
        if part.sound is not None:
            found[f"{key}-part-{place}"] = mp3(one.kept.folder / part.sound)
    return found


def _mask(one: ExplanationView, duration_s: float) -> bytes:
    head: dict[str, Any] = one.kept.manifest
    settings = head["spectrogram"]
    stride = settings["hop_length"] / settings["sample_rate"]
    first = 0.0 if settings["center"] else settings["n_fft"] / 2 / settings["sample_rate"]
    frames = first + stride * np.arange(head["n_frames"])
    return drawing.mask(one.kept.mask(), settings["sample_rate"], duration_s, frames)


def mp3(path: Path) -> str:
    """Return a sound file as a small MP3 in base64."""
    waveform, rate = audio_read.read(path)
    to_hz = min(rate, _MOST_HZ)
    data = encode(
        _HEADROOM * resample(waveform, rate, to_hz), to_hz, "mp3", clipping="clip", bitrate_kbps=BITRATE_KBPS
    )
    return _base64(data)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
