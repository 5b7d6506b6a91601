"""Uninterpretable neurons by layer, beside random sets of clips and dealt captions.

Reference: figures 6 and 11-14 of T.-Y. Wu et al., "AND", ICML 2024, which have no baseline.
"""

from __future__ import annotations

import polars as pl

from otoscope.report.charts import CONTROL, SECOND_CONTROL, Chart, Series
from otoscope.report.reading import RunData
from otoscope.store import tables


def charts(data: RunData) -> tuple[Chart, ...]:
    """Return one chart per table, pole and K'."""
    found = sorted((data.run.root / "interpretability").glob("layers-*.parquet"))
    return tuple(
        _chart(path.stem, str(pole), int(least), part)
        for path in found
        for (pole, least), part in tables.read(path).group_by("pole", "least", maintain_order=True)
        if part.height > 1
    )


def _chart(stem: str, pole: str, least: int, part: pl.DataFrame) -> Chart:
    return Chart(
        name=f"uninterpretable-{pole}-{least}-{stem.partition('-')[2]}",
        kind="curves",
        title=f"Uninterpretable neurons, fewer than {least} clips in one cluster"
        + ("" if pole == "high" else ", low pole"),
        note="Share of a layer's neurons whose top clips have no cluster of captions in common; beside it sets of "
        "clips drawn at random, and the same clips with captions dealt to others (95 % band).",
        labels=tuple(part["layer"]),
        series=(
            Series("neurons", _percent(part["uninterpretable"])),
            Series("random clips", _percent(part["random"]), role=CONTROL),
            Series(
                "dealt captions",
                _percent(part["permuted"]),
                _percent(part["permuted_low"]),
                _percent(part["permuted_high"]),
                role=SECOND_CONTROL,
            ),
        ),
        x_label="layer",
        y_label="% of neurons",
    )


def _percent(shares: pl.Series) -> tuple[float | None, ...]:
    return tuple(None if one is None else 100 * one for one in shares.fill_nan(None))
