"""How many planted concepts does a description recover, how many by chance, and is anything found where nothing is?

A planted neuron (:mod:`otoscope.models.planted`) is recovered at a pole if the concept that describes it there is
one of the words that its rule accepts, letter for letter. Chance is given twice: the share of the concept list that
would be accepted (what a random concept hits), and the share recovered when each neuron gets the description of
another (random derangements, which keeps how often each concept is given). A rule-less neuron is named falsely if
its description is significant (q <= alpha); noise distractors only, since a random projection of the spectrum
follows brightness and level, so that a name may be deserved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from otoscope.errors import InputError, StageError
from otoscope.models import open_model
from otoscope.models.planted import truth
from otoscope.store.run import Run, read_stage

DRAWS = 200


def planted(
    run: Run, descriptions: str | None = None, *, alpha: float = 0.05, seed: int = 0
) -> dict[str, pl.DataFrame]:
    """Return what was recovered of a planted network.

    Parameters
    ----------
    run : Run
        A described run of a ``planted:`` network.
    descriptions : str, optional
        Table of descriptions; the only one by default.
    alpha : float
        False discovery rate at which a name counts as confident.
    seed : int
        Of the chance draws.

    Returns
    -------
    dict of str to polars.DataFrame
        ``summary``: one row per kind and strength: poles planted, recovered, recovered and significant, chance by
        list, chance by derangement. ``false_names``: rule-less neurons by sort, and how many got a confident name.
        ``neurons``: one row per neuron and pole.

    Raises
    ------
    InputError
        If the run is not of a planted network.
    """
    spec = run.manifest["model"]["spec"]
    if not str(spec).startswith("planted:"):
        raise InputError(f"{run.root} is a run of {spec!r}; planted truth is known of planted: networks only")
    scored = _scored(
        _joined(run, descriptions), alpha, _concept_list(run, descriptions), np.random.default_rng(seed)
    )
    ruled = scored.filter(pl.col("accepted").list.len() > 0)
    summary = ruled.group_by("kind", "strength").agg(
        pl.len().alias("planted"),
        pl.col("recovered").sum(),
        pl.col("recovered_significant").sum(),
        (pl.col("chance_list").sum()).alias("chance_list"),
        (pl.col("chance_derangement").sum()).alias("chance_derangement"),
    )
    false = scored.filter((pl.col("kind") == "distractor") & (pl.col("pole") == "high"))
    names = false.group_by(pl.col("rules").list.first().fill_null("noise").alias("sort")).agg(
        pl.len().alias("neurons"), pl.col("significant").sum().alias("confident_names")
    )
    order = summary.sort("kind", "strength", descending=[False, True])
    return {"summary": order, "false_names": names.sort("sort"), "neurons": scored}


def _joined(run: Run, descriptions: str | None) -> pl.DataFrame:
    known = truth(open_model(run.manifest["model"]["spec"]))
    _, table = run.table("descriptions", descriptions)
    joined = table.join(known, on=["layer", "index"], how="inner", maintain_order="left")
    words = pl.when(pl.col("pole") == "high").then(pl.col("high_words")).otherwise(pl.col("low_words"))
    return joined.with_columns(words.alias("accepted"))


def _concept_list(run: Run, descriptions: str | None) -> tuple[str, ...]:
    """Return the words that could have been given."""
    name, _ = run.table("descriptions", descriptions)
    marker = read_stage(run, f"describe-{name}")
    if marker is None:
        raise StageError(f"{run.root} does not say how the descriptions {name} were made: describe again")
    return tuple(marker["config"]["concepts"])


def _scored(
    table: pl.DataFrame, alpha: float, concepts: Sequence[str], generator: np.random.Generator
) -> pl.DataFrame:
    accepted = [frozenset(one or ()) for one in table["accepted"].to_list()]
    given = table["concept"].to_list()
    hits = np.array([name in words for name, words in zip(given, accepted, strict=True)])
    significant = (table["q"] <= alpha).fill_null(False).to_numpy()
    spread = np.array([sum(name in words for name in concepts) / max(len(concepts), 1) for words in accepted])
    drawn = np.zeros(len(given))
    for _ in range(DRAWS):
        order = generator.permutation(len(given))
        drawn += [given[place] in words for place, words in zip(order, accepted, strict=True)]
    return table.with_columns(
        pl.Series("recovered", hits),
        pl.Series("significant", significant),
        pl.Series("recovered_significant", hits & significant),
        pl.Series("chance_list", spread),
        pl.Series("chance_derangement", drawn / DRAWS),
    )
