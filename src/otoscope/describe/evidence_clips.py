"""What is each neuron called, judged by a handful of its most activating clips alone? As AND's release does it.

For every neuron the similarity function sees the k most activating clips, their activations ``(k, 1)`` and their
affinities ``(k, concept)``, and nothing else: no other clip and no other neuron. So the marginal of ``wpmi`` and
``soft_wpmi`` is the neuron's own score (``1 - lam`` of it is left), and a function that looks at a share of the clips
may have none to look at (``rank_reorder`` on 5: undefined). Nothing is tested: clips that were chosen for their
activation cannot be dealt.

Kept for comparison with published numbers; the default describes from all clips.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, its release.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from otoscope.describe.best_of_many import defined
from otoscope.describe.config import ClosedConfig
from otoscope.describe.layer import Layer
from otoscope.describe.naming import Named, joined, named
from otoscope.describe.ranked import tie_order, top_ranked


def name_from_evidence(layer: Layer, affinities: Tensor, config: ClosedConfig, n_clips: int) -> Named:
    """Return the names of a layer's neurons, each from its ``n_clips`` most activating clips.

    Parameters
    ----------
    layer : Layer
        The describing clips.
    affinities : Tensor (clip, concept)
        Of the same clips.
    config : ClosedConfig
    n_clips : int
        All clips where there are no more.

    Notes
    -----
    One call of the similarity function a neuron, each O(n_clips x concept).
    """
    kept = min(n_clips, len(affinities))
    order = tie_order(len(affinities), config.seed)
    build = config.build(kept)
    blocks = []
    for neurons in layer.blocks():
        activations = layer.columns(neurons)
        ranked = top_ranked(activations, kept, order)  # (neuron, k)
        rows = []
        for neuron, clips in enumerate(ranked.long()):
            scorer = build(affinities[clips], config.seed)
            raw = scorer.raw(scorer.evidence(activations[clips, neuron : neuron + 1], slice(0, 1)))
            rows.append(raw * (1 - scorer.prior_weight) + 0.0)
        scores = torch.cat(rows)  # (neuron, concept)
        null = np.zeros((0, len(scores)))
        blocks.append(named(activations, scores, defined(scores), scores, null, ranked, config))
    return joined(blocks)
