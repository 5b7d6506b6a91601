"""The codes of an explanation, as its parts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Codes:
    """The codes that stand behind a mask; the masks of the parts add up to it.

    Attributes
    ----------
    names : tuple of str
        Of every code of the codebook.
    indices : Tensor int64, shape (clip, row, column)
        Code of each position, rows of frequency and columns of time.
    whole : Tensor, shape (clip, frequency, frame)
        The mask.
    size : (int, int)
        Rows and columns of the decoder's picture.
    placement : nn.Module
        Puts pictures on the spectrogram.
    """

    names: tuple[str, ...]
    indices: Tensor
    whole: Tensor
    size: tuple[int, int]
    placement: nn.Module

    @property
    def relevance(self) -> Tensor:
        """Share of the positions that each code has, ``(clip, code)``, in [0, 1]."""
        return shares(self.indices, len(self.names))

    @property
    def chosen(self) -> Tensor:
        """Which codes are used, bool ``(clip, code)``."""
        return self.relevance > 0

    def mask(self, index: int) -> Tensor:
        """Return the mask at the positions of one code, ``(clip, frequency, frame)``."""
        here = (self.indices == index).to(self.whole)[:, None]
        spread = functional.interpolate(here, self.size, mode="bilinear", align_corners=False)
        placed: Tensor = self.placement(spread)
        return placed[:, 0].clamp(0, 1) * self.whole


def shares(indices: Tensor, n_codes: int) -> Tensor:
    """Return the share of positions that each code has, ``(clip, code)``, of indices ``(clip, row, column)``."""
    flat = indices.flatten(1)
    counts = torch.zeros(len(flat), n_codes, device=flat.device)
    ones = torch.ones(flat.shape, device=flat.device)
    return counts.scatter_add(1, flat, ones) / flat.shape[1]


def code_names(owner: Tensor, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the name of each code: its number, and the class that owns it or ``shared``; owners ``(code,)``."""
    return tuple(
        f"code {code} ({classes[one] if one >= 0 else 'shared'})" for code, one in enumerate(owner.tolist())
    )
