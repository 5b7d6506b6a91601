"""``otoscope data get NAME``, ``otoscope data list``, ``otoscope data show DATA``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.data.clips import Clips

data = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Download and look at collections of sounds.",
)


@data.command()
def get(
    name: Annotated[str, typer.Argument(help="a name of otoscope data list")],
    out: Annotated[str, typer.Option(help="folder that collections go into")] = "data",
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="keep the downloaded archives")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Download a collection: continued where it stopped, checked, unpacked; its licence is shown first."""
    import sys

    from otoscope.data import download

    if dry_run:
        print_json(download.plan(name, out))
        return
    entry = download.DOWNLOADS.get(name)
    if entry is not None and not quiet:
        sys.stderr.write(f"{entry.title}\nlicence: {entry.licence}\n{entry.page}\n")
    fetched = download.get(name, out, keep_archives=keep_archives)
    if json:
        print_json(fetched)
        return
    print_lines(
        [
            f"{fetched.folder}: {'downloaded' if fetched.new else 'was there already'}; licence {fetched.licence}"
        ]
    )
    if fetched.spec:
        print_lines([f"use it as --data {fetched.spec}"])


@data.command("list")
def list_downloads(json: options.Json = False, quiet: options.Quiet = False) -> None:
    """List what --data takes, with its options, and what can be downloaded, with its licence."""
    from otoscope.data.official import DOWNLOADS
    from otoscope.data.schemes import schemes

    kinds = schemes()
    if json:
        print_json({"schemes": kinds, "downloads": DOWNLOADS})
        return
    print_lines(
        [
            "What --data takes; options follow a question mark, as in csv:table.csv?multi=;&labels=kind",
            "Each also takes events=FILE (annotations in time) and derive=TEXT (label sets made of others)",
            "",
        ]
    )
    rows = [[f"{one.name}:", one.about, _written(one.options)] for one in kinds]
    print_lines(aligned(rows, ["data", "what it opens", "options and their defaults"]))
    print_lines(["", "What otoscope data get NAME downloads:", ""])
    downloads = [[key, one.title, one.licence] for key, one in DOWNLOADS.items()]
    print_lines(aligned(downloads, ["name", "title", "licence"]))


def _written(given: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in given.items()) or "-"


@data.command()
def mix(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="what is mixed: esc10:PATH, fsdd:PATH ...; one label a clip")
    ],
    out: Annotated[str, typer.Option(help="new folder for sounds, clips.csv and events.csv")],
    n: Annotated[int, typer.Option(help="how many mixtures")] = 200,
    sources: Annotated[str, typer.Option(help="parts of a mixture, such as 2 or 1-3")] = "2",
    duration_s: Annotated[float, typer.Option(help="length of a mixture")] = 5.0,
    gains_db: Annotated[
        str, typer.Option(help="level of every part after the first, relative to it, is drawn between these")
    ] = "-6,6",
    max_part_s: Annotated[float, typer.Option(help="longest part")] = 3.0,
    sample_rate: Annotated[int, typer.Option(help="of the mixtures, in hertz")] = 16000,
    folds: options.Folds = None,
    split: options.Split = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Mix the clips of a collection with known onsets and gains; --data mix:DATA does the same without files."""
    from urllib.parse import quote

    from otoscope.data import open_data
    from otoscope.data.mixture_write import write_mixtures

    made = open_data(
        f"mix:{quote(data, safe='/:,;|=')}",
        n=n,
        sources=sources,
        duration_s=duration_s,
        gains_db=gains_db,
        max_part_s=max_part_s,
        sample_rate=sample_rate,
        seed=seed,
    ).select(folds=folds, split=split)
    if dry_run:
        parts = 0 if made.events is None else made.events.height
        print_json({"out": out, "mixtures": len(made), "parts": parts, "seconds": len(made) * duration_s})
        return
    written = write_mixtures(made, options.path(out), open_data(data))
    if json:
        print_json(written)
        return
    failed = f" ({len(written.failures)} could not be mixed)" if written.failures else ""
    print_lines([f"{written.folder}: {written.n_clips} mixtures of {written.n_events} parts{failed}"])
    print_lines([f"use it as --data '{written.spec}'"])


@data.command()
def show(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="esc50:PATH, folder:PATH, csv:FILE, sounds:N ...; otoscope data list shows all",
        ),
    ],
    events: options.Events = None,
    derive: options.Derive = None,
    folds: options.Folds = None,
    split: options.Split = None,
    limit: options.Limit = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show what a collection holds: clips, groups, folds, classes, events."""
    clips = options.open_clips(data, folds, split, limit, events=events, derive=derive)
    table = clips.table
    summary = {
        "spec": clips.spec,
        "clips": len(clips),
        "groups": table["group"].n_unique(),
        "group_declared": clips.group_declared,
        "folds": table["fold"].drop_nulls().unique().sort().to_list(),
        "splits": table["split"].drop_nulls().unique().sort().to_list(),
        "label_sets": {one.name: list(one.classes) for one in clips.label_sets},
        "columns": table.columns,
        **_of_events(clips),
    }
    if json:
        print_json(summary)
        return
    print_lines(f"{key:<15} {_short(value)}" for key, value in summary.items() if key != "label_sets")
    for one in clips.label_sets:
        print_lines([f"{one.name:<15} {len(one.classes)} classes: {_short(one.classes)}"])


def _of_events(clips: Clips) -> dict[str, Any]:
    """Return how many events there are, of what, and how many were left out; nothing where there are none."""
    if clips.events is None:
        return {}
    labels = sorted(clips.events["label"].drop_nulls().unique().to_list())
    left = [f"{one.id}: {one.reason}" for one in clips.event_failures]
    return {"events": clips.events.height, "event_labels": labels, "events_left_out": left}


def _short(value: object) -> str:
    if isinstance(value, list | tuple):
        shown = ", ".join(str(one) for one in value[:12])
        return shown + (f", ... ({len(value)})" if len(value) > 12 else "") or "-"
    return str(value)
