"""Which neurons stand for which concept? Sets of neurons, read from a run's tables and never from anywhere else.

A strategy is a function ``(Request) -> tuple of NeuronSet``, a row of :data:`otoscope.ablate.STRATEGIES`. A set may
be empty: a concept that no neuron stands for is reported as such. A concept is tied to the class whose name has the
same words; one that is no class has no target, and only the changes of the classes are reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate import STRATEGIES
from otoscope.ablate.config import AblateConfig
from otoscope.errors import InputError, UnknownNameError
from otoscope.language.tokens import words
from otoscope.registry import lookup
from otoscope.store import run as runs
from otoscope.store.run import Run

READS_DESCRIPTIONS = ("db", "tab", "icl", "open", "ocp")
"""Strategies that read a table of descriptions."""

JOINT = "&"
"""Between the classes whose shared neurons are meant: ``jazz & classical``."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class NeuronSet:
    """The neurons that stand for a concept.

    Attributes
    ----------
    concept : str
    targets : tuple of int
        Indices of the classes that it stands for: one, several for neurons that classes share, none for a concept that
        is no class.
    neurons : array of int64 (chosen,)
        Numbers in the run, best first.
    scores : array of float64 (chosen,)
        What the order is by; NaN where the table gives none.
    """

    concept: str
    targets: tuple[int, ...]
    neurons: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def target(self) -> int | None:
        """The one class that it stands for; None for none or several."""
        return self.targets[0] if len(self.targets) == 1 else None


@dataclass(frozen=True)
class Request:
    """What a strategy is given.

    Attributes
    ----------
    run : Run
    config : AblateConfig
    classes : tuple of str
        Names of the classes.
    concepts : tuple of str
        What is asked for.
    ablatable : array of bool (neuron,)
        Which neurons of the run may be in a set.
    """

    run: Run
    config: AblateConfig
    classes: tuple[str, ...]
    concepts: tuple[str, ...]
    ablatable: Bools

    def targets(self, concept: str) -> tuple[int, ...]:
        """Return the index of the class with the same words, or those of all classes that ``A & B`` names."""
        spoken = [key(one) for one in self.classes]
        parts = [concept] if key(concept) in spoken else concept.split(JOINT)
        found = [spoken.index(key(one)) for one in parts if key(one) in spoken]
        return tuple(dict.fromkeys(found)) if len(found) == len(parts) else ()

    def table(self) -> tuple[str, pl.DataFrame]:
        """Return the name and rows of the table of descriptions, those that the config leaves in.

        Raises
        ------
        StageError
            If the run holds no descriptions.
        UnknownNameError
            If the name fits none, or several.
        """
        name, table = self.run.table("descriptions", table_name(self.run, self.config))
        if self.config.poles == "high" and "pole" in table.columns:
            table = table.filter(pl.col("pole") == "high")
        if self.config.max_q is not None:
            table = table.filter(column(table, "q") <= self.config.max_q)
        return name, table

    def made(self, concept: str, neurons: Sequence[int], scores: Sequence[float | None]) -> NeuronSet:
        """Return the set of these neurons, best first, each once, without those that may not be ablated."""
        values = np.array([np.nan if one is None else one for one in scores], dtype=np.float64)
        found = np.asarray(neurons, dtype=np.int64)
        order = np.lexsort((found, -np.nan_to_num(values, nan=-np.inf)))
        found, values = found[order], values[order]
        first = np.sort(np.unique(found, return_index=True)[1])
        kept = first[self.ablatable[found[first]]][: self.config.max_neurons]
        return NeuronSet(concept, self.targets(concept), found[kept], values[kept])


def choose(request: Request) -> tuple[NeuronSet, ...]:
    """Return the sets that the config's strategy finds, one a concept.

    Raises
    ------
    UnknownNameError
        If there is no such strategy, or a table lacks a column.
    InputError
        If no concept has a neuron.
    """
    strategy = lookup(STRATEGIES, request.config.strategy_name, room="strategies", kind="strategy")
    sets: tuple[NeuronSet, ...] = strategy(request)
    if not any(len(one.neurons) for one in sets):
        what_to_do = (
            "select by a weaker rule (otoscope select --set min_effect=...), by another method, or name other classes"
            if request.config.strategy_name == "selection"
            else "describe with a concept set that holds them (concepts=labels), or name other concepts"
        )
        raise InputError(
            f"strategy {request.config.strategy} finds no neuron for {', '.join(request.concepts[:10])}: {what_to_do}"
        )
    return sets


def key(name: str) -> str:
    """Return what a concept's or class's name is compared by: its words.

    Examples
    --------
    >>> key("Sea_waves") == key("sea waves")
    True
    """
    return " ".join(words(name))


def table_name(run: Run, config: AblateConfig) -> str | None:
    """Return the table of descriptions that is meant: the named one, else the strategy's that was asked for last."""
    if config.descriptions is not None:
        return config.descriptions
    prefix = "open" if config.strategy_name == "ocp" else config.strategy_name
    last = (runs.read_stage(run, "describe") or {}).get("config", {}).get("name", "")
    return last if last.startswith(f"{prefix}-") else f"{prefix}-"


def column(table: pl.DataFrame, name: str) -> pl.Series:
    """Return a column; one that is missing raises with those that exist."""
    if name not in table.columns:
        raise UnknownNameError.of("column of the table", name, table.columns)
    return table[name]


def truncated(one: NeuronSet, n: int) -> NeuronSet:
    """Return the best ``n`` neurons of a set."""
    return replace(one, neurons=one.neurons[:n], scores=one.scores[:n])
