"""``otoscope caption RUN --by acoustic``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import counted, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.data.clips import Clips
    from otoscope.store.run import Run


def caption(
    run: options.RunFolder,
    by: Annotated[
        str | None,
        typer.Option(
            help="acoustic (the default), labels, labels:SET, titles, metadata:COLUMN, file:PATH, qwen2-audio:NAME, "
            "chat:CHAT_MODEL or py:module:function"
        ),
    ] = None,
    captions: Annotated[
        str | None, typer.Option(help="file of your own captions: the same as --by file:PATH")
    ] = None,
    data: options.Moved = None,
    engine: options.EngineName = "local",
    address: options.Address = None,
    workers: options.Workers = None,
    cpus_per_worker: options.CpusPerWorker = None,
    gpus_per_worker: options.GpusPerWorker = None,
    show: options.Show = 5,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Put the sounds of a run into words; captions that contain the label are marked circular."""
    from otoscope.caption.stage import CaptionConfig
    from otoscope.caption.stage import caption as run_stage
    from otoscope.store.run import open_run, read_stage

    opened = open_run(run)
    config = options.configured(CaptionConfig, None, captioner=captioner_of(by, captions))
    computing = options.engine_of(engine, address, workers, cpus_per_worker, gpus_per_worker)
    clips = options.moved_clips(opened, data)
    if dry_run:
        plan = _plan(opened, clips, config.captioner)
        print_json({"run": run, "config": config.model_dump(mode="json"), **plan})
        return
    name = run_stage(opened, clips, config, engine=computing)
    marker = read_stage(opened, f"caption-{name}") or {}
    table = opened.table("captions", name)[1]
    said = table.filter(status="ok")
    if json:
        print_json({"captions": name, **marker.get("notes", {}), "examples": said.head(show)})
        return
    circular = ", circular: they contain the label" if marker.get("notes", {}).get("circular") else ""
    without = counted(table.height - said.height, "clip")
    print_lines([f"{name}: {counted(said.height, 'caption')}, {without} without{circular}"])
    print_lines(f"  {clip}: {text}" for clip, text in said.select("id", "text").head(show).iter_rows())


def captioner_of(by: str | None, captions: str | None) -> str:
    """Return the captioner that ``--by`` or ``--captions`` names, ``acoustic`` where neither is given.

    Raises
    ------
    InputError
        If both are given.
    """
    from otoscope.errors import InputError

    if by is not None and captions is not None:
        raise InputError(
            f"--by {by} and --captions {captions} both say what the captions are: give one of them "
            f"(--captions FILE is --by file:FILE)"
        )
    return f"file:{captions}" if captions is not None else by or "acoustic"


def _plan(run: Run, moved: Clips | None, spec: str) -> dict[str, Any]:
    """Return what captioning would do: how many clips, what is kept of them, what a chat model would be asked."""
    from otoscope.caption import open_captioner
    from otoscope.caption.captioner import check, hears
    from otoscope.data.reopen import reopen

    captioner = open_captioner(spec)
    clips = moved or reopen(run, heard=hears(captioner))
    check(captioner, clips)
    done = captioner.id in run.listing("captions")
    plan = {"captions": captioner.id, "done": done, "clips": len(clips)}
    estimate = getattr(captioner, "estimate", None)
    return plan if estimate is None else {**plan, "chat": estimate(clips)}
