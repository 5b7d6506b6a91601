"""What does a sound file hold, on disk or in memory, as float samples that can be trusted?

Every format libsndfile knows is read (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF ...), at any sample rate,
with any number of channels and any sample format; integers are scaled to full scale = +-1. A file is
*refused*, with its path and the reason, if it is missing, a folder, no audio, empty, cut off before its
declared end, or holds samples that are not finite. Refusing is better than reading half: a damaged clip is
then counted, not measured.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from otoscope.audio import mpeg
from otoscope.errors import AudioFileError, InputError
from otoscope.store.place import is_remote, local_copy, place

Waveform = np.ndarray[Any, np.dtype[np.float32]]

SEGMENT_TOLERANCE_S = 0.05
"""By how much a segment may end after its file does: annotations are rounded."""

LARGEST = 1e10
"""Largest sample that is taken for sound: five times what 32-bit integers stored as they are would reach."""

_CHUNK = re.compile(  # what libsndfile logs of WAV, AIFF, AU, W64, RF64 whose sound is shorter than declared
    r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE
)
_UNKNOWN_SIZE = 0x7FFF0000  # from here on: a program that streamed the file and could not fill in its size
_OGG_CUT = ("Last page lacks an end-of-stream bit", "Junk after the last page")


@dataclass(frozen=True)
class SoundInfo:
    """What a sound file declares about itself.

    Attributes
    ----------
    duration_s : float
        Length in seconds.
    sample_rate : int
        Samples per second and channel.
    n_channels : int
        Number of channels.
    n_samples : int
        Samples per channel.
    format : str
        libsndfile's names of container and sample format, as ``"WAV/PCM_24"``.
    """

    duration_s: float
    sample_rate: int
    n_channels: int
    n_samples: int
    format: str


def info(path: str | Path) -> SoundInfo:
    """Return what a sound file declares, without decoding it.

    Raises
    ------
    AudioFileError
        If the file cannot be opened as sound.
    """
    path = place(path)
    with local_copy(path) as local, _open(local) as file:
        kind = f"{file.format}/{file.subtype}"
        return SoundInfo(file.frames / file.samplerate, file.samplerate, file.channels, file.frames, kind)


def read(
    path: str | Path, *, start_s: float | None = None, end_s: float | None = None
) -> tuple[Waveform, int]:
    """Return the samples of a sound file, or of one segment of it, and its sample rate.

    Parameters
    ----------
    path : str or Path
        The file, or its URL in an object store.
    start_s, end_s : float, optional
        Segment in seconds; the file's beginning and end where not given. An end up to
        ``SEGMENT_TOLERANCE_S`` after the file's end means the file's end.

    Returns
    -------
    waveform : ndarray of float32, shape (channel, time)
        Full scale is +-1. Lossy formats and float files may exceed it.
    sample_rate : int
        In hertz, the file's own.

    Raises
    ------
    AudioFileError
        If the file is unreadable, not audio, zero-length, cut off, holds NaN, infinity or samples beyond
        ``LARGEST``, or ends before the segment does. The message starts with the path.
    InputError
        If the segment is impossible (negative, or an end not after its start).
    """
    path = place(path)
    if is_remote(path):
        return read_bytes(_fetched(path), path, start_s=start_s, end_s=end_s)
    with _open(path) as file:
        return _read(path, path, file, start_s, end_s)


def read_bytes(
    content: bytes, name: str | Path, *, start_s: float | None = None, end_s: float | None = None
) -> tuple[Waveform, int]:
    """Return the samples of a sound file that is in memory, or of one segment of it, and its sample rate.

    Parameters
    ----------
    content : bytes
        The whole file, in any format that :func:`read` takes.
    name : str or Path
        What messages call it.
    start_s, end_s : float, optional
        Segment in seconds, as :func:`read`.

    Returns
    -------
    waveform : ndarray of float32, shape (channel, time)
        Full scale is +-1.
    sample_rate : int
        In hertz, the file's own.

    Raises
    ------
    AudioFileError, InputError
        As :func:`read`; the message starts with the name.
    """
    if not content:
        raise AudioFileError(f"{name}: the file is empty (0 bytes)")
    with _decoder(name, io.BytesIO(content)) as file:
        return _read(name, content, file, start_s, end_s)


def _fetched(path: Path) -> bytes:
    """Return the content of a file in an object store."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be fetched ({error or type(error).__name__})") from error


def _read(
    name: str | Path, sound: Path | bytes, file: Any, start_s: float | None, end_s: float | None
) -> tuple[Waveform, int]:
    _refuse_truncated(name, sound, file)
    first, last = _segment(name, file, start_s, end_s)
    return _decode(name, file, first, last), int(file.samplerate)


def _open(path: Path) -> Any:
    if not path.exists():
        raise AudioFileError(f"{path}: there is no such file")
    if not path.is_file():
        raise AudioFileError(f"{path}: a folder or device, not a sound file")
    if not os.access(path, os.R_OK):
        raise AudioFileError(f"{path}: no permission to read it")
    if path.stat().st_size == 0:
        raise AudioFileError(f"{path}: the file is empty (0 bytes)")
    return _decoder(path, path)


def _decoder(name: str | Path, sound: Path | io.BytesIO) -> Any:
    try:
        return soundfile.SoundFile(sound)
    except (soundfile.SoundFileError, TypeError, OSError) as error:
        raise AudioFileError(f"{name}: not a sound file that can be decoded ({_reason(error)})") from error


def _refuse_truncated(name: str | Path, sound: Path | bytes, file: Any) -> None:
    """Raise if the container says that part of the sound is missing."""
    log = file.extra_info
    chunk = _CHUNK.search(log)
    if chunk and int(chunk[1]) > int(chunk[2]) and int(chunk[1]) < _UNKNOWN_SIZE:
        raise AudioFileError(f"{name}: truncated, {chunk[2]} of {chunk[1]} bytes of sound are there")
    if all(mark in log for mark in _OGG_CUT):
        raise AudioFileError(f"{name}: truncated, the Ogg stream breaks off in the middle of a page")
    if file.format == "MP3" and mpeg.length_is_a_guess(sound):
        raise AudioFileError(
            f"{name}: an MP3 of variable bit rate that does not say its length; encode it again"
        )


def _segment(name: str | Path, file: Any, start_s: float | None, end_s: float | None) -> tuple[int, int]:
    """Return the first sample and the one after the last."""
    start, end = start_s or 0.0, end_s
    if not start >= 0 or (end is not None and not end > start):
        raise InputError(
            f"a segment needs 0 <= start_s < end_s, got start_s={start_s}, end_s={end_s} ({name})"
        )
    n_samples, rate = int(file.frames), int(file.samplerate)
    if n_samples == 0:
        raise AudioFileError(f"{name}: zero-length, the file holds no samples")
    if end is not None and end > n_samples / rate + SEGMENT_TOLERANCE_S:
        raise AudioFileError(f"{name}: the segment ends at {end:g} s but the file at {n_samples / rate:g} s")
    first = round(start * rate)
    last = n_samples if end is None else min(round(end * rate), n_samples)
    if first >= last:
        raise AudioFileError(
            f"{name}: the segment from {start:g} s holds no sample, the file lasts {n_samples / rate:g} s"
        )
    return first, last


def _decode(name: str | Path, file: Any, first: int, last: int) -> Waveform:
    try:
        if first:
            file.seek(first)
        samples = file.read(last - first, dtype="float32", always_2d=True)  # (time, channel)
    except soundfile.SoundFileError as error:
        raise AudioFileError(f"{name}: damaged or truncated ({_reason(error)})") from error
    slack = 2 * mpeg.FRAME_SAMPLES_MAX if file.format == "MP3" else 0  # its length may be an estimate
    if not len(samples) or len(samples) < last - first - slack:
        raise AudioFileError(f"{name}: truncated, {len(samples)} of {last - first} samples could be decoded")
    if not np.isfinite(samples).all():
        n_bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioFileError(f"{name}: {n_bad} of {samples.size} samples are NaN or infinite")
    loudest = float(np.abs(samples).max())
    if loudest > LARGEST:
        raise AudioFileError(
            f"{name}: a sample of {loudest:.3g}, where full scale is 1 and {LARGEST:g} the most that is taken for sound"
        )
    return np.ascontiguousarray(samples.T)  # (channel, time)


def _reason(error: Exception) -> str:
    text = str(getattr(error, "error_string", "") or error)
    if (
        "does not exist" in text
    ):  # libsndfile says so of an MP3 in which it finds no frame; the file was looked at
        return "no frame of sound was found in it"
    return text.strip().rstrip(".")
