"""The table of module B: a neuron's two summaries, and what became of each sentence.

Columns beside those of every description (``neuron``, ``layer``, ``index``, ``pole``, the held-out scores, ``n_*``,
``flags``):

==================== ====================== ==========================================================================
``summary``          String                 the sentences that survive; null where none does
``gist``             String                 the same without the words around: what is scored
``highly``           String                 the whole summary of the high clips, uncalibrated
``lowly``            String                 that of the low clips
``sentences``        List(Struct)           of the high clips: ``text``, ``status`` (``kept``, ``removed``,
                                            ``boilerplate``, ``short``), ``cosine`` and ``matched`` (the closest
                                            sentence about the low clips), ``evidence`` (its counts, if counted)
``low_sentences``    List(Struct)           the same of the low clips: ``text``, ``status`` (``kept``, ``matched``,
                                            ``boilerplate``, ``short``), ``evidence``
``high_rows`` ...    List(Int64)            rows of the high and low clips and of the near misses, in the run
``threshold``        Float64                t
``source``           String                 ``chat`` or ``contrast``
``status``           String                 ``ok``, ``empty`` (nothing to say, or nothing left) or ``failed``
``reason``           String                 why a chat model gave none
``shuffled_pearson`` Float64                the explainer's mean score where captions are dealt to other groups' clips
                                            (0 where it then has nothing to say)
==================== ====================== ==========================================================================

All texts are untrusted: to be shown escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.describe.calibrate import Calibrated
from otoscope.describe.cases import Case
from otoscope.describe.free_text import Corpus
from otoscope.describe.summarise import Said

_HIGH = pl.List(
    pl.Struct(
        {
            "text": pl.String,
            "status": pl.String,
            "cosine": pl.Float64,
            "matched": pl.String,
            "evidence": pl.String,
        }
    )
)
_LOW = pl.List(pl.Struct({"text": pl.String, "status": pl.String, "evidence": pl.String}))


@dataclass(frozen=True)
class Described:
    """A neuron with its summaries.

    Attributes
    ----------
    case : Case
    high, low : Said
    calibrated : Calibrated
    """

    case: Case
    high: Said
    low: Said
    calibrated: Calibrated

    @property
    def summary(self) -> str | None:
        """The surviving sentences; None where there is none."""
        return self._joined([one.text for one in self.high.sentences], " ")

    @property
    def gist(self) -> str | None:
        """What they say."""
        return self._joined([one.gist for one in self.high.sentences], ". ")

    def _joined(self, texts: Sequence[str], between: str) -> str | None:
        return between.join(one for one, kept in zip(texts, self.calibrated.kept) if kept) or None

    @property
    def failed(self) -> str | None:
        """Why a summary is missing that was asked for."""
        return self.high.failed or self.low.failed

    @property
    def status(self) -> str:
        """``ok``, ``empty`` or ``failed``."""
        return "failed" if self.failed else "ok" if self.gist else "empty"


def flags_of(described: Described, shared: Sequence[str]) -> str:
    """Return what a reader must know, joined by ``;``."""
    given = {
        "dead": described.case.dead,
        "tied": described.case.tied,
        "nothing-in-common": described.status == "empty" and not described.high.sentences,
        "all-removed": described.status == "empty" and bool(described.high.sentences),
        "failed": described.status == "failed",
    }
    if described.case.dead:
        given["nothing-in-common"] = False
    return ";".join([*(name for name, holds in given.items() if holds), *shared])


def table_of(
    described: Sequence[Described],
    scores: Mapping[str, NDArray[np.float64]],
    flags: Sequence[str],
    corpus: Corpus,
    threshold: float,
    source: str,
) -> pl.DataFrame:
    """Return the table, rows by layer, neuron and pole (of a layer, in the order of the network)."""
    cases = [one.case for one in described]
    columns: dict[str, Any] = {
        "neuron": pl.Series([one.neuron for one in cases], dtype=pl.Int64),
        "layer": pl.Series([one.layer for one in cases], dtype=pl.String),
        "index": pl.Series([one.index for one in cases], dtype=pl.Int64),
        "pole": pl.Series([one.pole for one in cases], dtype=pl.String),
        "summary": pl.Series([one.summary for one in described], dtype=pl.String),
        "gist": pl.Series([one.gist for one in described], dtype=pl.String),
        "highly": pl.Series([one.high.text for one in described], dtype=pl.String),
        "lowly": pl.Series([one.low.text for one in described], dtype=pl.String),
        "sentences": pl.Series([_high(one) for one in described], dtype=_HIGH),
        "low_sentences": pl.Series([_low(one) for one in described], dtype=_LOW),
        **{
            f"{kind}_rows": pl.Series(
                [corpus.describing[getattr(one, kind)].tolist() for one in cases], dtype=pl.List(pl.Int64)
            )
            for kind in ("high", "low", "near")
        },
        "threshold": pl.repeat(threshold, len(cases), dtype=pl.Float64, eager=True),
        "source": pl.repeat(source, len(described), dtype=pl.String, eager=True),
        "status": pl.Series([one.status for one in described], dtype=pl.String),
        "reason": pl.Series([one.failed for one in described], dtype=pl.String),
        **{name: pl.Series(values, dtype=pl.Float64) for name, values in scores.items()},
        "n_describe": pl.repeat(len(corpus.describing), len(cases), dtype=pl.Int64, eager=True),
        "n_score": pl.repeat(len(corpus.scoring), len(cases), dtype=pl.Int64, eager=True),
        "flags": pl.Series(flags, dtype=pl.String),
    }
    return pl.DataFrame(columns).with_columns(pl.col(list(scores)).fill_nan(None)).sort("neuron", "pole")


def _high(described: Described) -> list[dict[str, Any]]:
    low = described.low.sentences
    judged = zip(
        described.high.sentences,
        described.calibrated.kept,
        described.calibrated.cosine,
        described.calibrated.match,
    )
    return [
        {
            "text": one.text,
            "status": "kept" if kept else "removed",
            "cosine": None if match < 0 else float(cosine),
            "matched": None if match < 0 else low[match].text,
            "evidence": one.evidence,
        }
        for one, kept, cosine, match in judged
    ] + [{"text": text, "status": why} for text, why in described.high.left_out]


def _low(described: Described) -> list[dict[str, Any]]:
    return [
        {"text": one.text, "status": "kept" if kept else "matched", "evidence": one.evidence}
        for one, kept in zip(described.low.sentences, described.calibrated.low_kept)
    ] + [{"text": text, "status": why} for text, why in described.low.left_out]
