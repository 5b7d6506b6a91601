"""``otoscope report RUN``: the run as one page that plays."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import counted, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.report.stage import ReportConfig


def report(
    run: options.RunFolder,
    max_mb: Annotated[
        float | None, typer.Option(help="largest page; the lowest ranks are left out first")
    ] = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="leave every sound out")] = False,
    plots: Annotated[
        str | None, typer.Option(help="svg or pdf: write every plot beside the page, too")
    ] = None,
    descriptions: Annotated[
        str | None, typer.Option(help="table of descriptions to show; the last by default")
    ] = None,
    title: Annotated[str | None, typer.Option(help="heading")] = None,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Write report.html: self-contained, works offline and by keyboard."""
    from otoscope.report.stage import ReportConfig
    from otoscope.report.stage import report as write_report

    config = options.configured(
        ReportConfig,
        settings,
        max_mb=max_mb,
        audio=False if no_audio else None,
        plots=plots,
        descriptions=descriptions,
        title=title,
    )
    if dry_run:
        print_json(_plan(run, config))
        return
    result = write_report(run, config=config)
    if json:
        print_json(result)
        return
    neurons, clips = counted(result.n_neurons, "neuron"), counted(result.n_clips_with_sound, "clip")
    print_lines([f"{result.path}: {neurons}, {clips} to play, {result.size_bytes / 1e6:.1f} MB"])
    print_lines(result.notes)


def _plan(run: str, config: ReportConfig) -> dict[str, Any]:
    """Return what the page would be: made in a temporary folder, measured, and thrown away."""
    from otoscope.report.stage import report as write_report

    page = options.path(run) / "report.html"
    with tempfile.TemporaryDirectory(prefix="otoscope-report-") as folder:
        made = write_report(
            run, config=config.model_copy(update={"plots": "none"}), out=Path(folder) / page.name
        )
    return {
        "path": page,
        "replaces": page.exists(),
        "size_bytes": made.size_bytes,
        "neurons": made.n_neurons,
        "clips_with_sound": made.n_clips_with_sound,
        "notes": made.notes,
        "config": config.model_dump(mode="json"),
    }
