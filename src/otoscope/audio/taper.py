"""How is a frame faded in and out before its spectrum is taken?

With N samples and t = 0 .. N-1, *periodic* windows divide by D = N (the usual choice for an STFT) and
*symmetric* ones by D = N - 1:

- ``hann``      0.5 - 0.5 cos(2 pi t / D)
- ``hamming``   0.54 - 0.46 cos(2 pi t / D)
- ``povey``     hann ^ 0.85 (kaldi's)
- ``blackman``  0.42 - 0.5 cos(2 pi t / D) + 0.08 cos(4 pi t / D)
- ``boxcar``    1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError

_SHAPES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "hann": lambda phase: 0.5 - 0.5 * phase.cos(),
    "hamming": lambda phase: 0.54 - 0.46 * phase.cos(),
    "povey": lambda phase: (0.5 - 0.5 * phase.cos()).clamp_min(0) ** 0.85,
    "blackman": lambda phase: 0.42 - 0.5 * phase.cos() + 0.08 * (2 * phase).cos(),
    "boxcar": torch.ones_like,
}
NAMES: tuple[str, ...] = tuple(_SHAPES)


def window(name: str, length: int, *, periodic: bool = True, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return one of the named windows.

    Parameters
    ----------
    name : {"hann", "hamming", "povey", "blackman", "boxcar"}
        Its shape.
    length : int
        Number of samples N.
    periodic : bool
        Divide by N rather than N - 1.
    dtype : torch.dtype
        Computed in float64, then rounded to this.

    Returns
    -------
    Tensor, shape (length,)
        In [0, 1] (blackman: down to -1e-17).

    Raises
    ------
    UnknownNameError
        If there is no window of that name.

    Examples
    --------
    >>> window("hann", 4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    if name not in _SHAPES:
        raise UnknownNameError.of("window", name, NAMES)
    if length < 1:
        raise InputError(f"a window needs at least one sample, got {length}")
    divisor = length if periodic else max(1, length - 1)
    phase = torch.arange(length, dtype=torch.float64) * (2 * torch.pi / divisor)
    return _SHAPES[name](phase).to(dtype)
