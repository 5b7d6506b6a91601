"""``otoscope report RUN``: the run as one page that plays."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import print_json, print_lines


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
    result = write_report(run, config=config)
    if json:
        print_json(result)
        return
    size = f"{result.size_bytes / 1e6:.1f} MB"
    print_lines(
        [f"{result.path}: {result.n_neurons} neurons, {result.n_clips_with_sound} clips to play, {size}"]
    )
    print_lines(result.notes)
