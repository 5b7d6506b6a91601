"""``otoscope import-weights FILE --out PLACE``: a released file, as ours."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import print_json, print_lines


def import_weights(
    file: Annotated[str, typer.Argument(help="a released .pt, .pth, .ckpt, .bin, .safetensors or .json")],
    out: Annotated[str, typer.Option(help="the model's folder, or the file to write")],
    kind: Annotated[str | None, typer.Option(help="what it is; found by its keys by default")] = None,
    classes: Annotated[
        str | None, typer.Option(help="a network's classes in order: a file with one a line, or a,b,c")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Convert released weights to a model folder, or released results to Parquet; nothing in the file is executed."""
    from otoscope.models import import_weights as convert
    from otoscope.models.published.convert import plan

    if dry_run:
        print_json({**plan(file, out, kind=kind), "classes": _names(classes) or None})
        return
    made = convert(file, out, kind=kind, classes=_names(classes))
    if json:
        print_json(made)
        return
    print_lines([f"{made.source}: {made.summary}", f"-> {made.out}"])
    print_lines(f"  {key}: {value}" for key, value in made.details.items())


def _names(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    path = options.path(text)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else text.split(",")
    return tuple(line.strip() for line in lines if line.strip())
