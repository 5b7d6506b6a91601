"""How many planted concepts does a description recover, how many by chance, and is anything found where nothing is?

A planted neuron (:mod:`otoscope.models.planted`) is recovered at a pole if the concept that describes it there is
accepted by its rule, in one of three readings, each with its own chance:

    exact    the concept is one of the rule's words, letter for letter
    worded   one of the concept's words is one of the rule's words: the rules' words were written without sight of
             any concept list, so "bass-heavy" and "deep bass" name the rule that accepts "bass" only in this reading
    top5     exact, for any of the neuron's five best concepts

Methods that give several words at once are read by all of them: the open concepts of ``open``, the words of the gist
of ``summary``. Tables without q have no significant descriptions to count (null).

Chance is the share recovered when the descriptions are dealt to the neurons at random (200 permutations), which keeps
how often each concept is given; for the exact reading also the share of the concept list that would be accepted. A
rule-less neuron is named falsely if its description is significant (q <= alpha); noise distractors only, since a
random projection of the spectrum follows brightness and level, so that a name may be deserved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.errors import InputError, StageError
from otoscope.language.tokens import words
from otoscope.models import open_model
from otoscope.models.planted import truth
from otoscope.store.run import Run, read_stage

DRAWS = 200
MEASURES = (
    "recovered",
    "recovered_significant",
    "chance_list",
    "chance_dealt",
    "worded",
    "chance_worded",
    "top5",
    "chance_top5",
)
"""Columns of the summary, summed over the poles of a kind and strength."""


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
        ``summary``: one row per kind and strength: poles planted; recovered (exact), recovered and significant,
        chance by list and by dealing; worded and top5 with their chance by dealing. ``false_names``: rule-less
        neurons by sort, and how many got a confident name. ``neurons``: one row per neuron and pole.

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
        *(pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()) for name in MEASURES),
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
    named = pl.when(pl.col("pole") == "high").then(pl.col("high_words")).otherwise(pl.col("low_words"))
    return joined.with_columns(named.alias("accepted"))


def _concept_list(run: Run, descriptions: str | None) -> tuple[str, ...]:
    """Return the words that could have been given."""
    name, _ = run.table("descriptions", descriptions)
    marker = read_stage(run, f"describe-{name}")
    if marker is None:
        raise StageError(f"{run.root} does not say how the descriptions {name} were made: describe again")
    return tuple(marker["config"].get("concepts", ()))


def _given(table: pl.DataFrame) -> tuple[list[list[str]], list[list[str]]]:
    """Return the words that each row gives first, and all that it gives (five at most of a concept set)."""
    if "top_concepts" in table.columns:
        first = [[one] if one else [] for one in table["concept"].to_list()]
        return first, [one or [] for one in table["top_concepts"].to_list()]
    if "open_concepts" in table.columns:
        given = [one or [] for one in table["open_concepts"].to_list()]
    elif "gist" in table.columns:
        given = [
            [part.strip(" .").lower() for part in (one or "").split(",")] for one in table["gist"].to_list()
        ]
    else:
        raise InputError(
            f"the table holds none of top_concepts, open_concepts and gist, only {', '.join(table.columns)}"
        )
    return given, given


def _scored(
    table: pl.DataFrame, alpha: float, concepts: Sequence[str], generator: np.random.Generator
) -> pl.DataFrame:
    accepted = [frozenset(one or ()) for one in table["accepted"].to_list()]
    single = [frozenset(word for word in one if len(words(word)) == 1) for one in accepted]
    first, best = _given(table)
    parts = [[part for concept in one for part in words(concept)] for one in first]
    tested = "q" in table.columns
    significant = (
        (table["q"] <= alpha).fill_null(False).to_numpy() if tested else np.zeros(table.height, np.bool_)
    )
    spread = np.array([sum(name in one for name in concepts) / max(len(concepts), 1) for one in accepted])
    dealings = np.stack([generator.permutation(len(accepted)) for _ in range(DRAWS)])
    exact, top5 = _hits(first, accepted), _hits(best, accepted)
    worded = exact | _hits(parts, single)
    found = {"recovered": exact, "worded": worded, "top5": top5}
    mine = np.arange(len(accepted))
    return table.with_columns(
        *(pl.Series(name, hits[mine, mine]) for name, hits in found.items()),
        pl.Series("significant", significant if tested else [None] * table.height, dtype=pl.Boolean),
        pl.Series(
            "recovered_significant",
            exact[mine, mine] & significant if tested else [None] * table.height,
            dtype=pl.Boolean,
        ),
        pl.Series("chance_list", spread if len(concepts) else [None] * table.height, dtype=pl.Float64),
        pl.Series("chance_dealt", exact[mine, dealings].mean(axis=0)),
        pl.Series("chance_worded", worded[mine, dealings].mean(axis=0)),
        pl.Series("chance_top5", top5[mine, dealings].mean(axis=0)),
    )


def _hits(given: Sequence[Sequence[str]], accepted: Sequence[frozenset[str]]) -> NDArray[np.bool_]:
    """Return, ``(neuron that accepts, neuron whose words are taken)``, whether any given word is accepted."""
    return np.array([[not one.isdisjoint(words_of) for words_of in given] for one in accepted])
