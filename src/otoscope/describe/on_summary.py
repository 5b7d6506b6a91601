"""What the methods that read summaries (ICL, open concepts) take from the table of module B.

They work on the same neurons, captions and halves of the clips, so their scores compare with the summary's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from otoscope.describe.free_text import Corpus, corpus_of, parts
from otoscope.describe.summary import SummaryConfig
from otoscope.describe.text_score import parted, score_texts
from otoscope.errors import StageError
from otoscope.language import TextEncoder
from otoscope.store import run as runs
from otoscope.store.run import Run

Key = tuple[int, str]
"""Number of a neuron in the run, and pole."""

SHARED = ("neuron", "layer", "index", "pole")


@dataclass(frozen=True)
class Summaries:
    """A table of module B and what it was made with.

    Attributes
    ----------
    run : Run
    name : str
    table : polars.DataFrame
    config : SummaryConfig
    corpus : Corpus
    """

    run: Run
    name: str
    table: pl.DataFrame
    config: SummaryConfig
    corpus: Corpus

    def scored(self, texts: Mapping[Key, str | None], columns: Mapping[str, pl.Series]) -> pl.DataFrame:
        """Return the table of descriptions: the summary's rows, ``columns``, and the scores of ``texts``.

        Parameters
        ----------
        texts : mapping of (neuron, pole) to str or None
            What is scored.
        columns : mapping of str to polars.Series
            One value a row of the summary's table.
        """
        found = score_texts(self.run, self.config, self.corpus, parted(self.run, self.config, texts))
        keys = [key for part in parts(self.run, self.config) for key in part.neurons()]
        scores = pl.DataFrame(
            {"neuron": [one for one, _ in keys], "pole": [pole for _, pole in keys], **found}
        ).with_columns(pl.col(list(found)).fill_nan(None))
        own = self.table.select(SHARED).with_columns(**columns)
        joined = own.join(scores, on=["neuron", "pole"], how="left", maintain_order="left")
        return joined.with_columns(
            n_describe=pl.lit(len(self.corpus.describing), pl.Int64),
            n_score=pl.lit(len(self.corpus.scoring), pl.Int64),
        )

    def flags(self, mine: list[str]) -> pl.Series:
        """Return ``mine`` with the flags that hold of every neuron, joined by ``;``."""
        own = [";".join(one for one in (first, *self.corpus.flags) if one) for first in mine]
        return pl.Series(own, dtype=pl.String)


def summaries_of(run: Run, name: str, encoder: TextEncoder | None = None) -> Summaries:
    """Return a table of module B.

    Parameters
    ----------
    run : Run
    name : str
        Its name, or the beginning of one that fits a single table.
    encoder : TextEncoder, optional
        A loaded one to use for the summary's.

    Raises
    ------
    StageError
        If there is none.
    UnknownNameError
        If the name fits none, or more than one.
    """
    if not any(one.startswith("summary-") for one in run.listing("descriptions")):
        raise StageError(
            f"{run.root} holds no summaries yet: describe the run with the method 'summary' first, "
            "which this method reads"
        )
    full, table = run.table("descriptions", name)
    marker = runs.read_stage(run, f"describe-{full}")
    if marker is None or "highly" not in table.columns:
        raise StageError(
            f"{full} is no finished table of summaries: describe with the method 'summary' first"
        )
    config = SummaryConfig.model_validate(_options(marker["config"]))
    return Summaries(run, full, table, config, corpus_of(run, config, encoder))


def _options(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options behind a marker, its names of encoder and chat model as they were asked for."""
    known = {name: value for name, value in stored.items() if name in SummaryConfig.model_fields}
    lists = {name: tuple(known[name]) for name in ("layers", "neurons")}
    return {**known, **lists, "chat": None, "encoder": stored["encoder_spec"]}
