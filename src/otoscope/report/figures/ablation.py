"""What breaks without a concept's neurons: its own class, the others, and matched random sets.

Reference: Table 4 and figure 10 of T.-Y. Wu et al., "AND", ICML 2024. Changes of logits of different networks do not
compare.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from otoscope.report.charts import CONTROL, Chart, Series
from otoscope.report.reading import RunData
from otoscope.store import tables

_MEASURE = "logit"
_MOST = 24


def charts(data: RunData) -> tuple[Chart, ...]:
    """Return, per ablation, the change of target and remaining classes, and each class under the first concept."""
    folders = sorted(path.parent for path in (data.run.root / "ablations").glob("*/effects.parquet"))
    return tuple(chart for folder in folders for chart in (*_effects(folder), *_classes(folder)))


def _effects(folder: Path) -> list[Chart]:
    table = tables.read(folder / "effects.parquet").filter(measure=_MEASURE)
    shown = table.filter(pl.col("selectivity").is_not_null()).sort("selectivity").head(_MOST)
    if shown.is_empty():
        return []
    return [
        Chart(
            name=f"ablation-{folder.name}",
            kind="bars",
            title=f"Without a concept's neurons: {folder.name}",
            note="Change of the mean logit of the concept's own class and of the remaining classes, 95 % intervals "
            "over groups of recordings; beside them the own class under random sets matched in layer and strength.",
            labels=tuple(
                f"{concept} ({n:,})" for concept, n in shown.select("concept", "n_neurons").iter_rows()
            ),
            series=(
                _spread("own class", shown, "change"),
                _spread("remaining classes", shown, "rest_change"),
                Series("random sets", _values(shown, "random_change"), role=CONTROL),
            ),
            x_label="change of the logit",
        )
    ]


def _classes(folder: Path) -> list[Chart]:
    path = folder / "classes.parquet"
    if not path.is_file():
        return []
    table = tables.read(path).filter(measure=_MEASURE)
    concept = _most_selective(folder)
    own = table.filter(concept=concept).sort("change").head(_MOST) if concept else table.head(0)
    if own.is_empty():
        return []
    marks = {True: "own class", False: ""}
    names = [
        f"{name} ({marks[target] or 'related'})" if target or related else name
        for name, target, related in own.select("class", "target", "related").iter_rows()
    ]
    return [
        Chart(
            name=f"classes-{folder.name}",
            kind="bars",
            title=f"Each class without the neurons of {concept}",
            note="Change of the mean logit of each class, 95 % intervals. Related classes were fixed beforehand.",
            labels=tuple(names),
            series=(_spread("change", own, "change"),),
            x_label="change of the logit",
        )
    ]


def _most_selective(folder: Path) -> str | None:
    table = tables.read(folder / "effects.parquet").filter(measure=_MEASURE)
    return next(iter(table.drop_nulls("selectivity").sort("selectivity")["concept"]), None)


def _spread(name: str, table: pl.DataFrame, column: str) -> Series:
    return Series(
        name, _values(table, column), _values(table, f"{column}_low"), _values(table, f"{column}_high")
    )


def _values(table: pl.DataFrame, column: str) -> tuple[float | None, ...]:
    return tuple(table[column].cast(pl.Float64).fill_nan(None)) if column in table.columns else ()
