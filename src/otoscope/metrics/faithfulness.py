"""Does an explanation hold what the network's decision rests on?

Definitions. p, p_in and p_out ``(clip, class)`` are the probabilities that a classifier gives to the whole sound, to
what the explanation keeps (mask-in) and to what it leaves (mask-out); c is the class that is explained.

- *average increase*   AI = 100 [p_in_c > p_c]                                 per cent, higher is better
- *average drop*       AD = 100 max(0, p_c - p_in_c) / p_c                     per cent, lower is better
- *average gain*       AG = 100 max(0, p_in_c - p_c) / (1 - p_c)               per cent, higher is better
- *faithfulness*       FF = p_c - p_out_c                                      in [-1, 1], higher is better
- *input fidelity*     Fid-In = [argmax p_in = argmax p]                       0 or 1, higher is better
- *removal drops*      f_c - f_out_c of logits, p_c - p_out_c, (p_c - p_out_c) / p_c

Conventions: one value per clip. ``target=None`` means argmax p, the first of tied classes. A class of probability 0
has nothing to drop and one of probability 1 nothing to gain: both count as 0. A row with NaN (a clip that failed) gives
NaN and :func:`summarise` counts it as dropped. All-pass input has AI = AD = AG = 0 and Fid-In = 1, so a score is read
beside the size of its mask and beside the controls.

References: A. Chattopadhay et al., "Grad-CAM++", WACV 2018 (AD, AI); H. Zhang et al., "Opti-CAM", 2023 (AG);
F. Paissan, M. Ravanelli, C. Subakan, "Listenable Maps for Audio Classifiers", ICML 2024 (all five on audio);
J. Parekh et al., "Listen to Interpret", NeurIPS 2022, section 4 (removal drops, reported as medians).

*Where published numbers differ* (presets of :func:`evaluate`): the recipes behind every published table take softmax
of probabilities once more in AD, so even an explanation that passes nothing stays below 62.7 % at 50 classes; AMT's
"faithfulness" is p_c - p_in_c, low when good; L2I's Fid-In counts how often mask-in is named class 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.metrics.classification import Floats, Integers, true_ranks

PUBLISHED_EPS = 1e-10
_ROUNDING = 1e-5


def validate(p: Floats, *others: Floats) -> None:
    """Raise if these are not tables of probabilities ``(clip, class)`` of one shape.

    Raises
    ------
    InputError
        If shapes differ or a value lies outside [0, 1] (logits were passed, not probabilities).
    EmptyDataError
        If there is no clip or no class.
    """
    for name, one in (("p", p), *(("other probabilities", other) for other in others)):
        if one.ndim != 2 or one.shape != p.shape:
            raise InputError(
                f"expected probabilities (clip, class) of one shape, got {p.shape} and {one.shape}"
            )
        finite = one[np.isfinite(one)]
        if finite.size and (finite.min() < -_ROUNDING or finite.max() > 1 + _ROUNDING):
            raise InputError(
                f"{name}: probabilities lie in [0, 1], got {finite.min():.4g} .. {finite.max():.4g}; take the softmax "
                "(or sigmoid) of logits first"
            )
    if p.size == 0:
        raise EmptyDataError(f"no probabilities to judge: the table is {p.shape}")


def targets_of(p: Floats, target: Integers | int | None = None) -> NDArray[np.int64]:
    """Return the explained class of each clip ``(clip,)``: the given ones, or the argmax of ``p``.

    Raises
    ------
    InputError
        If a target is not the index of a class, or there is not one a clip.
    """
    if target is None:
        return np.asarray(np.where(np.isnan(p), -np.inf, p).argmax(axis=1), dtype=np.int64)
    chosen = np.asarray(target)
    if chosen.ndim == 0:
        chosen = np.full(len(p), chosen)
    if chosen.shape != p.shape[:1] or not np.issubdtype(chosen.dtype, np.integer):
        raise InputError(
            f"expected one class index a clip, {len(p)} integers; got {chosen.dtype} {chosen.shape}"
        )
    if chosen.min() < 0 or chosen.max() >= p.shape[1]:
        raise InputError(f"targets lie in 0 .. {p.shape[1] - 1}, got {chosen.min()} .. {chosen.max()}")
    return chosen.astype(np.int64)


def average_increase(
    p: Floats, p_in: Floats, target: Integers | int | None = None, *, tolerance: float = 0.0
) -> NDArray[np.float64]:
    """Return 100 where the class becomes more probable on the explanation alone, else 0, ``(clip,)`` in per cent.

    Parameters
    ----------
    p, p_in : array (clip, class)
        Probabilities for the whole sound and for the explanation.
    target : array of int (clip,), int, optional
        Explained class; None: argmax of ``p``.
    tolerance : float
        An increase up to this does not count. 0 as published: then the rounding of a resynthesis alone makes about
        half of all clips an "increase" for a mask that passes everything.

    Examples
    --------
    >>> average_increase(np.array([[0.6, 0.4], [0.6, 0.4]]), np.array([[0.7, 0.3], [0.6, 0.4]]))
    array([100.,   0.])
    """
    whole, kept = _of_target(target, p, p_in)
    return np.where(np.isnan(whole + kept), np.nan, 100.0 * (kept > whole + tolerance))


def average_drop(
    p: Floats,
    p_in: Floats,
    target: Integers | int | None = None,
    *,
    variant: Literal["defined", "double-softmax"] = "defined",
) -> NDArray[np.float64]:
    """Return how much of the class's probability is lost on the explanation alone, ``(clip,)`` in per cent.

    Parameters
    ----------
    p, p_in, target
        As in :func:`average_increase`.
    variant : {"defined", "double-softmax"}
        ``double-softmax`` takes softmax of the probabilities once more, as the SpeechBrain recipes do; only for
        comparison with their numbers.

    Returns
    -------
    array (clip,)
        In [0, 100], lower is better.

    Examples
    --------
    >>> average_drop(np.array([[0.8, 0.2]]), np.array([[0.6, 0.4]])).round(6)
    array([25.])
    """
    if variant not in ("defined", "double-softmax"):
        raise UnknownNameError.of("variant of the average drop", variant, ("defined", "double-softmax"))
    if variant == "defined":
        whole, kept = _of_target(target, p, p_in)
        return 100.0 * _share(np.maximum(0.0, whole - kept), whole)
    validate(p, p_in)
    whole, kept = _of_target(targets_of(p, target), softmax(p), softmax(p_in))
    return np.asarray(100.0 * np.maximum(0.0, whole - kept) / (whole + PUBLISHED_EPS), dtype=np.float64)


def average_gain(p: Floats, p_in: Floats, target: Integers | int | None = None) -> NDArray[np.float64]:
    """Return how much of the missing probability is gained on the explanation alone, ``(clip,)`` in per cent.

    Parameters
    ----------
    p, p_in, target
        As in :func:`average_increase`.

    Returns
    -------
    array (clip,)
        In [0, 100], higher is better.

    Examples
    --------
    >>> average_gain(np.array([[0.6, 0.4]]), np.array([[0.8, 0.2]])).round(6)
    array([50.])
    """
    whole, kept = _of_target(target, p, p_in)
    return 100.0 * _share(np.maximum(0.0, kept - whole), 1.0 - whole)


def faithfulness(p: Floats, p_out: Floats, target: Integers | int | None = None) -> NDArray[np.float64]:
    """Return by how much the class's probability falls when the explanation is removed, ``(clip,)``.

    Parameters
    ----------
    p, p_out : array (clip, class)
        Probabilities for the whole sound and for the remainder. (AMT's published "faithfulness" is this function
        of mask-*in*.)
    target : array of int (clip,), int, optional
        Explained class; None: argmax of ``p``.

    Returns
    -------
    array (clip,)
        In [-1, 1], higher is better; negative where the remainder is the better example of the class.
    """
    whole, left = _of_target(target, p, p_out)
    return np.asarray(whole - left, dtype=np.float64)


def input_fidelity(
    p: Floats, p_in: Floats, *, reference: Literal["predicted", "class-0"] = "predicted"
) -> NDArray[np.float64]:
    """Return 1 where the explanation alone is named as the whole sound is, else 0, ``(clip,)``.

    Parameters
    ----------
    p, p_in : array (clip, class)
        Probabilities (or logits: only their order counts here).
    reference : {"predicted", "class-0"}
        ``class-0`` asks whether mask-in is named class 0, as SpeechBrain's L2I recipe does by mistake.
    """
    if reference not in ("predicted", "class-0"):
        raise UnknownNameError.of("reference of the input fidelity", reference, ("predicted", "class-0"))
    _same_shape(p, p_in)
    wanted = targets_of(p) if reference == "predicted" else np.zeros(len(p), np.int64)
    failed = np.isnan(p).any(axis=1) | np.isnan(p_in).any(axis=1)
    return np.where(failed, np.nan, (targets_of(p_in) == wanted).astype(np.float64))


def top_k_fidelity(reference: Floats, scores: Floats, k: int = 1) -> NDArray[np.float64]:
    """Return 1 where the class that ``reference`` names is among the ``k`` highest of ``scores``, ``(clip,)``.

    Parameters
    ----------
    reference : array (clip, class)
        The classifier's logits or probabilities.
    scores : array (clip, class)
        Those of what imitates it (L2I's head Theta), or of mask-in.
    k : int
        How many of the highest scores count; 1 is top-1 agreement.
    """
    _same_shape(reference, scores)
    failed = np.isnan(reference).any(axis=1) | np.isnan(scores).any(axis=1)
    return np.where(failed, np.nan, true_ranks(scores, targets_of(reference)) <= k)


def removal_drops(
    logits: Floats,
    logits_out: Floats,
    target: Integers | int | None = None,
    *,
    activation: Literal["softmax", "sigmoid"] = "softmax",
) -> dict[str, NDArray[np.float64]]:
    """Return what the class loses when components are removed: ``logit``, ``probability``, ``relative``, ``(clip,)``.

    Parameters
    ----------
    logits, logits_out : array (clip, class)
        Of the whole sound, and of the sound without the components.
    target : array of int (clip,), int, optional
        The class; None: argmax of ``logits``.
    activation : {"softmax", "sigmoid"}
        For one class a clip, or for several.
    """
    activate = {"softmax": softmax, "sigmoid": sigmoid}.get(activation)
    if activate is None:
        raise UnknownNameError.of("activation", activation, ("softmax", "sigmoid"))
    _same_shape(logits, logits_out)
    chosen = targets_of(logits, target)
    whole, left = _taken(logits, chosen), _taken(logits_out, chosen)
    p, p_out = _taken(activate(logits), chosen), _taken(activate(logits_out), chosen)
    return {"logit": whole - left, "probability": p - p_out, "relative": _share(p - p_out, p)}


@dataclass(frozen=True)
class Preset:
    """Which of the published departures :func:`evaluate` takes.

    Attributes
    ----------
    drop : str
        Variant of :func:`average_drop`.
    fidelity : str
        Reference of :func:`input_fidelity`.
    faithfulness_of : {"out", "in"}
        Whether faithfulness is of the remainder (as defined) or of the explanation.
    """

    drop: Literal["defined", "double-softmax"] = "defined"
    fidelity: Literal["predicted", "class-0"] = "predicted"
    faithfulness_of: Literal["out", "in"] = "out"


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "default": Preset(),
        "lmac-2024": Preset(drop="double-softmax"),
        "piq-speechbrain": Preset(drop="double-softmax"),
        "l2i-speechbrain": Preset(drop="double-softmax", fidelity="class-0"),
        "amt-speechbrain": Preset(drop="double-softmax", faithfulness_of="in"),
    }
)
"""Protocol -> its departures: ``default`` is as defined, the others are as the published numbers were computed."""


def evaluate(
    p: Floats,
    p_in: Floats,
    p_out: Floats,
    target: Integers | int | None = None,
    *,
    preset: str = "default",
    tolerance: float = 0.0,
) -> dict[str, NDArray[np.float64]]:
    """Return the five measures per clip, by name, as one of :data:`PRESETS` computes them.

    Parameters
    ----------
    p, p_in, p_out : array (clip, class)
        Probabilities for the whole sound, the explanation and the remainder.
    target : array of int (clip,), int, optional
        Explained class; None: argmax of ``p``.
    preset : str
        ``default`` or a published protocol.
    tolerance : float
        Of :func:`average_increase`.
    """
    if preset not in PRESETS:
        raise UnknownNameError.of("preset of faithfulness", preset, PRESETS)
    chosen = PRESETS[preset]
    return {
        "average_increase": average_increase(p, p_in, target, tolerance=tolerance),
        "average_drop": average_drop(p, p_in, target, variant=chosen.drop),
        "average_gain": average_gain(p, p_in, target),
        "faithfulness": faithfulness(p, p_out if chosen.faithfulness_of == "out" else p_in, target),
        "input_fidelity": input_fidelity(p, p_in, reference=chosen.fidelity),
    }


def summarise(values: Floats) -> dict[str, float]:
    """Return ``mean``, ``median``, ``q25``, ``q75``, ``n`` and ``n_dropped`` (NaN) of values ``(clip,)``.

    Examples
    --------
    >>> summarise(np.array([1.0, 3.0, np.nan]))["mean"], summarise(np.array([1.0, np.nan]))["n_dropped"]
    (2.0, 1.0)
    """
    finite = values[np.isfinite(values)]
    quartiles = np.quantile(finite, [0.25, 0.5, 0.75]) if finite.size else np.full(3, np.nan)
    mean = float(finite.mean()) if finite.size else float("nan")
    low, middle, high = (float(one) for one in quartiles)
    counts = {"n": float(finite.size), "n_dropped": float(values.size - finite.size)}
    return {"mean": mean, "median": middle, "q25": low, "q75": high, **counts}


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Return the softmax over classes of logits ``(clip, class)``, in float64."""
    exact = np.asarray(logits, dtype=np.float64)
    raised = np.exp(exact - exact.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def sigmoid(logits: Floats) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-logits)), in float64, without overflow."""
    exact = np.asarray(logits, dtype=np.float64)
    return np.asarray(0.5 * (1.0 + np.tanh(exact / 2)), dtype=np.float64)


def _of_target(target: Integers | int | None, p: Floats, other: Floats) -> tuple[Floats, Floats]:
    validate(p, other)
    chosen = targets_of(p, target)
    return _taken(p, chosen), _taken(other, chosen)


def _taken(table: Floats, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.take_along_axis(table, chosen[:, None], axis=1)[:, 0], dtype=np.float64)


def _share(part: Floats, whole: Floats) -> NDArray[np.float64]:
    """Return ``part / whole``, 0 where the whole is 0 (NaN stays NaN)."""
    filled = np.where(whole == 0, 1.0, whole)
    return np.asarray(np.where(whole == 0, 0.0 * part, part / filled), dtype=np.float64)


def _same_shape(one: Floats, other: Any) -> None:
    if one.ndim != 2 or one.shape != other.shape:
        raise InputError(f"expected two tables (clip, class) of one shape, got {one.shape} and {other.shape}")
    if one.size == 0:
        raise EmptyDataError(f"nothing to judge: the table is {one.shape}")
