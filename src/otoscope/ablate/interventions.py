"""What becomes of a chosen neuron's activation?

With x the activation of neuron i at some position of a clip, and i in the set:

    zero      x -> 0                                                off the data's manifold; the published choice
    mean      x -> m_i        mean over positions and reference clips
    gain      x -> g x        g = 0 is zero, g < 1 attenuates, g > 1 amplifies
    resample  x -> x'         the same neuron, at the same position, of a clip of another group

Neurons outside the set are untouched, to the bit: a change is a selection (``where``), never a product with a mask.
Axes: the masks' first axis, the set, lies on the activation's clip axis.

A new intervention is one :class:`Intervention` plus one line in :data:`otoscope.ablate.INTERVENTIONS`.

Reference: S. Morcos et al., "On the importance of single directions for generalization", ICLR 2018 (zero and mean);
L. Chan et al., "Causal scrubbing", 2022 (resample).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from otoscope.ablate import INTERVENTIONS
from otoscope.registry import lookup


@dataclass(frozen=True)
class Material:
    """What an intervention puts in the place of an activation.

    Attributes
    ----------
    gain : float
        Factor.
    mean : Tensor or None
        Mean of each neuron, with the axes of the activation.
    donor : Tensor or None
        The layer's output for a clip of another group.
    """

    gain: float = 0.0
    mean: Tensor | None = None
    donor: Tensor | None = None


@dataclass(frozen=True)
class Intervention:
    """A change of the chosen neurons.

    Attributes
    ----------
    name : str
    needs : {"nothing", "means", "donors"}
        What must be known beforehand.
    value : callable
        ``(activation, material) -> Tensor`` that broadcasts to the activation: what a chosen neuron becomes.
    """

    name: str
    needs: Literal["nothing", "means", "donors"]
    value: Callable[[Tensor, Material], Tensor]

    def apply(self, activation: Tensor, mask: Tensor, material: Material) -> Tensor:
        """Return the activation with the chosen neurons changed.

        Parameters
        ----------
        activation : Tensor
            A layer's output, of one clip or of as many as ``mask`` has sets.
        mask : Tensor of bool
            Broadcasts to the activation; True where the neuron is in the set.
        material : Material

        Examples
        --------
        >>> x = torch.tensor([[2.0, 4.0]])
        >>> ZERO.apply(x, torch.tensor([[True, False], [False, False]]), Material()).tolist()
        [[0.0, 4.0], [2.0, 4.0]]
        """
        return torch.where(mask, self.value(activation, material).to(activation.dtype), activation)


def intervention(name: str) -> Intervention:
    """Return the intervention called ``name``; an unknown one raises with those that exist."""
    found: Intervention = lookup(INTERVENTIONS, name, room="interventions", kind="intervention")
    return found


def _zero(activation: Tensor, material: Material) -> Tensor:
    return activation.new_zeros(())


def _mean(activation: Tensor, material: Material) -> Tensor:
    return _given(material.mean, "mean")


def _gain(activation: Tensor, material: Material) -> Tensor:
    return activation * material.gain


def _resample(activation: Tensor, material: Material) -> Tensor:
    return _given(material.donor, "donor")


def _given(tensor: Tensor | None, what: str) -> Tensor:
    if tensor is None:
        raise TypeError(f"this intervention needs a {what} in its material")
    return tensor


ZERO = Intervention("zero", "nothing", _zero)
MEAN = Intervention("mean", "means", _mean)
GAIN = Intervention("gain", "nothing", _gain)
RESAMPLE = Intervention("resample", "donors", _resample)
