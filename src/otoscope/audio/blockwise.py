"""How is a batch of sound transformed fast, and at full precision whatever surrounds it?

Spectrograms are several times larger than the sound. On a CPU a whole batch at once runs out of cache and
spends its time on memory, so the clips are taken a few at a time; on other devices the batch is taken whole.
Automatic mixed precision is off inside: spectral powers overflow half precision.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

SAMPLES_PER_BLOCK = 1 << 17
"""Samples at a time on a CPU (8 s at 16 kHz): their spectrum is some megabytes."""


def blockwise(transform: Callable[[Tensor], Tensor], waveform: Tensor) -> Tensor:
    """Return ``transform(waveform)``, computed a few clips at a time on a CPU.

    Parameters
    ----------
    transform : callable
        ``(item, time) -> (item, ...)``; each item independent of the others.
    waveform : Tensor, shape (..., time)
        Any number of axes before time.

    Returns
    -------
    Tensor, shape (..., ...)
        The same numbers, differentiable; at least float32.
    """
    *outer, n_samples = waveform.shape
    flat = waveform.reshape(-1, n_samples)  # (item, time)
    flat = flat.float() if flat.dtype in (torch.float16, torch.bfloat16) else flat
    per_block = max(1, SAMPLES_PER_BLOCK // max(1, n_samples))
    with _full_precision(waveform.device.type):
        if flat.device.type != "cpu" or len(flat) <= per_block:
            result = transform(flat)
        else:
            result = torch.cat([transform(block) for block in torch.split(flat, per_block)])
    return result.reshape(*outer, *result.shape[1:])


def _full_precision(device_type: str) -> AbstractContextManager[object]:
    if not torch.amp.is_autocast_available(device_type):
        return nullcontext()
    return torch.autocast(device_type, enabled=False)
