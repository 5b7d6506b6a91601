"""Which concept describes a neuron? Five measures of how a neuron's activations go with a concept's affinities.

All take ``activations (clip, neuron)`` and ``affinities (clip, concept)`` and return ``(neuron, concept)``, higher
is a better fit. Definitions stand where they are computed: :mod:`~otoscope.describe.cosine`,
:mod:`~otoscope.describe.pmi`, :mod:`~otoscope.describe.reorder`.

Conventions, the same for all five:

- *Arrays*: numpy in, numpy out; torch in, torch out, on the same device. float64 stays, everything else is
  computed in float32. Activations may also be an array on disk that slices to numpy.
- *Failed clips*: a row with a NaN in either array is left out. An infinite value is an error.
- *Dead neurons*: the same activation on every clip says nothing; all scores are NaN, and the neuron is not part
  of the layer's marginal.
- *Ties*: equal activations (a ReLU's zeros) and equal affinities are ordered by a seeded random order of the
  clips, never by file order.
- *Few clips*: ``top_k`` is clamped to the number of usable clips (:func:`~otoscope.describe.bind.clamped_top_k`).
- *One neuron*: with T = 1 and ``lam = 1`` the marginal is the neuron itself and ``wpmi`` and ``soft_wpmi`` are 0
  by definition; both cases are logged here and flagged in the descriptions. Pass the whole layer's ``prior``.
- *Blocks*: neurons are taken ``block`` at a time; beside the result, working memory does not grow with the layer.

Reference: T. Oikarinen, T.-W. Weng, "CLIP-Dissect: Automatic Description of Neuron Representations in Deep Vision
Networks", ICLR 2023; defaults are those of its release.
"""

from __future__ import annotations

import logging

from otoscope.arrays import Array, like, to_tensor
from otoscope.describe.bind import (
    Build,
    bind_cos,
    bind_cos_cubed,
    bind_rank_reorder,
    bind_soft_wpmi,
    bind_wpmi,
)
from otoscope.describe.layer import gather_prior, score, usable
from otoscope.describe.reorder import Variant

_log = logging.getLogger(__name__)


def cos(activations: Array, affinities: Array, *, block: int | None = None, seed: int = 0) -> Array:
    """Return the cosine of every neuron's activations with every concept's affinities.

    Parameters
    ----------
    activations : array (clip, neuron)
    affinities : array (clip, concept)
    block : int, optional
        Neurons taken at a time.
    seed : int
        Of the order of tied clips; without effect here.

    Returns
    -------
    array (neuron, concept)
        In [-1, 1].

    Notes
    -----
    O(clip x neuron x concept).

    Examples
    --------
    >>> import numpy as np
    >>> cos(np.array([[3.0], [4.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])).round(2)
    array([[0.6, 0.8]])
    """
    return _run(bind_cos(), activations, affinities, None, block, seed)


def cos_cubed(
    activations: Array, affinities: Array, *, min_norm: float = 1e-3, block: int | None = None, seed: int = 0
) -> Array:
    """Return the cosine of centred and cubed columns, which looks at the extremes.

    Parameters
    ----------
    activations, affinities, block, seed
        See :func:`cos`.
    min_norm : float
        Smallest norm divided by.

    Returns
    -------
    array (neuron, concept)
        In [-1, 1].
    """
    return _run(bind_cos_cubed(min_norm=min_norm), activations, affinities, None, block, seed)


def wpmi(
    activations: Array,
    affinities: Array,
    *,
    top_k: int = 28,
    a: float = 2.0,
    lam: float = 0.6,
    min_prob: float = 1e-7,
    prior: Array | None = None,
    block: int | None = None,
    seed: int = 0,
) -> Array:
    """Return the weighted pointwise mutual information of the ``top_k`` clips with each concept.

    Parameters
    ----------
    activations, affinities, block, seed
        See :func:`cos`.
    top_k : int
        Clips looked at, at least 1.
    a : float
        Sharpness of the softmax over concepts.
    lam : float
        Weight of the layer's marginal.
    min_prob : float
        Added inside the logarithm.
    prior : array (concept,), optional
        The marginal B of the whole layer (:func:`layer_prior`), for a call on some of its neurons.

    Returns
    -------
    array (neuron, concept)
        Nats, unbounded.
    """
    build = bind_wpmi(top_k=top_k, a=a, lam=lam, min_prob=min_prob)
    return _run(build, activations, affinities, prior, block, seed)


def soft_wpmi(
    activations: Array,
    affinities: Array,
    *,
    top_k: int = 100,
    a: float = 10.0,
    lam: float = 1.0,
    min_prob: float = 1e-7,
    p_start: float = 0.998,
    p_end: float = 0.97,
    prior: Array | None = None,
    block: int | None = None,
    seed: int = 0,
) -> Array:
    """Return the pointwise mutual information with a membership that softens with rank.

    Parameters
    ----------
    activations, affinities, block, seed
        See :func:`cos`.
    top_k, a, lam, min_prob, prior
        See :func:`wpmi`.
    p_start, p_end : float
        Weight of the first rank, and the one it falls towards; both in [0, 1].

    Returns
    -------
    array (neuron, concept)
        Nats, unbounded; at most log T for ``lam = 1``.
    """
    build = bind_soft_wpmi(top_k=top_k, a=a, lam=lam, min_prob=min_prob, p_start=p_start, p_end=p_end)
    return _run(build, activations, affinities, prior, block, seed)


def rank_reorder(
    activations: Array,
    affinities: Array,
    *,
    p: float = 3.0,
    top_fraction: float = 0.05,
    scale_p: float = 0.5,
    permutations: Array | None = None,
    variant: Variant = "clip-dissect",
    block: int | None = None,
    seed: int = 0,
) -> Array:
    """Return how well a concept reproduces the order of a neuron's top clips.

    Parameters
    ----------
    activations, affinities, block
        See :func:`cos`.
    p : float
        Exponent of the error.
    top_fraction : float
        Share of the usable clips looked at.
    scale_p : float
        Exponent of the mean affinity.
    permutations : array, int64 (permutation, n) or (neuron, permutation, n), optional
        Of chance; 5 seeded ones, shared by all neurons, where not given.
    variant : {"clip-dissect", "and-2024"}
        Whose release is reproduced.
    seed : int
        Of tied clips and of the permutations.

    Returns
    -------
    array (neuron, concept)
        At most 0; NaN or -inf where a score is not defined (:mod:`~otoscope.describe.reorder`).
    """
    build = bind_rank_reorder(
        p=p, top_fraction=top_fraction, scale_p=scale_p, permutations=permutations, variant=variant
    )
    return _run(build, activations, affinities, None, block, seed)


def layer_prior(
    activations: Array, affinities: Array, build: Build, *, block: int | None = None, seed: int = 0
) -> Array:
    """Return the marginal B ``(concept,)`` of a layer, to pass as ``prior`` with some of its neurons.

    Parameters
    ----------
    activations, affinities, block, seed
        See :func:`cos`.
    build : callable
        From :mod:`~otoscope.describe.bind`, with the parameters of the later call.
    """
    layer, bound = usable(activations, affinities, block)
    return like(gather_prior(layer, build(bound, seed), bound.shape[1]).value(), activations)


def scores(
    build: Build, activations: Array, affinities: Array, *, block: int | None = None, seed: int = 0
) -> Array:
    """Return the scores ``(neuron, concept)`` of any similarity function, ours or another package's.

    Parameters
    ----------
    build : callable
        What a row of :data:`otoscope.describe.SIMILARITIES` gives for its parameters.
    activations, affinities, block, seed
        See :func:`cos`.
    """
    return _run(build, activations, affinities, None, block, seed)


def _run(
    build: Build, activations: Array, affinities: Array, prior: Array | None, block: int | None, seed: int
) -> Array:
    layer, bound = usable(activations, affinities, block)
    scorer = build(bound, seed)
    if scorer.prior_weight == 1 and prior is None and activations.shape[1] == 1:
        _log.info("one neuron is its own marginal: the score is 0 by definition; pass the layer's prior")
    scores = score(layer, scorer, bound.shape[1], None if prior is None else to_tensor(prior))
    return like(scores, activations)
