"""Numpy or torch in, the same out."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray[Any, Any], Tensor)


def to_tensor(array: np.ndarray[Any, Any] | Tensor) -> Tensor:
    """Return a tensor that shares memory with ``array`` where it can (a read-only array is copied)."""
    if isinstance(array, Tensor):
        return array
    contiguous = np.ascontiguousarray(array)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())


def like(result: Tensor, reference: Array) -> Array:
    """Return ``result`` as the kind of array that ``reference`` is, on its device."""
    if isinstance(reference, Tensor):
        return result.to(reference.device)
    return result.detach().cpu().numpy()
