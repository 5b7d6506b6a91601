"""Do related classes suffer, too? (the published figure of "water drops", as a test)

Which classes are related is fixed before any is ablated: by a user's table, or by the similarity of their names. For
concept c with related classes R(c), both without c itself,

    difference(c) = mean change over R(c) - mean change over the other classes        < 0: the related lose more.

*One concept*: p is the share of the ways to call |R(c)| of the other classes related whose difference is at most the
observed one; all ways, or 9,999 random ones. *All concepts*: the statistic is the mean difference; each deal gives
the classes new names, R'(c) = pi(R(pi^-1(c))), so who is related to how many stays, as in a Mantel test.

Reference: T.-Y. Wu et al., "AND", ICML 2024, Figure 10; N. Mantel, Cancer Research 27, 1967.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from otoscope.ablate.sets import key
from otoscope.errors import FormatError, InputError, UnknownNameError
from otoscope.language import text_encoder
from otoscope.metrics.classification import Floats
from otoscope.metrics.permutation import permutation_p

Bools = NDArray[np.bool_]
MOST_WAYS = 9999
_ALIKE = 1e-6
"""Similarities that differ by less are equal (rounding)."""


def relation(spec: str, classes: Sequence[str], n_related: int) -> Bools:
    """Return which classes are related, ``(class, related class)``; the diagonal is False.

    Parameters
    ----------
    spec : str
        ``text:ENCODER``: the most similar names, at most ``n_related``; ``file:PATH``: JSON, class -> list of classes.
    classes : sequence of str
    n_related : int

    Raises
    ------
    InputError
        If the spec has another form, or the file does not exist.
    FormatError
        If the file is no such JSON.
    UnknownNameError
        If it names an unknown class.

    Examples
    --------
    >>> found = relation("text:lexical", ("dog", "rain", "barking", "drizzle"), 1)
    >>> found.argmax(axis=1).tolist()
    [2, 3, 0, 1]
    """
    kind, _, rest = spec.partition(":")
    if kind == "text" and rest:
        return by_name(classes, n_related, rest)
    if kind == "file" and rest:
        return by_table(_read(Path(rest).expanduser()), classes)
    raise InputError(f"related takes text:ENCODER or file:PATH, got {spec!r}")


def by_name(classes: Sequence[str], n_related: int, encoder: str) -> Bools:
    """Return up to ``n_related`` classes whose names are the most similar, each above the class's median.

    Names without anything in common are not made relatives by their order: a class may have none.
    """
    vectors = text_encoder(encoder).encode([key(one) for one in classes])
    similarity = (vectors @ vectors.T).astype(np.float64)
    np.fill_diagonal(similarity, np.nan)
    above = similarity > np.nanmedian(similarity, axis=1, keepdims=True) + _ALIKE
    ranks = np.argsort(np.argsort(-np.nan_to_num(similarity, nan=-np.inf), axis=1, kind="stable"), axis=1)
    return np.asarray(above & (ranks < n_related), dtype=np.bool_)


def by_table(table: Mapping[str, Sequence[str]], classes: Sequence[str]) -> Bools:
    """Return the relation of a table class -> related classes; classes that it leaves out have none."""
    place = {key(name): at for at, name in enumerate(classes)}
    found = np.zeros((len(classes), len(classes)), dtype=np.bool_)
    for name, others in table.items():
        for one in (name, *others):
            if key(one) not in place:
                raise UnknownNameError.of("class in the table of related classes", one, classes)
        found[place[key(name)], [place[key(one)] for one in others]] = True
    np.fill_diagonal(found, False)
    return found


def _read(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise InputError(f"there is no table of related classes at {path}")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}") from error
    if not isinstance(table, dict) or not all(isinstance(one, list) for one in table.values()):
        raise FormatError(f"{path} must be a JSON object class -> list of classes")
    return table


def difference(change: Floats, related: Bools, target: int) -> float:
    """Return the mean change of the related classes minus that of the unrelated ones; NaN where one is empty.

    Parameters
    ----------
    change : array (class,)
    related : array of bool (class,)
    target : int
        Left out of both.
    """
    usable = (np.arange(len(change)) != target) & np.isfinite(change)
    near, far = change[usable & related], change[usable & ~related]
    return float(near.mean() - far.mean()) if len(near) and len(far) else math.nan


def concept_p(change: Floats, related: Bools, target: int, seed: int) -> tuple[float, float]:
    """Return p and the smallest p that can be reached, for one concept; see :func:`difference` for the arrays."""
    usable = (np.arange(len(change)) != target) & np.isfinite(change)
    values, n_near = change[usable], int(related[usable].sum())
    if not 0 < n_near < len(values):
        return math.nan, math.nan
    ways = math.comb(len(values), n_near)
    if ways <= MOST_WAYS:
        sums = np.array([sum(one) for one in itertools.combinations(values.tolist(), n_near)])
    else:
        rng = np.random.default_rng(seed)
        order = rng.random((MOST_WAYS, len(values))).argsort(axis=1)[:, :n_near]
        sums = np.append(values[order].sum(axis=1), values[related[usable]].sum())
    observed = values[related[usable]].sum()  # the difference rises with the sum
    tolerance = 1e-9 * max(1.0, float(np.abs(values).sum()))
    return float(np.mean(sums <= observed + tolerance)), 1 / len(sums)


def overall_p(
    change: Floats, targets: Sequence[int], related: Bools, *, n_permutations: int, seed: int
) -> tuple[float, float]:
    """Return the mean difference over concepts, and its p under new names for the classes.

    Parameters
    ----------
    change : array (concept, class)
    targets : sequence of int (concept,)
    related : array of bool (class, class)
    n_permutations, seed : int
    """
    rng = np.random.default_rng(seed)

    def statistic(table: Bools) -> float:
        found = [difference(one, table[target], target) for one, target in zip(change, targets, strict=True)]
        known = [one for one in found if not math.isnan(one)]
        return float(np.mean(known)) if known else math.nan

    observed = statistic(related)
    deals = (rng.permutation(len(related)) for _ in range(n_permutations))
    null = np.array([statistic(related[np.ix_(deal, deal)]) for deal in deals])
    return observed, float(permutation_p(np.array(-observed), -null))
