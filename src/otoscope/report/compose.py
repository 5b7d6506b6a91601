"""Composes the page: the templates' content and the data that its script reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from otoscope.report import assets, page, payload
from otoscope.report.classes_views import ClassesView
from otoscope.report.explained.page import ExplainedView
from otoscope.report.explained.page import content as explained_content
from otoscope.report.gathering import Gathered
from otoscope.report.methods import method_of
from otoscope.report.overview import STRONG
from otoscope.report.overview_views import OverviewView
from otoscope.report.reading import RunData, clip_views


def page_text(
    data: RunData,
    gathered: Gathered,
    overview: OverviewView,
    classes: ClassesView,
    records: list[dict[str, Any]],
    chosen: assets.Assets,
    notes: tuple[str, ...],
    *,
    explained: ExplainedView | None = None,
    audio: bool,
    n_best: int,
) -> str:
    """Return the page with these records, assets and notes."""
    clips = clip_views(data)
    rows = {row for ranked in ranked_rows(records or list(gathered.records.values())) for row in ranked}
    shown = [clip for clip in clips if clip.row in rows]
    low = _lowest_score(data)
    content = {
        "format": 1,
        "layers": [one.name for one in data.run.layers],
        "measures": list(data.measures),
        "bars": [[payload.rounded(bar) for bar in table] for table in gathered.bars],
        "strong": STRONG,
        "range": [low, 1],
        "tables": [[name, method_of(name).title] for name in data.tables],
        "audio": audio,
        "sample_rate": sample_rate(data),
        "seconds": {str(row): one.duration_s for row, one in chosen.by_row.items()},
        "clips": payload.clip_records(shown if records else (), rows, gathered.strings),
        "neurons": sorted(records, key=lambda one: one["n"]),
        "strings": gathered.strings.all,
    }
    return page.render(
        "report.html.j2",
        {
            **explained_content(explained, alone=False),
            "overview": overview,
            "classes": classes,
            "best": [one for one in gathered.best if one.verdict == "confirmed"][:n_best],
            "notes": notes,
            "layer_range": _layer_range(overview),
            "clips": shown,
            "credited": any(clip.credit for clip in shown),
            "assets": list(chosen.by_row.values()),
            "asset_failures": chosen.failures,
            "n_with_sound": chosen.n_with_sound,
        },
        payload.script_json(content),
    )


def ranked_rows(records: Sequence[dict[str, Any]]) -> list[list[int]]:
    """Return the rows of the ranked clips of these records, one list per neuron and pole."""
    return [[clip[0] for clip in one[pole]] for one in records for pole in ("t", "b")]


def sample_rate(data: RunData) -> int:
    """Return the network's sample rate in hertz."""
    return int(data.run.manifest["model"]["sample_rate"])


def _layer_range(overview: OverviewView) -> tuple[float, float]:
    """Return the axis on which the layers' scores are drawn: all their quartiles, to the next quarter."""
    drawn = [one for layer in overview.layers for one in (layer.heldout, layer.control) if one is not None]
    low = min((one.low for one in drawn), default=0.0)
    high = max((one.high for one in drawn), default=1.0)
    return min(0.0, float(np.floor(low * 4) / 4)), max(0.25, float(np.ceil(high * 4) / 4))


def _lowest_score(data: RunData) -> float:
    """Return the lower end of the axis of held-out scores: a quarter below the 2nd percentile of all that is drawn."""
    columns = ("heldout_pearson", "heldout_low", "control_pearson")
    drawn = [table[one].fill_nan(None).drop_nulls() for table in data.tables.values() for one in columns]
    lowest = np.quantile(np.concatenate(drawn), 0.02) if any(map(len, drawn)) else 0.0
    return max(-1.0, min(-0.25, float(np.floor(lowest * 4) / 4)))
