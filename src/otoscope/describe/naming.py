"""What is each neuron of a layer called, and how far does its name stand out?

For every neuron: the concepts by score, the lead of the first over the second, and the statistics of the permutation
test (:mod:`otoscope.describe.best_of_many`), in one walk over the blocks of the layer.

Conventions: with the layer's marginal and ``lam = 1`` the score saturates at log T, where T is small several concepts
reach it within rounding. Concepts are therefore ordered by the score against the *other* neurons' marginal, of which
it is a rising function; the margin is in that unit, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.describe.best_of_many import dealt_best, defined, others
from otoscope.describe.config import ClosedConfig
from otoscope.describe.layer import Layer, Scorer, dead, gather_prior
from otoscope.describe.prior import Prior
from otoscope.describe.ranked import tied_at_cut


@dataclass(frozen=True)
class Named:
    """Names of the neurons of a layer (or of a block of it) at one pole.

    Attributes
    ----------
    top : array of int64 (neuron, best)
        Concepts, best first; -1 where no further one has a defined score, and for a dead neuron.
    top_scores : array (neuron, best)
        Their scores.
    margin : array (neuron,)
        Lead of the best over the second.
    statistic : array (neuron,)
        What is tested; NaN where nothing can be.
    null : array (permutation, neuron)
        The same in each deal.
    threshold : array (neuron,)
        Activity quantile on these clips.
    dead, tied : array of bool (neuron,)
        The same activation everywhere; a tie decided which clips were looked at.
    """

    top: NDArray[np.int64]
    top_scores: NDArray[np.float64]
    margin: NDArray[np.float64]
    statistic: NDArray[np.float64]
    null: NDArray[np.float64]
    threshold: NDArray[np.float64]
    dead: NDArray[np.bool_]
    tied: NDArray[np.bool_]

    @property
    def concept(self) -> NDArray[np.int64]:
        """The best concept, ``(neuron,)``; -1 for none."""
        return self.top[:, 0]

    def only(self, described: NDArray[np.bool_]) -> Named:
        """Return the same with only the ``described`` neurons named and tested."""
        return replace(
            self,
            top=np.where(described[:, None], self.top, -1),
            statistic=np.where(described, self.statistic, np.nan),
        )


def name_neurons(
    layer: Layer, affinities: Tensor, config: ClosedConfig, donors: NDArray[np.int64] | None
) -> Named:
    """Return the names of a layer's neurons.

    Parameters
    ----------
    layer : Layer
        The describing clips.
    affinities : Tensor (clip, concept)
        Of the same clips.
    config : ClosedConfig
    donors : array of int64 (permutation, clip), optional
        The deals; None for no test.
    """
    scorer = config.build(len(affinities))(affinities, config.seed)
    prior = None
    if scorer.prior_weight and config.marginal == "layer":
        prior = gather_prior(layer, scorer, affinities.shape[1])
    dealt = None if donors is None else torch.from_numpy(donors).to(affinities.device)
    return joined([_block(layer, scorer, prior, config, neurons, dealt) for neurons in layer.blocks()])


def _block(
    layer: Layer,
    scorer: Scorer,
    prior: Prior | None,
    config: ClosedConfig,
    neurons: slice,
    donors: Tensor | None,
) -> Named:
    activations = layer.columns(neurons)
    evidence = scorer.evidence(activations, neurons)
    raw = scorer.raw(evidence)
    scores, against = _scores(scorer, prior, raw), others(scorer, prior, raw)
    order_by = defined(raw - against if prior is not None and scorer.prior_weight == 1 else scores)
    null = np.zeros((0, len(raw))) if donors is None else dealt_best(scorer, evidence, against, donors)
    return named(activations, scores, order_by, raw - against, null, scorer.ranked(evidence), config)


def named(
    activations: Tensor,
    scores: Tensor,
    order_by: Tensor,
    statistics: Tensor,
    null: NDArray[np.float64],
    ranked: Tensor | None,
    config: ClosedConfig,
) -> Named:
    """Return the names that scores give.

    Parameters
    ----------
    activations : Tensor (clip, neuron)
        Of the describing clips.
    scores : Tensor (neuron, concept)
        What is reported.
    order_by : Tensor (neuron, concept)
        What decides, -inf where not defined.
    statistics : Tensor (neuron, concept)
        What is tested at its maximum.
    null : array (permutation, neuron)
        The same in each deal.
    ranked : Tensor (neuron, k) or None
        The clips that were looked at.
    config : ClosedConfig
    """
    lifeless = dead(activations)
    leaders = order_by.masked_fill(lifeless[:, None], -torch.inf).sort(dim=1, descending=True, stable=True)
    top = leaders.indices[:, : config.n_best]
    undefined = leaders.values[:, : config.n_best].isneginf()
    testable = ~lifeless & ~undefined[:, 0] & ~(scores == scores[:, :1]).all(dim=1)
    return Named(
        top=_numpy(top.masked_fill(undefined, -1)),
        top_scores=_numpy(scores.gather(1, top).masked_fill(undefined, torch.nan).double()),
        margin=_numpy(_margin(leaders.values)),
        statistic=_numpy(defined(statistics).amax(dim=1).double().masked_fill(~testable, torch.nan)),
        null=null,
        threshold=np.quantile(_numpy(activations), config.activity_quantile, axis=0).astype(np.float64),
        dead=_numpy(lifeless),
        tied=_numpy(lifeless & False if ranked is None else tied_at_cut(activations, ranked)),
    )


def joined(blocks: Sequence[Named]) -> Named:
    """Return the names of consecutive blocks of a layer as those of the layer."""
    return Named(
        **{
            name: np.concatenate([vars(block)[name] for block in blocks], axis=1 if name == "null" else 0)
            for name in Named.__dataclass_fields__
        }
    )


def _scores(scorer: Scorer, prior: Prior | None, raw: Tensor) -> Tensor:
    """Return the published score: against the layer's marginal, or against the neuron's own."""
    if prior is None:
        return raw * (1 - scorer.prior_weight) + 0.0 if scorer.prior_weight else raw
    return raw - scorer.prior_weight * prior.value()


def _margin(falling: Tensor) -> Tensor:
    if falling.shape[1] < 2:
        return torch.full((len(falling),), torch.nan, dtype=torch.float64, device=falling.device)
    lead = (falling[:, 0] - falling[:, 1]).double()
    return lead.masked_fill(~lead.isfinite(), torch.nan)


def _numpy(values: Tensor) -> Any:
    return values.cpu().numpy()
