"""``otoscope reproduce PROTOCOL --model MODEL --data DATA --out DIR``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, framed, print_json, print_lines

if TYPE_CHECKING:
    import polars as pl

    from otoscope.data.clips import Clips
    from otoscope.models.audio_model import AudioModel
    from otoscope.stage_config import StageConfig
    from otoscope.study.reproduce.exhibits import Made


def reproduce(
    protocol: Annotated[str, typer.Argument(help="and-2024, posthoc ...; a wrong name lists all")],
    model: Annotated[
        str | None, typer.Option(help="a classifier; without one the exhibits are listed")
    ] = None,
    data: Annotated[str | None, typer.Option(help="its sounds, as for record")] = None,
    out: Annotated[str | None, typer.Option(help="folder for the recording, the tables and the page")] = None,
    captions: Annotated[str | None, typer.Option(help="captioner, such as file:PATH or acoustic")] = None,
    text_encoder: Annotated[
        str | None, typer.Option(help="of captions and concepts; as published CLIP's text tower")
    ] = None,
    sentence_encoder: Annotated[str | None, typer.Option(help="of names and sentences")] = None,
    sound_encoder: Annotated[str | None, typer.Option(help="for TAB: clap:NAME_OR_PATH")] = None,
    chat: Annotated[str | None, typer.Option(help="chat model of summaries, ICL, adjectives")] = None,
    ratings: Annotated[list[str] | None, typer.Option(help="files that raters saved")] = None,
    explainer: Annotated[
        list[str] | None, typer.Option(help="folder of a trained explainer of the network; repeatable")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="a further classifier of the same classes; repeatable")
    ] = None,
    folds: Annotated[
        str | None, typer.Option(help="clips that are judged on; published: 1 (and-2024), 5 (posthoc)")
    ] = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make a paper's tables and figures on your network and sounds, beside the published numbers."""
    from otoscope.errors import InputError
    from otoscope.registry import lookup
    from otoscope.study.reproduce import REPRODUCTIONS
    from otoscope.study.reproduce.bench import ReproduceConfig

    run = lookup(REPRODUCTIONS, protocol, room="reproduce", kind="reproduction")
    if model is None and data is None and out is None:
        _list(protocol, json)
        return
    if model is None or data is None or out is None:
        raise InputError("--model, --data and --out go together; without all three the exhibits are listed")
    kind = getattr(sys.modules[run.__module__], "CONFIG", ReproduceConfig)
    config = options.configured(
        kind,
        settings,
        captions=captions,
        text_encoder=text_encoder,
        sentence_encoder=sentence_encoder,
        sound_encoder=sound_encoder,
        chat=chat,
        ratings=tuple(ratings) if ratings else None,
        explainers=tuple(explainer) if explainer else None,
        networks=tuple(network) if network else None,
        folds=folds,
        limit=limit if "limit" in kind.model_fields else None,  # of every collection that the settings name
        seed=seed,
    )
    clips = options.open_clips(data, None, None, limit)
    opened = options.open_network(model, device)
    if dry_run:
        _plan(protocol, opened, clips, out, config)
        return
    page, found = run(opened, clips, options.path(out), config)
    if json:
        print_json({"page": page, "exhibits": [_plain(one) for one in found]})
        return
    for one in found:
        print_lines(["", *_lines(one)])
    print_lines(["", f"{page}: all of it beside the published numbers"])


def _plan(protocol: str, network: AudioModel, clips: Clips, out: str, config: StageConfig) -> None:
    """Print what would be made, of what; which exhibits that allows is found by making them."""
    from otoscope.study.reproduce.exhibits import exhibits

    about, shown = exhibits(protocol)
    print_json(
        {
            "paper": about["paper"],
            "exhibits": {one.id: one.title for one in shown},
            "model": network.spec,
            "classes": len(network.classes),
            "data": clips.spec,
            "clips": len(clips),
            "out": out,
            "out_exists": options.path(out).exists(),
            "config": config.model_dump(mode="json"),
        }
    )


def _list(protocol: str, json: bool) -> None:
    from otoscope.study.reproduce.exhibits import exhibits

    about, shown = exhibits(protocol)
    if json:
        print_json({**about, "exhibits": shown})
        return
    print_lines([about["paper"], about["setting"], ""])
    rows = [[one.id, one.title, one.source] for one in shown]
    print_lines(aligned(rows, ["exhibit", "what", "published numbers"]))


def _lines(made: Made) -> list[str]:
    title = f"{made.exhibit.id}. {made.exhibit.title} ({made.seconds:.0f} s)"
    if made.table is None:
        return [title, f"  not made: {made.reason}"]
    lines = [title, "ours:", *framed(_means(made.table).head(20), 40)]
    if made.exhibit.published is not None:
        lines += [f"published ({made.exhibit.source}):", *framed(made.exhibit.published.head(12), 40)]
    return [*lines, *(f"  {command}" for command in made.commands)]


def _means(table: pl.DataFrame) -> pl.DataFrame:
    """Return a wide table without its intervals; the files and the page have them."""
    import polars.selectors as columns

    return table if table.width <= 16 else table.select(~columns.ends_with("_low", "_high"))


def _plain(made: Made) -> dict[str, object]:
    return {
        "id": made.exhibit.id,
        "title": made.exhibit.title,
        "ours": made.table,
        "published": made.exhibit.published,
        "source": made.exhibit.source,
        "commands": made.commands,
        "reason": made.reason,
        "seconds": made.seconds,
    }
