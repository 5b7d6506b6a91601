"""``otoscope export RUN --to json|csv|parquet --out FOLDER``."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import print_json, print_lines


def export(
    run: options.RunFolder,
    out: options.Out,
    to: Annotated[str, typer.Option(help="json, csv or parquet")] = "parquet",
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Write a run's tables for other programs; the columns are those of the run format."""
    from otoscope.store.export import export as write
    from otoscope.store.export import plan

    if dry_run:
        print_json({"run": run, "rows": plan(run, options.path(out), to)})
        return
    files = write(run, options.path(out), to)
    if json:
        print_json(files)
    else:
        print_lines(str(path) for path in files)
