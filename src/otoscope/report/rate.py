"""``otoscope rate RUN``: do people find the descriptions true? A blinded page, and the answers read back.

The page asks, neuron by neuron: listen; say in your own words what the sounds share; then see the descriptions of all
methods and of control (other neurons' descriptions), shuffled, and rate each from 1 to 5. It is one local HTML file
that works from ``file://``, keeps its progress in the browser, and saves a JSON or CSV file. What stands behind each
line is in ``key.parquet`` beside it, never in the page: send people the page alone.

Writes ``ratings/<hash8>/rate.html`` and ``ratings/<hash8>/key.parquet``. The same configuration on the same tables
gives the same page.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND", ICML 2024, Table 3. *Where we differ*: raters do not know which line
is whose, control descriptions are rated among the others, and raters write before they read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from otoscope.errors import InputError, StageError, UnknownNameError
from otoscope.report import assets, page
from otoscope.report.compose import sample_rate
from otoscope.report.neurons import ranked_clips, read_layer
from otoscope.report.payload import rounded, script_json, trace_span, trace_text
from otoscope.report.rating.answers import Ratings, read_answers, unblinded
from otoscope.report.rating.key import make_key
from otoscope.report.reading import RunData, read_run
from otoscope.report.views import RankedClip
from otoscope.stage_config import Seed, StageConfig
from otoscope.store import tables
from otoscope.store.atomic import write_text
from otoscope.store.hashing import hash8
from otoscope.store.run import Run, open_run

MEGABYTE = 1_000_000
SCRIPTS, STYLES = ("rate.js",), ("style.css", "rate.css")


class RateConfig(StageConfig):
    """What is rated.

    Attributes
    ----------
    tables : tuple of str
        Tables of descriptions, or the beginnings of their names; all of the run where empty.
    layers : tuple of str
        Layers that neurons are drawn from, in equal parts; all where empty.
    neurons : int
        Neurons (poles of neurons, where they are signed) to rate.
    clips : int
        Clips to listen to per neuron.
    controls : bool
        Rate other neurons' descriptions among the true ones.
    own_words : bool
        Ask for a description in the rater's own words before showing any.
    seed : int
        Decides neurons, controls and order.
    max_mb : float
        Limit of the page in megabytes of 1,000,000 bytes.
    """

    tables: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    neurons: int = Field(default=20, ge=1, le=500)
    clips: int = Field(default=5, ge=1, le=20)
    controls: bool = True
    own_words: bool = True
    seed: Seed = 0
    max_mb: float = Field(default=25.0, gt=0)


@dataclass(frozen=True)
class RatePage:
    """What was written.

    Attributes
    ----------
    path, key : Path
        The page to give to raters, and the key to keep.
    name : str
        The page's name in the run.
    n_items, n_lines : int
        Neurons, and descriptions to rate over all of them.
    """

    path: Path
    key: Path
    name: str
    n_items: int
    n_lines: int


def rate(run_path: Run | Path | str, *, config: RateConfig | Mapping[str, Any] | None = None) -> RatePage:
    """Write a rating page for a described run.

    Raises
    ------
    StageError
        If there is no run, or it holds no descriptions.
    UnknownNameError
        If a table or layer does not exist.
    EmptyDataError
        If no neuron is described in all the tables.
    InputError
        If the sounds do not fit into ``max_mb``.
    """
    config = RateConfig.of(config)
    data = read_run(run_path)
    key, planned = _planned(data, config)
    write_text(planned.path, _page(data, key, planned.name, config))
    tables.write(planned.key, key)
    return planned


def plan(run_path: Run | Path | str, config: RateConfig) -> RatePage:
    """Return the page that :func:`rate` would write; errors as there, but for sounds that do not fit."""
    return _planned(read_run(run_path), config)[1]


def _planned(data: RunData, config: RateConfig) -> tuple[pl.DataFrame, RatePage]:
    """Return the key and the page's name and size."""
    if not data.tables:
        raise StageError(f"{data.run.root} holds no descriptions to rate: run describe first")
    chosen = [_table(data, one) for one in config.tables] or list(data.tables)
    layers = [data.run.layer(one).name for one in config.layers] or [one.name for one in data.run.layers]
    key = make_key(data, chosen, layers, config.neurons, controls=config.controls, seed=config.seed)
    name = hash8([config.model_dump(exclude={"max_mb"}), key.rows(), data.run.manifest["data"]["hash"]])
    folder = data.run.root / "ratings" / name
    n_lines = key.select("item", "option").unique().height
    made = RatePage(folder / "rate.html", folder / "key.parquet", name, key["item"].n_unique(), n_lines)
    return key, made


def read_ratings(run_path: Path | str, files: Sequence[Path | str], *, name: str | None = None) -> Ratings:
    """Return what raters saved, with what stood behind each line.

    Parameters
    ----------
    run_path : path
        The run folder.
    files : sequence of path
        Files saved by the page, one or more per rater.
    name : str, optional
        The page's name in the run; needed only where the run has several.

    Raises
    ------
    StageError
        If the run has no rating page.
    UnknownNameError
        If it has several and ``name`` is none of them.
    InputError
        If a file belongs to another page, or a rater answered twice.
    FormatError
        If a file is not what a page saves.
    """
    root = open_run(run_path).root / "ratings"
    pages = sorted(path.parent.name for path in root.glob("*/key.parquet"))
    if not pages:
        raise StageError(f"{run_path} has no rating page yet: make one first")
    chosen = pages[0] if name is None and len(pages) == 1 else name
    if chosen not in pages:
        raise UnknownNameError.of("rating page", chosen or "(none named)", pages)
    answers = [one for path in files for one in read_answers(Path(path), chosen)]
    return unblinded(answers, tables.read(root / chosen / "key.parquet"))


def _table(data: RunData, wanted: str) -> str:
    return data.run.table("descriptions", wanted)[0]


def _page(data: RunData, key: pl.DataFrame, name: str, config: RateConfig) -> str:
    layers = {one: read_layer(data, one) for one in key["layer"].unique(maintain_order=True)}
    items: list[dict[str, Any]] = []
    shown: list[list[int]] = []
    for (item,), lines in key.group_by("item", maintain_order=True):
        first = lines.row(0, named=True)
        end = "top" if first["pole"] == "high" else "bottom"
        clips = ranked_clips(layers[first["layer"]], end, first["index"], config.clips)
        shown.append([one.row for one in clips])
        texts = lines.sort("option")["text"].unique(maintain_order=True).to_list()
        items.append({"item": item, "clips": _clips(clips, 1 if end == "top" else -1), "options": texts})
    sounds = _assets(data, shown, config)
    heard = {row for row, one in sounds.by_row.items() if one.sound}
    for one in items:
        one["clips"] = [clip for clip in one["clips"] if clip[0] in heard]
    content = {
        "page": name,
        "own_words": config.own_words,
        "seconds": {str(row): one.duration_s for row, one in sounds.by_row.items()},
        "items": items,
    }
    return page.render(
        "rate.html.j2",
        {"n_items": len(items), "assets": list(sounds.by_row.values()), "own_words": config.own_words},
        script_json(content),
        scripts=SCRIPTS,
        styles=STYLES,
    )


def _clips(clips: Sequence[RankedClip], sign: int) -> list[list[Any]]:
    """Return row, peak and trace of each clip; a low pole's trace turned over, so that up is always the response."""
    low, high = sorted(sign * end for end in trace_span(clips))
    traces = [[sign * level for level in one.trace.levels] if one.trace else [] for one in clips]
    return [
        [one.row, rounded(one.peak_s), trace_text(trace, (low, high))]
        for one, trace in zip(clips, traces, strict=True)
    ]


def _assets(data: RunData, shown: Sequence[Sequence[int]], config: RateConfig) -> assets.Assets:
    found = assets.choose(
        data.run.root,
        assets.best_ranks(shown),
        dict(data.clips.select("row", "id").iter_rows()),
        sample_rate=sample_rate(data),
        room_bytes=int(config.max_mb * MEGABYTE) - 200_000,
        audio=True,
    )
    if found.n_without_sound:
        raise InputError(
            f"{found.n_without_sound} of {len(found.by_row)} clips do not fit into {config.max_mb:g} MB, and cannot be "
            "rated unheard: raise max_mb, or ask for fewer neurons or clips"
        )
    return found
