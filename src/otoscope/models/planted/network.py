"""Neurons that implement their plan, over time; and the AudioModel around them.

With z the standardised drive of the plan's rule(s), n_c and n_t noise per clip and over time (see :mod:`.noise`) and
strength s, a neuron's drive is

    d(clip, frame) = s z(clip, frame) + sqrt(1 - s^2) (n_c(clip) + n_t(clip, frame) / 2)

and its activation relu(1 + d) (``floor`` in the place of 1), or d itself for a signed neuron. z has unit variance over
clip means of synthetic sounds, n_c too, and n_t averages out over a clip: mean-pooled drives correlate by about s with
the rule. A noise distractor maps its noise to the quantiles of a rule's distribution, so that nothing but the sound
tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from otoscope.models.planted import calibration
from otoscope.models.planted.bank import N_BANDS, RuleBank, fingerprint_db, levels_db
from otoscope.models.planted.front_end import HOP, SAMPLE_RATE
from otoscope.models.planted.noise import ClipNoise
from otoscope.models.planted.plan import PlantedNeuron
from otoscope.models.planted.rules import RULES

_COURSE = 0.5
"""Share of noise over time beside noise per clip."""


class PlantedNeurons(nn.Module):
    """Rule values ``(clip, rule, frame)``, band powers ``(clip, band, frame)`` -> activations over time.

    Parameters
    ----------
    neurons : sequence of PlantedNeuron
        One per output, in order.
    seed : int
        Draws noise and projections.
    noise_scale_db : float
        See :class:`~otoscope.models.planted.plan.PlantedOptions`.
    floor : float
        Likewise.
    """

    floor: Tensor
    by_rule: Tensor
    by_product: Tensor
    by_band: Tensor
    bias: Tensor
    factor: Tensor
    strength: Tensor
    signed: Tensor
    matched: Tensor
    quantiles: Tensor

    def __init__(
        self, neurons: Sequence[PlantedNeuron], seed: int, noise_scale_db: float, floor: float = 1.0
    ) -> None:
        super().__init__()
        self.register_buffer("floor", torch.tensor(floor), persistent=floor != 1.0)
        rng = np.random.default_rng([seed, 2])
        weights = _weights(neurons, rng)
        for name, value in weights.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32))
        index = {rule: at for at, rule in enumerate(RULES)}
        pairs = [[index.get(one.rules[0], 0), index.get(one.rules[-1], 0)] for one in neurons]
        self.register_buffer("factor", torch.tensor(pairs))
        self.register_buffer("signed", torch.tensor([one.signed for one in neurons]))
        copied = [(at, one.marginal) for at, one in enumerate(neurons) if one.marginal is not None]
        self.register_buffer("matched", torch.tensor([at for at, _ in copied], dtype=torch.long))
        tables = calibration.read().quantiles[[index[rule] for _, rule in copied]]
        self.register_buffer("quantiles", torch.tensor(tables, dtype=torch.float32))
        self.noise = ClipNoise(len(neurons), N_BANDS, noise_scale_db, rng)
        self.rule = nn.Identity()

    def drive(self, values: Tensor) -> Tensor:
        """Return z without projections, ``(clip, neuron, frame)``: what strength 1 would respond to."""
        products = values[:, self.factor[:, 0]] * values[:, self.factor[:, 1]]
        linear = torch.matmul(self.by_rule, values) + self.bias[:, None]
        return linear + self.by_product[:, None] * products

    def forward(self, values: Tensor, band_power: Tensor) -> Tensor:
        """Return activations ``(clip, neuron, frame)``."""
        time_s = torch.arange(values.shape[-1], device=values.device) * (HOP / SAMPLE_RATE)
        constant, course = self.noise(fingerprint_db(band_power), time_s)
        noise = constant + _COURSE * course
        strength = self.strength[:, None]
        planted = self.rule(self.drive(values))  # a layer of its own, so that z can be recorded
        drive = strength * (planted + torch.matmul(self.by_band, levels_db(band_power)))
        drive = drive + torch.sqrt(1.0 - strength.square()) * noise
        if self.matched.numel():
            as_rule = self._as_rule(constant[:, self.matched]) + _COURSE * course[:, self.matched]
            drive = drive.index_copy(1, self.matched, as_rule)
        activation: Tensor = torch.where(self.signed[:, None], drive, torch.relu(self.floor + drive))
        return activation

    def _as_rule(self, noise: Tensor) -> Tensor:
        """Return the noise ``(clip, matched neuron, 1)`` mapped to the quantiles of its rule."""
        at: Tensor = torch.special.ndtr(noise) * (self.quantiles.shape[1] - 1)
        left = at.detach().floor().clamp(0, self.quantiles.shape[1] - 2).long()
        table = self.quantiles[None, :, :].expand(noise.shape[0], -1, -1)
        low, high = torch.gather(table, 2, left), torch.gather(table, 2, left + 1)
        return low + (high - low) * (at - left)


class PlantedNet(nn.Module):
    """(fine, quick) spectrograms -> mean activation ``(clip, neuron)``.

    Layer ``neurons`` holds the activations over time, layer ``neurons.rule`` the same neurons' z without noise.
    """

    def __init__(
        self, neurons: Sequence[PlantedNeuron], seed: int, noise_scale_db: float, floor: float = 1.0
    ) -> None:
        super().__init__()
        self.bank = RuleBank()
        self.neurons = PlantedNeurons(neurons, seed, noise_scale_db, floor)

    def forward(self, fine: Tensor, quick: Tensor) -> Tensor:
        """Return the neurons' activation averaged over frames."""
        with _full_precision(fine.device.type):
            values, band_power = self.bank(fine.float(), quick.float())
            return cast(Tensor, self.neurons(values, band_power).mean(dim=-1))


def _full_precision(device: str) -> AbstractContextManager[object]:
    """Return a context without autocast: in half precision a clip's noise would be another one."""
    available = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


def _weights(neurons: Sequence[PlantedNeuron], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Return the linear weights that make each neuron's drive standardised over synthetic clips."""
    moments = calibration.read()
    n = len(neurons)
    weights = {
        "by_rule": np.zeros((n, len(RULES))),
        "by_product": np.zeros(n),
        "by_band": np.zeros((n, N_BANDS)),
        "bias": np.zeros(n),
        "strength": np.array([float(one.strength) for one in neurons]),
    }
    for row, neuron in enumerate(neurons):
        if neuron.rules == ("projection",):
            direction = rng.standard_normal(N_BANDS)
            direction /= np.sqrt(direction @ moments.band_covariance @ direction)
            weights["by_band"][row], weights["strength"][row] = direction, 1.0
            weights["bias"][row] = -direction @ moments.band_mean
        elif neuron.kind == "conjunctive":
            a, b = (moments.rules.index(rule) for rule in neuron.rules)
            weights["by_product"][row] = 1.0 / moments.product_std[a, b]
            weights["bias"][row] = -moments.product_mean[a, b] / moments.product_std[a, b]
        elif neuron.kind != "distractor":
            weights["by_rule"][row] = _direction(neuron, moments)
            weights["bias"][row] = -weights["by_rule"][row] @ moments.mean
    return weights


def _direction(neuron: PlantedNeuron, moments: calibration.Calibration) -> NDArray[np.float64]:
    signs = (1.0, -1.0) if neuron.kind == "signed" else (1.0, 1.0)
    direction = np.zeros(len(moments.rules))
    for rule, sign in zip(neuron.rules, signs, strict=False):
        direction[moments.rules.index(rule)] = sign
    covariance = np.sqrt(direction @ moments.correlation @ direction)
    return direction / moments.std / covariance
