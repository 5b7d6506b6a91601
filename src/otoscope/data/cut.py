"""One clip: read, channel policy, resample, cut into windows. Runs in the worker processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.audio import channels, windows
from otoscope.audio.resample import QUALITIES, resample
from otoscope.audio.windows import ClipLength
from otoscope.data.batch import Batch, failed
from otoscope.data.source import Source
from otoscope.errors import Failure, InputError, OtoscopeError, UnknownNameError

WHOLE = ClipLength(length_s=None)
"""The policy of a network that takes any length: the whole clip as it is."""


@dataclass(frozen=True)
class Decoding:
    """How sound becomes what a network takes.

    Attributes
    ----------
    sample_rate : int
        Hz.
    channels : {"mix", "first", "keep"}
        The mean of the channels, the first one, or all.
    quality : {"HQ", "VHQ", "MQ", "LQ", "QQ"}
        The resampler's quality, as soxr names it.
    length : ClipLength
        Cropped, padded, cut into windows, or whole.
    """

    sample_rate: int
    channels: str = "mix"
    quality: str = "HQ"
    length: ClipLength = WHOLE

    def __post_init__(self) -> None:
        """Refuse what would fail on every clip."""
        if self.sample_rate < 1:
            raise InputError(f"sample_rate is a positive number of Hz, got {self.sample_rate}")
        if self.channels not in channels.POLICIES:
            raise UnknownNameError.of("channel policy", self.channels, channels.POLICIES)
        if self.quality not in QUALITIES:
            raise UnknownNameError.of("resampling quality", self.quality, QUALITIES)


def decode_clip(record: Mapping[str, Any], source: Source, decoding: Decoding) -> Batch:
    """Return the windows of one clip, or a batch without windows that carries its Failure.

    Parameters
    ----------
    record : mapping
        ``row``, ``id`` and the source's columns.
    source : Source
        Reads the record's sound.
    decoding : Decoding
        What becomes of it.
    """
    try:
        waveform, rate = source.read(record)
        return _windows(int(record["row"]), waveform, rate, decoding)
    except (OtoscopeError, OSError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        return failed([Failure(int(record["row"]), str(record["id"]), "decode", reason)])


def _windows(row: int, original: NDArray[np.float32], rate: int, decoding: Decoding) -> Batch:
    heard = channels.apply(original, decoding.channels)
    waveform = resample(heard, rate, decoding.sample_rate, quality=decoding.quality)  # (channel, time)
    planned = windows.plan(waveform.shape[1], decoding.sample_rate, decoding.length)
    n = len(planned)
    return Batch(
        rows=np.full(n, row, np.int64),
        starts_s=np.array([one.start_sample / decoding.sample_rate for one in planned]),
        keep_s=np.array([(one.keep_start_s, one.keep_end_s) for one in planned]),
        durations_s=np.full(n, original.shape[1] / rate),
        waveforms=np.stack([windows.cut(waveform, one, decoding.length.short) for one in planned]),
        lengths=np.array([one.n_valid for one in planned], dtype=np.int64),
        source_rates=np.full(n, rate, np.int64),
    )
