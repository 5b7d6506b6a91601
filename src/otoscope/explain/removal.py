"""What stands where something was removed? Removal operators, because each of them biases scores in its own way.

    kept sound = istft(g X + (1 - g) Y)        g: gain of the mask in [0, 1], X: the sound's spectrum, Y: the filling

- ``zero``: Y = 0. The published choice; digital silence is off the data that most networks have seen.
- ``noise-floor``: |Y| is the lower quantile (10 %) over frames of |X| in each frequency row, the phase is random: the
  recording's own background goes on.
- ``background``: Y is another recording, brought to 20 dB below the clip's level; digital silence stays silent.

Fillings are drawn once per clip from a seeded generator, the same for explanation and remainder and for every method.
"""

from __future__ import annotations

import torch
from torch import Tensor

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import REMOVALS
from otoscope.registry import lookup

FLOOR_QUANTILE = 0.1
BACKGROUND_DB = -20.0


def silence(spectrum: Tensor, background: Tensor | None, generator: torch.Generator) -> Tensor:
    """Return zeros like the spectrum ``(clip, channel, frequency, frame)``."""
    return torch.zeros_like(spectrum)


def noise_floor(spectrum: Tensor, background: Tensor | None, generator: torch.Generator) -> Tensor:
    """Return noise with the lower-quantile magnitude of each frequency row; shape of the spectrum."""
    floor = spectrum.abs().quantile(FLOOR_QUANTILE, dim=-1, keepdim=True)
    angle = 2 * torch.pi * torch.rand(spectrum.shape, generator=generator).to(floor)
    return torch.polar(floor.expand_as(angle), angle)


def background(spectrum: Tensor, background: Tensor | None, generator: torch.Generator) -> Tensor:
    """Return other recordings' spectra, each 20 dB below its clip.

    Parameters
    ----------
    spectrum : Tensor, shape (clip, channel, frequency, frame)
        Of the clips.
    background : Tensor, same shape
        Spectra of the other recordings.

    Raises
    ------
    InputError
        If there is none, or one of another shape.
    """
    if background is None or background.shape != spectrum.shape:
        got = "none" if background is None else f"{tuple(background.shape)}"
        raise InputError(
            f"the removal 'background' needs another recording's spectrum {tuple(spectrum.shape)}, got {got}"
        )
    own, other = (one.abs().square().mean((1, 2, 3), keepdim=True).sqrt() for one in (spectrum, background))
    return background * (own / other.clamp_min(1e-12)) * 10 ** (BACKGROUND_DB / 20)


def filling(name: str, spectrum: Tensor, others: Tensor | None, seed: int) -> Tensor:
    """Return what stands where something was removed, shape of the spectrum ``(clip, channel, frequency, frame)``.

    Parameters
    ----------
    name : str
        A row of :data:`otoscope.explain.REMOVALS`.
    spectrum, others
        As for :func:`background`.
    seed : int
        Of the draw.
    """
    if name not in REMOVALS:
        raise UnknownNameError.of("removal operator", name, REMOVALS)
    operator = lookup(REMOVALS, name, room="removals", kind="removal operator")
    made: Tensor = operator(spectrum, others, torch.Generator().manual_seed(seed))
    return made


def edited(spectrum: Tensor, gain: Tensor, fill: Tensor) -> Tensor:
    """Return ``g X + (1 - g) Y``; gain ``(clip, frequency, frame)`` acts on every channel."""
    g = gain[:, None] if gain.ndim == 3 else gain
    return g * spectrum + (1 - g) * fill
