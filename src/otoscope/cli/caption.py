"""``otoscope caption RUN --by acoustic``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import print_json, print_lines

if TYPE_CHECKING:
    from otoscope.store.run import Run


def caption(
    run: options.RunFolder,
    by: Annotated[
        str,
        typer.Option(
            help="acoustic, labels, labels:SET, titles, metadata:COLUMN, file:PATH, qwen2-audio:NAME, "
            "chat:CHAT_MODEL or py:module:function"
        ),
    ] = "acoustic",
    captions: Annotated[
        str | None, typer.Option(help="file of your own captions: the same as --by file:PATH")
    ] = None,
    show: Annotated[int, typer.Option(help="print so many captions")] = 5,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Put the sounds of a run into words; captions that contain the label are marked circular."""
    from otoscope.caption.stage import CaptionConfig
    from otoscope.caption.stage import caption as run_stage
    from otoscope.data.reopen import reopen
    from otoscope.store.run import open_run, read_stage

    opened = open_run(run)
    config = options.configured(CaptionConfig, None, captioner=f"file:{captions}" if captions else by)
    if dry_run:
        print_json({"run": run, "config": config.model_dump(mode="json"), **_plan(opened, config.captioner)})
        return
    name = run_stage(opened, reopen(opened), config)
    marker = read_stage(opened, f"caption-{name}") or {}
    table = opened.table("captions", name)[1]
    if json:
        print_json({"captions": name, **marker.get("notes", {}), "examples": table.head(show)})
        return
    notes = {"failed": 0, **marker.get("notes", {})}
    circular = ", circular: they contain the label" if notes.get("circular") else ""
    print_lines(
        [f"{name}: {table.height - notes['failed']} captions, {notes['failed']} clips without{circular}"]
    )
    print_lines(f"  {clip}: {text}" for clip, text in table.select("id", "text").head(show).iter_rows())


def _plan(run: Run, spec: str) -> dict[str, Any]:
    """Return what a captioner that asks a chat model would ask; nothing for another."""
    from otoscope.caption import open_captioner
    from otoscope.data.reopen import reopen

    captioner = open_captioner(spec)
    estimate = getattr(captioner, "estimate", None)
    return {} if estimate is None else {"chat": estimate(reopen(run))}
