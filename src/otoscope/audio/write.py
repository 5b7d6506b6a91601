"""A sound file that holds what was put into it: same length, same level, no silent clipping.

==========  =============================================================================================
format      what is written
==========  =============================================================================================
``wav``     16 or 24-bit integers, or 32-bit floats (``bits``) that have no full scale to exceed; any rate
``flac``    16 or 24-bit integers, lossless, 8 channels at most
``mp3``     constant bit rate, 1 or 2 channels; 8, 24, 32, 44.1 or 48 kHz, else the next higher one
``opus``    variable bit rate around ``bitrate_kbps``; 8, 12, 16, 24 or 48 kHz, else the next higher one
==========  =============================================================================================

Integers are round(x * 2^(bits - 1)), so that reading and writing again changes nothing. A waveform beyond
full scale is refused (``error``), turned down as a whole (``scale``) or cut off (``clip``). Lossy codecs
shift the curve, so a sound near full scale may decode up to 1.5 dB beyond it, where players cut it off;
``scale`` therefore decodes what it wrote and turns the sound down until the *decoded* peak is within full
scale.

The same input gives the same bytes (see :mod:`otoscope.audio.stable`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.audio import level
from otoscope.audio.codecs import FORMATS, decode, lossy, pcm, usual_bitrate_kbps
from otoscope.audio.resample import resample
from otoscope.errors import InputError, UnknownNameError
from otoscope.store import atomic

_TRIES = 4


@dataclass(frozen=True)
class Encoded:
    """The bytes of a sound file, and what was done to the sound.

    Attributes
    ----------
    data : bytes
        The file.
    sample_rate : int
        In hertz, as written.
    n_samples : int
        Per channel, as written.
    gain : float
        What the sound was multiplied by to stay within full scale; 1 unless ``clipping="scale"`` had to act.
    n_clipped : int
        Samples cut off; 0 unless ``clipping="clip"`` had to act.
    """

    data: bytes
    sample_rate: int
    n_samples: int
    gain: float = 1.0
    n_clipped: int = 0


def write(
    path: str | Path,
    waveform: np.ndarray[Any, Any],
    sample_rate: int,
    *,
    clipping: str = "error",
    bits: int | None = None,
    bitrate_kbps: float | None = None,
) -> Encoded:
    """Write a sound file in the format of its suffix, whole or not at all, and return what was written.

    Parameters and errors are those of :func:`encoded`, which returns the same without writing;
    an unknown suffix is an UnknownNameError, a disk that refuses a StoreError.
    """
    path = Path(path)
    result = encoded(
        waveform,
        sample_rate,
        path.suffix.removeprefix(".").lower(),
        clipping=clipping,
        bits=bits,
        bitrate_kbps=bitrate_kbps,
    )
    atomic.write_bytes(path, result.data)
    return result


def encode(
    waveform: np.ndarray[Any, Any],
    sample_rate: int,
    format: str,
    *,
    clipping: str = "error",
    bits: int | None = None,
    bitrate_kbps: float | None = None,
) -> bytes:
    """Return the bytes of a sound file; parameters and errors are those of :func:`encoded`."""
    return encoded(
        waveform, sample_rate, format, clipping=clipping, bits=bits, bitrate_kbps=bitrate_kbps
    ).data


def encoded(
    waveform: np.ndarray[Any, Any],
    sample_rate: int,
    format: str,
    *,
    clipping: str = "error",
    bits: int | None = None,
    bitrate_kbps: float | None = None,
) -> Encoded:
    """Return the bytes of a sound file and what was done to the sound.

    Parameters
    ----------
    waveform : ndarray, shape (channel, time) or (time,)
        Finite, full scale +-1.
    sample_rate : int
        In hertz.
    format : {"wav", "flac", "mp3", "opus"}
        What to write.
    clipping : {"error", "scale", "clip"}
        For a waveform beyond full scale: refuse it, turn it down, or cut it off.
    bits : int, optional
        Bits per sample of ``wav`` (16, 24, 32 = float) and ``flac`` (16, 24); 16 where not given.
    bitrate_kbps : float, optional
        Of ``mp3`` and ``opus``, all channels together; where not given, :func:`usual_bitrate_kbps`.

    Returns
    -------
    Encoded
        Bytes, rate, length, gain, clipped samples.

    Raises
    ------
    UnknownNameError
        If the format or the clipping policy has another name.
    InputError
        If the waveform is empty, not finite, has too many channels or exceeds full scale; if ``bits`` or
        ``bitrate_kbps`` do not belong to the format.
    """
    if format not in FORMATS:
        raise UnknownNameError.of("sound format", format, FORMATS)
    chosen = FORMATS[format]
    samples = _checked(waveform, format)
    subtype = _subtype(format, bits, bitrate_kbps)
    held = level.Limited(samples) if subtype == "FLOAT" else level.limit(samples, clipping)
    if not chosen.lossy:
        data = pcm(held.waveform, sample_rate, chosen.container, subtype)
        return Encoded(data, sample_rate, samples.shape[1], held.gain, held.n_clipped)
    rate = chosen.sample_rate(sample_rate)
    kbps = bitrate_kbps or usual_bitrate_kbps(format, rate, len(samples))
    at_rate = resample(held.waveform, sample_rate, rate)
    result = Encoded(lossy(at_rate, rate, format, kbps), rate, at_rate.shape[1], held.gain, held.n_clipped)
    return _turned_down(result, at_rate, format, kbps) if clipping == "scale" else result


def _checked(waveform: np.ndarray[Any, Any], format: str) -> np.ndarray[Any, Any]:
    """Return the waveform as float32 ``(channel, time)``."""
    samples = np.atleast_2d(np.asarray(waveform, np.float32))
    if samples.ndim != 2 or samples.size == 0:
        raise InputError(f"expected a waveform (channel, time) with samples, got shape {waveform.shape}")
    if len(samples) > FORMATS[format].n_channels_max:
        most = FORMATS[format].n_channels_max
        raise InputError(f"{format} holds {most} channels at most, got {len(samples)}; mix them or write wav")
    if not np.isfinite(samples).all():
        raise InputError(f"{int((~np.isfinite(samples)).sum())} samples are NaN or infinite")
    return samples


def _subtype(format: str, bits: int | None, bitrate_kbps: float | None) -> str:
    chosen = FORMATS[format]
    if chosen.lossy:
        if bits is not None:
            raise InputError(f"{format} has a bit rate (bitrate_kbps), no bits per sample; got bits={bits}")
        return chosen.subtypes[0]
    if bitrate_kbps is not None:
        raise InputError(f"{format} has bits per sample (bits), no bit rate; got bitrate_kbps={bitrate_kbps}")
    wanted = 16 if bits is None else bits
    if wanted not in chosen.subtypes:
        raise InputError(f"{format} holds {sorted(chosen.subtypes)} bits per sample, got {bits}")
    return chosen.subtypes[wanted]


def _turned_down(first: Encoded, samples: np.ndarray[Any, Any], format: str, kbps: float) -> Encoded:
    """Encode again, softer, until what a player decodes is within full scale."""
    result, softer = first, 1.0
    for _ in range(_TRIES):
        peak = float(np.abs(decode(result.data)).max(initial=0.0))
        if peak <= 1.0:
            break
        softer /= peak * 1.001
        data = lossy(samples * np.float32(softer), result.sample_rate, format, kbps)
        result = replace(result, data=data, gain=first.gain * softer)
    return result
