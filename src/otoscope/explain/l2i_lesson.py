"""One training of L2I: its loss, what is measured after each epoch, and the table of global relevance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
import torch
from torch import Tensor

from otoscope.explain.dictionary import Dictionary
from otoscope.explain.hidden import Heard, HiddenMaps
from otoscope.explain.l2i_net import (
    L2INet,
    reconstruction_error,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)
from otoscope.explain.l2i_relevance import global_relevance, normalised
from otoscope.explain.recipe import Lesson
from otoscope.explain.remembered import Remembered
from otoscope.explain.setting import Part, Setting

if TYPE_CHECKING:
    from otoscope.explain.l2i_config import L2IConfig

_HEARD_AT_ONCE = 16


class L2ILesson(Lesson["L2IConfig"]):
    """Psi and Theta learn; the dictionary and the classifier stay.

    Parameters
    ----------
    learner, setting, config, facts
        As in :class:`otoscope.explain.recipe.Learning`.
    dictionary : Dictionary
        Its spectra are in the learner.
    maps : HiddenMaps
        Of the classifier.
    """

    learner: L2INet

    def __init__(
        self,
        learner: L2INet,
        setting: Setting,
        config: L2IConfig,
        facts: Mapping[str, Any],
        *,
        dictionary: Dictionary,
        maps: HiddenMaps,
    ) -> None:
        super().__init__(learner, setting, config, facts)
        self.dictionary, self.maps = dictionary, maps
        self._remembered = {
            id(part): Remembered(part, maps, self._features) for part in (setting.train, setting.valid)
        }

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return reconstruction, sparsity and fidelity, weighted; see :mod:`otoscope.explain.l2i_net`."""
        how = self.config
        heard, features = self._heard(self.setting.train, batch, generator)
        activations, copied = self.learner(heard.maps, features.shape[2])
        fidelity = how.later_fidelity if self.epoch + 1 >= how.later_from else how.fidelity
        total: Tensor = (
            how.reconstruction * reconstruction_error(features, self.learner.spectra, activations).mean()
            + how.sparsity * activations.mean()
            + fidelity * self._disagreement(copied, heard.output).mean()
        )
        return total

    def measures(self, part: Part) -> Mapping[str, Tensor]:
        """Return, for each example, how the copy agrees with the network, and what it is made of.

        ``fidelity``: the copy names the network's class (several labels: the share on which both agree, at
        probability 0.5); ``fidelity_top3``: the network's class is among the copy's three best; ``disagreement``: the
        cross-entropy; ``error``: squared error over squared features; ``activation``: mean of H.
        """
        found: dict[str, list[Tensor]] = {}
        for some in torch.arange(len(part)).split(_HEARD_AT_ONCE):  # type: ignore[no-untyped-call]
            for name, values in self._measured(*self._heard(part, some)).items():
                found.setdefault(name, []).append(values)
        return {name: torch.cat(values) for name, values in found.items()}

    @torch.no_grad()
    def tables(self) -> Mapping[str, pl.DataFrame]:
        """Return ``global_relevance``: mean relevance of each component for each class over training clips named so."""
        part, named, relevance = self.setting.train, [], []
        for some in torch.arange(len(part)).split(_HEARD_AT_ONCE):  # type: ignore[no-untyped-call]
            heard, _ = self._heard(part, some)
            activations = self.learner.activations(heard.maps, self.setting.n_frames)
            pooled, weights = self.learner.theta.pooled(activations), self.learner.theta.head.weight
            named.append(self._named(heard.output))
            relevance.append(relevance_of_all(pooled, weights, self.config.normaliser))
        names = torch.cat(named)
        table = global_relevance(torch.cat(relevance), names)
        classes = self.setting.model.classes or tuple(map(str, range(table.shape[0])))
        rows = [
            {
                "class": classes[c],
                "component": k,
                "name": self.dictionary.names[k],
                "relevance": None if table[c, k].isnan() else float(table[c, k]),
                "weight": float(self.learner.theta.head.weight[c, k]),
                "n_examples": int(names[:, c].sum()),
            }
            for c in range(table.shape[0])
            for k in range(table.shape[1])
        ]
        return {"global_relevance": pl.DataFrame(rows, schema_overrides={"relevance": pl.Float64})}

    def _features(self, waveform: Tensor) -> Tensor:
        return self.dictionary.features(self.setting.on.spectrum(waveform.mean(1)).abs())

    @property
    def _disagreement(self) -> Callable[[Tensor, Tensor], Tensor]:
        how = self.config
        if how.activation == "sigmoid":
            return soft_binary_cross_entropy
        return lambda copied, output: soft_cross_entropy(copied, output, how.temperature, how.over_classes)

    def _heard(
        self, part: Part, chosen: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Heard, Tensor]:
        """Return what the network says of examples, and their features; contaminated where a generator is given."""
        setting = self.setting
        if setting.contamination is None or generator is None:
            remembered = self._remembered.get(id(part)) or Remembered(part, self.maps, self._features, 0)
            return remembered(chosen)
        waveform = setting.contamination(part.sound(chosen), part.rows[chosen.numpy()], generator)
        with torch.no_grad():
            return self.maps(setting.model, waveform), self._features(waveform)

    def _named(self, output: Tensor) -> Tensor:
        """Return which classes the network names, bool ``(clip, class)``."""
        if self.config.activation == "sigmoid":
            return output > 0
        return torch.nn.functional.one_hot(output.argmax(1), output.shape[1]).bool()

    def _measured(self, heard: Heard, features: Tensor) -> dict[str, Tensor]:
        activations, copied = self.learner(heard.maps, features.shape[2])
        error = reconstruction_error(features, self.learner.spectra, activations)
        rest = {
            "disagreement": self._disagreement(copied, heard.output),
            "error": error / features.square().mean((1, 2)).clamp_min(1e-12),
            "activation": activations.mean((1, 2)),
        }
        if self.config.activation == "sigmoid":
            return {"fidelity": ((copied > 0) == (heard.output > 0)).double().mean(1), **rest}
        right = copied.topk(min(3, copied.shape[1]), 1).indices == heard.output.argmax(1)[:, None]
        return {"fidelity": right[:, 0].double(), "fidelity_top3": right.any(1).double(), **rest}


def relevance_of_all(pooled: Tensor, weights: Tensor, normaliser: str) -> Tensor:
    """Return the relevance of each component for each class, ``(clip, class, component)``."""
    contribution = pooled[:, None] * weights[None]
    return normalised(contribution.flatten(0, 1), normaliser).reshape(contribution.shape)
