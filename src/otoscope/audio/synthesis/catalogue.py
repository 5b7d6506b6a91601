"""Draw many sounds that cover kinds and parameter ranges evenly.

Kinds take turns, so any two differ by at most one in number. Within a kind each parameter's range is cut
into as many parts as there are sounds and every part is used once, in an order drawn for each parameter:
Latin hypercube sampling (McKay, Beckman and Conover 1979, A comparison of three methods for selecting values
of input variables in the analysis of output from a computer code, Technometrics 21).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from otoscope.audio.synthesis.render import find_kind
from otoscope.audio.synthesis.spec import Kind, SoundSpec
from otoscope.audio.synthesis.table import KINDS
from otoscope.errors import InputError


def catalogue(
    n: int, seed: int, *, duration_s: float = 2.0, kinds: Iterable[str] | None = None
) -> list[SoundSpec]:
    """Return ``n`` specs that cover the kinds and their ranges evenly.

    Parameters
    ----------
    n : int
        Number of sounds, >= 1.
    seed : int
        Equal seeds give equal lists, >= 0.
    duration_s : float
        Length of every sound, seconds.
    kinds : iterable of str, optional
        Names from ``KINDS``; all by default.

    Returns
    -------
    list of SoundSpec
        In turn over the kinds: the i-th is of kind ``i % number of kinds``.

    Raises
    ------
    InputError
        If ``n`` is below 1. UnknownNameError for a kind that does not exist.
    """
    if n < 1:
        raise InputError(f"a catalogue holds at least 1 sound, got n = {n}")
    names = tuple(KINDS if kinds is None else kinds)
    columns = [
        _of_kind(find_kind(name), len(range(turn, n, len(names))), duration_s, [seed, turn])
        for turn, name in enumerate(names)
    ]
    return [columns[index % len(names)][index // len(names)] for index in range(n)]


def _of_kind(kind: Kind, n: int, duration_s: float, entropy: list[int]) -> list[SoundSpec]:
    rng = np.random.default_rng(entropy)
    axes = {**kind.ranges, "level_db": kind.level_db}
    grid = {name: (rng.permutation(n) + rng.random(n)) / max(n, 1) for name in axes}
    seeds = rng.integers(0, 2**31, n)
    specs = []
    for index in range(n):
        drawn = {name: axis.at(grid[name][index]) for name, axis in axes.items()}
        level_db = drawn.pop("level_db")
        params = {**drawn, **kind.complete(rng, duration_s, drawn)}
        specs.append(SoundSpec(kind.name, kind.label, params, int(seeds[index]), duration_s, level_db))
    return specs
