"""What does the network answer without these neurons, for many sets at once?

One window goes in; the first layer in which a neuron is ablated lays the sets along the clip axis, each with its own
mask, and all later layers hear every set. So the layers before it are computed once for all sets of a forward pass,
and the sets after it as one batch. A network that cannot be heard so (it writes in place, or joins tensors of unequal
numbers of clips) is given the window repeated instead: found out on the first window, by comparing the answers.

Cost: windows x sets, each one forward pass from the first ablated layer on; convolutions and products dominate, the
hooks do not show. Measured on one busy core: the compact network (0.45 GFLOP behind its first block) takes 5.5 ms a
set and window in float32 and 3.6 ms in bfloat16, so 2,000 sets on 80 clips of 5 s are some 15 (10) minutes of one
core; AST (206 GFLOP) takes 3.3 s (2.0 s), so that 50 classes x 200 sets x 400 clips are for a GPU: 0.8 EFLOP, an
hour or two at 150 TFLOP/s. Sets confined to late layers cost only those layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from otoscope.ablate.hearing import Window
from otoscope.ablate.interventions import Intervention, Material
from otoscope.ablate.places import Place
from otoscope.errors import HookError, InputError, ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import capturing, intervening, tensor_of
from otoscope.record.layers import Layer, modules_of
from otoscope.record.probe import device_of, eager
from otoscope.record.widening import widening

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_FORWARD_ERRORS = (RuntimeError, ValueError, IndexError, TypeError)
_ALIKE = 1e-3
"""Largest difference, relative to the spread of the answers, at which two ways of hearing count as the same."""

#: donor window of a window, for ``resample``
Donors = Callable[[Window], Window]


class Lesion:
    """Runs a network with sets of its neurons ablated; leaves no trace.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode (see :func:`otoscope.record.hooks.lent`).
    places : sequence of Place
        Where masks apply, in forward order.
    how : Intervention
    gain : float
        For ``gain``.
    means : Tensor, optional
        Mean of each of the run's neurons ``(neuron,)``, for ``mean``.
    donors : callable, optional
        For ``resample``.
    sets_at_once : int
        Sets a forward pass.
    precision : str
        ``float32``, or the type of an autocast.
    answer : callable, optional
        Features to ``(clip, value)``: what is answered in the place of the network's logits, such as the logits of a
        probe; it must run the network's modules.
    """

    def __init__(
        self,
        model: AudioModel,
        places: Sequence[Place],
        how: Intervention,
        *,
        gain: float = 0.0,
        means: Tensor | None = None,
        donors: Donors | None = None,
        sets_at_once: int = 16,
        precision: str = "float32",
        answer: Callable[..., Tensor] | None = None,
    ) -> None:
        self._answer: Callable[..., Tensor] = model.net if answer is None else answer
        self.places, self._how = tuple(places), how
        self._gain, self._means, self._donors = gain, means, donors
        self._sets_at_once, self._precision = sets_at_once, precision
        self._modules, self._device = modules_of(model), device_of(model)
        self._widens: bool | None = None

    @property
    def widens(self) -> bool | None:
        """Whether layers before the first ablation are computed once for many sets; None: not yet known."""
        return self._widens

    def logits(self, window: Window, masks: Tensor) -> Tensor:
        """Return the logits of one window under each set.

        Parameters
        ----------
        window : Window
        masks : Tensor of bool (set, neuron)
            Over all neurons of the run; those outside the places must be False.

        Returns
        -------
        Tensor, float32 (set, class), on the CPU

        Raises
        ------
        ModelError
            If the forward pass raises.
        """
        return torch.cat([part for part, _ in self._heard(window, masks, None)])

    def embeddings(self, window: Window, masks: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """Return the logits ``(set, class)``, and the layer's mean over positions ``(set, neuron)``."""
        parts = list(self._heard(window, masks, place))
        return torch.cat([one for one, _ in parts]), torch.cat([two for _, two in parts if two is not None])

    def _heard(
        self, window: Window, masks: Tensor, place: Place | None
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        donor = self._donor_outputs(window, masks)
        for start in range(0, len(masks), self._sets_at_once):
            some = masks[start : start + self._sets_at_once].to(self._device)
            changes = self._changes(some, donor)
            if self._widens is None and changes and len(some) > 1:
                self._widens = self._can_widen(window, len(some), changes)
            yield self._pass(window, len(some), changes, place, widen=self._widens is not False)

    def _changes(
        self, masks: Tensor, donor: Mapping[Layer, Tensor]
    ) -> dict[Layer, Callable[[Tensor], Tensor]]:
        changes: dict[Layer, Callable[[Tensor], Tensor]] = {}
        for place in self.places:
            own = masks[:, place.neurons]
            if own.any():
                material = Material(self._gain, self._mean_of(place), donor.get(place.layer))
                changes[place.layer] = self._change(place.laid_out(own), material)
        return changes

    def _change(self, mask: Tensor, material: Material) -> Callable[[Tensor], Tensor]:
        return lambda activation: self._how.apply(activation, mask, material)

    def _mean_of(self, place: Place) -> Tensor | None:
        if self._means is None:
            return None
        return place.laid_out(self._means[place.neurons][None].to(self._device))

    def _pass(
        self,
        window: Window,
        n_sets: int,
        changes: Mapping[Layer, Callable[[Tensor], Tensor]],
        place: Place | None,
        *,
        widen: bool,
    ) -> tuple[Tensor, Tensor | None]:
        features, hooks = window.features, self._hooks(changes, widen)
        if not widen:
            features = tuple(None if one is None else one.repeat_interleave(n_sets, 0) for one in features)
        found: list[Tensor] = []

        def listen(layer: Layer, output: Any) -> None:
            if place is not None:
                found.append(place.positions_mean(tensor_of(layer, output)).cpu())

        listened = () if place is None else (place.layer,)
        with hooks, capturing(self._modules, listened, listen):
            logits = self._forward(features)
        whole = logits.float().cpu().expand(n_sets, -1)
        return whole, found[-1].expand(n_sets, -1) if found else None

    def _hooks(
        self, changes: Mapping[Layer, Callable[[Tensor], Tensor]], widen: bool
    ) -> AbstractContextManager[None]:
        if not widen:
            return intervening(self._modules, changes)
        axes = {place.layer: place.clip_axis for place in self.places}
        return widening(self._modules, changes, axes)

    def _forward(self, features: Sequence[Tensor | None]) -> Tensor:
        try:
            with torch.inference_mode(), eager(), self._autocast():
                logits = self._answer(*features)
        except _FORWARD_ERRORS as error:
            if isinstance(error, HookError):
                raise
            raise ModelError(f"the network failed while ablated: {type(error).__name__}: {error}") from error
        return logits

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, dtype=_DTYPES[self._precision])

    def _can_widen(
        self, window: Window, n_sets: int, changes: Mapping[Layer, Callable[[Tensor], Tensor]]
    ) -> bool:
        """Return whether sets laid along the clip axis midway give what repeated windows give."""
        plain = self._pass(window, n_sets, changes, None, widen=False)[0]
        try:
            wide = self._pass(window, n_sets, changes, None, widen=True)[0]
        except ModelError:
            return False
        spread = float(plain.std()) + 1e-6
        close = (wide - plain).abs().max() <= (_ALIKE if self._precision == "float32" else 0.05) * spread
        return bool(close)

    def _donor_outputs(self, window: Window, masks: Tensor) -> dict[Layer, Tensor]:
        if self._how.needs != "donors":
            return {}
        if self._donors is None:
            raise InputError("resample needs other clips to take activations from: give reference clips")
        used = [one.layer for one in self.places if masks[:, one.neurons].any()]
        heard: dict[Layer, Tensor] = {}

        def listen(layer: Layer, output: Any) -> None:
            heard[layer] = tensor_of(layer, output)

        with capturing(self._modules, used, listen):
            self._forward(self._donors(window).features)
        return heard
