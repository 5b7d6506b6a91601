"""What can each kind of sound file hold, and which bytes does libsndfile write for it?

Samples go in as they are: levels, lengths and the user's choices are decided in :mod:`otoscope.audio.write`.

At the usual bit rates, measured on environmental recordings in bands of about an octave: the median band
keeps its level to 0.4 dB up to 15 kHz, the worst band of the worst clip to 1.2 dB; length and timing hold to
the sample. What is lost: constant offset and infrasound (both codecs), what lies above 16 kHz (MP3). LAME
cuts off the top tenth of the band at rates of 11 to 22 kHz, whatever the bit rate; such sound is therefore
written at 24 kHz.

libsndfile takes a *compression level* in [0, 1) where others take a bit rate; its two mappings are turned
around here. LAME plays sound down at low constant bit rates (by 5 % below 176 kbit/s at 44.1 kHz, by a table
of its presets); the factor is measured with a tone and divided out, so the level holds with any version of
it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import soundfile

from otoscope.audio import stable
from otoscope.errors import InputError

_BLOCK = 1 << 16  # samples handed to an encoder at a time: some of them keep a block on the stack


@dataclass(frozen=True)
class Format:
    """What a container can hold.

    Attributes
    ----------
    container : str
        libsndfile's name of it.
    subtypes : dict
        Bits per sample -> libsndfile's name of the sample format; the only key 0 = lossy.
    n_channels_max : int
        Most channels.
    sample_rates : tuple of int
        The rates it can hold, ascending; empty = any.
    """

    container: str
    subtypes: dict[int, str]
    n_channels_max: int
    sample_rates: tuple[int, ...] = ()

    @property
    def lossy(self) -> bool:
        """Whether decoding gives other samples than were encoded."""
        return 0 in self.subtypes

    def sample_rate(self, wanted: int) -> int:
        """Return the rate itself, or the next higher one that the format can hold, or its highest."""
        if not self.sample_rates:
            return wanted
        return next((rate for rate in self.sample_rates if rate >= wanted), self.sample_rates[-1])


FORMATS: dict[str, Format] = {
    "wav": Format("WAV", {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}, 1024),
    "flac": Format("FLAC", {16: "PCM_16", 24: "PCM_24"}, 8),
    "mp3": Format("MP3", {0: "MPEG_LAYER_III"}, 2, (8000, 24000, 32000, 44100, 48000)),
    "opus": Format("OGG", {0: "OPUS"}, 8, (8000, 12000, 16000, 24000, 48000)),
}


def usual_bitrate_kbps(format: str, sample_rate: int, n_channels: int) -> float:
    """Return the bit rate that is used where none is given: enough for level and spectrum to hold.

    Per channel: MP3 48 kbit/s at 8 kHz, 64 at 24 kHz, 112 above; Opus 64 up to 24 kHz (at 48 its speech mode
    takes 1 to 2 dB off the upper half of a 16 kHz sound), 96 at 48 kHz.
    """
    if format == "opus":
        return n_channels * (64.0 if sample_rate <= 24000 else 96.0)
    if sample_rate < 16000:
        return min(48.0 * n_channels, 64.0)  # the most that MPEG-2.5 allows
    return n_channels * (64.0 if sample_rate <= 24000 else 112.0)


def pcm(samples: np.ndarray[Any, Any], sample_rate: int, container: str, subtype: str) -> bytes:
    """Return the bytes of a lossless file.

    Parameters
    ----------
    samples : ndarray of float32, shape (channel, time)
        Within full scale, except for ``FLOAT``.
    sample_rate : int
        In hertz.
    container, subtype : str
        libsndfile's names.

    Returns
    -------
    bytes
        Integers are round(x * 2^(bits - 1)), the largest one for x = 1.
    """
    if subtype == "FLOAT":
        return stable.wav(_file(samples, sample_rate, container, subtype))
    top = 2 ** (int(subtype.removeprefix("PCM_")) - 1)
    integers = np.clip(np.rint(samples.astype(np.float64) * top), -top, top - 1)
    if subtype == "PCM_16":
        return _file(integers.astype(np.int16), sample_rate, container, subtype)
    return _file(integers.astype(np.int32) << 8, sample_rate, container, subtype)  # the upper 24 of 32 bits


def _file(
    samples: np.ndarray[Any, Any], sample_rate: int, container: str, subtype: str, **options: Any
) -> bytes:
    """Return the bytes that libsndfile writes for ``(channel, time)``."""
    buffer = io.BytesIO()
    n_channels, n_samples = samples.shape
    named = {"format": container, "subtype": subtype, **options}
    with soundfile.SoundFile(buffer, "w", sample_rate, n_channels, **named) as file:
        for start in range(0, n_samples, _BLOCK):
            file.write(np.ascontiguousarray(samples[:, start : start + _BLOCK].T))
    return buffer.getvalue()


def lossy(samples: np.ndarray[Any, Any], sample_rate: int, format: str, kbps: float) -> bytes:
    """Return the bytes of an ``mp3`` or ``opus`` file.

    Parameters
    ----------
    samples : ndarray of float32, shape (channel, time)
        At a rate the format can hold.
    sample_rate : int
        In hertz.
    format : {"mp3", "opus"}
        What to write.
    kbps : float
        kbit/s, all channels together.

    Raises
    ------
    InputError
        If the format cannot have that bit rate.
    """
    if format == "opus":
        return stable.ogg(_opus(samples, sample_rate, kbps))
    return _mp3(samples / _mp3_gain(sample_rate, len(samples), kbps), sample_rate, kbps)


def _opus(samples: np.ndarray[Any, Any], sample_rate: int, kbps: float) -> bytes:
    """libsndfile: kbit/s per channel = 256 - 250 * compression level."""
    effort = _compression(kbps / len(samples), 6.0, 256.0, "opus, per channel")
    return _file(samples, sample_rate, "OGG", "OPUS", compression_level=effort)


def _mp3(samples: np.ndarray[Any, Any], sample_rate: int, kbps: float) -> bytes:
    """libsndfile: kbit/s falls linearly with the compression level between the limits of the MPEG version."""
    low, high = (32.0, 320.0) if sample_rate >= 32000 else (8.0, 160.0 if sample_rate >= 16000 else 64.0)
    effort = _compression(kbps, low, high, f"mp3 at {sample_rate} Hz")
    return _file(
        samples, sample_rate, "MP3", "MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=effort
    )


def _compression(kbps: float, low: float, high: float, what: str) -> float:
    if not low <= kbps <= high:
        raise InputError(f"{what} takes {low:g} to {high:g} kbit/s, got {kbps:g}")
    return min((high - kbps) / (high - low), 0.9999)  # libsndfile refuses 1


@lru_cache(maxsize=64)
def _mp3_gain(sample_rate: int, n_channels: int, kbps: float) -> float:
    """Return what the encoder multiplies a tone of 1 kHz by."""
    time = np.arange(sample_rate) / sample_rate
    tone = np.tile(0.1 * np.sin(2 * np.pi * 1000 * time), (n_channels, 1)).astype(np.float32)
    steady = slice(sample_rate // 4, 3 * sample_rate // 4)
    decoded = decode(_mp3(tone, sample_rate, kbps))
    return float(decoded[:, steady].std() / tone[:, steady].std())


def decode(data: bytes) -> np.ndarray[Any, Any]:
    """Return the samples (channel, time) that the bytes of a sound file decode to."""
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(samples).T  # (channel, time)
