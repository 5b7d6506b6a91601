"""The report stage: a run folder in, one HTML file out, with plots beside it where asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from otoscope.errors import StageError
from otoscope.report import plots
from otoscope.report.classes import classes_view
from otoscope.report.explained.page import SHARE, WORDS_BYTES, explained_view, render_alone
from otoscope.report.fitting import Dropped, fit
from otoscope.report.gathering import gather
from otoscope.report.overview import overview_view
from otoscope.report.reading import read_run
from otoscope.stage_config import StageConfig
from otoscope.store.atomic import write_text
from otoscope.store.explanations import listing
from otoscope.store.run import Run, open_run

MEGABYTE = 1_000_000
_N_BEST = 9


class ReportConfig(StageConfig):
    """What the report shows.

    Attributes
    ----------
    title : str or None
        Heading; the network's name where None.
    descriptions : str or None
        Table of descriptions (or the unambiguous beginning of its name); None takes the one made last.
    clips_per_neuron : int
        Ranked clips shown per pole.
    max_mb : float
        Limit of the file in megabytes of 1,000,000 bytes. What does not fit is left out from the lowest ranks
        up, counted, and named in the page.
    audio : bool
        False leaves every sound out; pictures stay.
    alpha : float
        False discovery rate at which a description counts as significant.
    plots : {"none", "svg", "pdf"}
        Write every plot of the overview, and ``plot_neurons`` neurons, to ``plots/`` beside the page.
    plot_neurons : int
        Neurons, the best described first, that get a plot file of their own.
    """

    title: str | None = None
    descriptions: str | None = None
    clips_per_neuron: int = Field(default=6, ge=1, le=100)
    max_mb: float = Field(default=10.0, gt=0)
    audio: bool = True
    alpha: float = Field(default=0.05, gt=0, lt=1)
    plots: Literal["none", "svg", "pdf"] = "none"
    plot_neurons: int = Field(default=12, ge=0)


@dataclass(frozen=True)
class ReportResult:
    """What was written.

    Attributes
    ----------
    path : Path
        The page.
    size_bytes : int
        Its size.
    n_neurons : int
        Neurons on it.
    n_clips_with_sound : int
        Clips that can be played.
    dropped : Dropped
        What the size limit left out.
    notes : tuple of str
        The same in words, as the page says it.
    plots : tuple of Path
        Plot files.
    """

    path: Path
    size_bytes: int
    n_neurons: int
    n_clips_with_sound: int
    dropped: Dropped
    notes: tuple[str, ...] = ()
    plots: tuple[Path, ...] = ()


def report(
    run_path: Run | Path | str,
    *,
    config: ReportConfig | Mapping[str, Any] | None = None,
    out: Path | None = None,
) -> ReportResult:
    """Write the report of a run and return what was written.

    Parameters
    ----------
    run_path : path or Run
        The run, or its folder.
    config : ReportConfig or dict, optional
        What to show.
    out : Path, optional
        The page; ``report.html`` in the run folder by default. Plots go to ``plots/`` beside it.

    Raises
    ------
    StageError
        If there is no run, or nothing was recorded in it.
    InputError
        If not even the overview fits into ``max_mb``.
    """
    config = ReportConfig.of(config)
    run = open_run(run_path)
    path = out or run.root / "report.html"
    if not run.layers:
        return _explained_only(run, path, config)
    data = read_run(run, config.descriptions)
    explained = explained_view(run, SHARE * config.max_mb * MEGABYTE, audio=config.audio, title=config.title)
    gathered = gather(
        data, alpha=config.alpha, n_clips=config.clips_per_neuron, n_best=max(_N_BEST, config.plot_neurons)
    )
    overview = overview_view(data, gathered.confounds, alpha=config.alpha, title=config.title)
    classes = classes_view(data.run, config.alpha)
    fitted = fit(
        data,
        gathered,
        overview,
        classes,
        limit_bytes=int(config.max_mb * MEGABYTE),
        audio=config.audio,
        n_best=_N_BEST,
        explained=explained,
    )
    write_text(path, fitted.text)
    drawn: tuple[Path, ...] = ()
    if config.plots != "none":
        drawn = plots.write_all(
            path.parent / "plots", overview, classes, gathered.best[: config.plot_neurons], config.plots
        )
    return ReportResult(
        path=path,
        size_bytes=path.stat().st_size,
        n_neurons=fitted.n_neurons,
        n_clips_with_sound=fitted.n_clips_with_sound,
        dropped=fitted.dropped,
        notes=fitted.notes,
        plots=drawn,
    )


def _explained_only(run: Run, path: Path, config: ReportConfig) -> ReportResult:
    """Write the page of a run that holds explanations and nothing that was recorded."""
    words = WORDS_BYTES * len(listing(run.root)) + 200_000
    room = max(0.0, config.max_mb * MEGABYTE - words)
    view = explained_view(run, room, audio=config.audio, title=config.title)
    if view is None:
        raise StageError(f"{run.root} holds nothing yet: otoscope explain or record writes into it")
    write_text(path, render_alone(view))
    n_heard = sum(key.endswith("original") for key in view.assets.sounds)
    return ReportResult(path, path.stat().st_size, 0, n_heard, Dropped(), view.notes)
