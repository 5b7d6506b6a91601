"""``otoscope study planted RUN``, ``otoscope study last-layer RUN``."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, print_json, print_lines

study = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Measure the descriptions against known truth.",
)


@study.command()
def planted(
    run: options.RunFolder,
    descriptions: Annotated[
        str | None, typer.Option(help="table of descriptions; the only one by default")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Planted concepts recovered by kind and strength, by chance, and names given to neurons without a rule."""
    from otoscope.store.run import open_run
    from otoscope.study.planted import planted as measure

    found = measure(open_run(run), descriptions)
    if json:
        print_json({key: found[key] for key in ("summary", "false_names")})
        return
    for key in ("summary", "false_names"):
        print_lines(aligned([list(row) for row in found[key].iter_rows()], found[key].columns))
        print_lines([""])


@study.command("last-layer")
def last_layer(
    run: options.RunFolder,
    captions: Annotated[list[str] | None, typer.Option(help="tables of captions; all by default")] = None,
    encoder: Annotated[list[str] | None, typer.Option(help="text encoders: lexical, st:NAME_OR_PATH")] = None,
    concepts: Annotated[str, typer.Option(help="the classes among other names")] = "labels+sounds",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Output neurons named rightly among many names, for each caption source, encoder and function, with chance."""
    from otoscope.data.reopen import reopen
    from otoscope.store.run import open_run
    from otoscope.study.last_layer import last_layer as measure

    opened = open_run(run)
    clips = reopen(opened)
    found = measure(opened, clips, captions=captions, encoders=encoder or ("lexical",), concepts=concepts)
    if json:
        print_json(found)
        return
    shown = [
        "captions",
        "encoder",
        "function",
        "top1",
        "top5",
        "mrr",
        "cosine",
        "chance_top1",
        "dealt_top1",
        "dealt_mrr",
    ]
    print_lines(aligned([list(row) for row in found.select(shown).iter_rows()], shown))
