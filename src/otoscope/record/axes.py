"""Which axis is which, where a network declares nothing?

Two more forward passes tell: with one more clip the clip axis grows, with half as much sound again the time axis
does. What is then left is the neurons and, in a convolution map, the frequencies. A network that takes one length
only leaves time to a guess by position: the last axis of a map, the axis before the neurons of a sequence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from torch import nn

from otoscope.errors import ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.record.layers import Layer, modules_of

logger = logging.getLogger(__name__)

Shape = tuple[int, ...]
#: ``(model, layers, clips, samples) -> shape of each layer's output``
Shapes = Callable[[AudioModel, tuple[Layer, ...], int, int], dict[Layer, Shape]]

_NEURONS_FIRST = (
    nn.Conv1d,
    nn.Conv2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.GroupNorm,
    nn.MaxPool1d,
    nn.AvgPool1d,
)
_NEURONS_LAST = (nn.Linear, nn.LayerNorm, nn.RNNBase, nn.Embedding)


def infer_axes(
    model: AudioModel,
    layers: tuple[Layer, ...],
    shapes: dict[Layer, Shape],
    n_samples: int,
    shapes_of: Shapes,
) -> dict[Layer, str]:
    """Return the axes letters (``B`` clip, ``C`` neuron, ``F`` frequency, ``T`` time) of each layer's output."""
    more_clips = shapes_of(model, layers, 2, n_samples)
    try:
        more_sound = shapes_of(model, layers, 1, n_samples + n_samples // 2)
    except ModelError:
        logger.info("the network takes one length of sound only: time axes are guessed by position")
        more_sound = {}
    modules = modules_of(model)
    return {
        layer: letters(
            shapes[layer],
            _grown(shapes[layer], more_clips.get(layer)),
            _grown(shapes[layer], more_sound.get(layer)),
            modules.get(str(layer.module)),
        )
        for layer in layers
    }


def _grown(shape: Shape, other: Shape | None) -> int | None:
    if other is None or len(other) != len(shape):
        return None
    grown = [i for i, (before, after) in enumerate(zip(shape, other, strict=True)) if after > before]
    return grown[0] if len(grown) == 1 else None


def letters(shape: Shape, clip: int | None, time: int | None, module: nn.Module | None) -> str:
    """Return one letter per axis of ``shape``.

    Parameters
    ----------
    shape : tuple of int
        2 to 4 axes.
    clip, time : int or None
        The axes found to grow with clips and with sound; None where unknown (then the first, and a guess).
    module : nn.Module or None
        The module: linear and normalising layers have neurons last, convolutions first.

    Examples
    --------
    >>> letters((1, 64, 10, 20), 0, 3, None)
    'BCFT'
    >>> letters((20, 1, 64), 1, 0, None)
    'TBC'
    """
    found = dict.fromkeys(range(len(shape)), "")
    found[clip if clip is not None else 0] = "B"
    if time is not None and not found[time]:
        found[time] = "T"
    free = [i for i, letter in found.items() if not letter]
    found[free[-1] if _neurons_last(shape, time, module) else free[0]] = "C"
    free = [i for i, letter in found.items() if not letter]
    if free and "T" not in found.values():
        found[free.pop()] = "T"
    found.update(dict.fromkeys(free, "F"))
    return "".join(found.values())


def _neurons_last(shape: Shape, time: int | None, module: nn.Module | None) -> bool:
    if isinstance(module, _NEURONS_LAST):
        return True
    if len(shape) != 3 or isinstance(module, _NEURONS_FIRST):
        return False
    return time is None or time < len(shape) - 1
