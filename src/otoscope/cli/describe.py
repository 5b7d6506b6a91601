"""``otoscope describe RUN --method db|tab|icl|summary|open``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, print_json, print_lines, short

if TYPE_CHECKING:
    import polars as pl

    from otoscope.store.run import Run

SHOWN = (
    "layer",
    "index",
    "pole",
    "concept",
    "open_concepts",
    "gist",
    "status",
    "score",
    "q",
    "heldout_pearson",
    "control_pearson",
    "shuffled_pearson",
)
"""Columns of a table of descriptions that are printed, where it has them."""


def describe(
    run: options.RunFolder,
    method: Annotated[
        str,
        typer.Option(
            help="db: concepts by captions, tab: by the sound itself, icl: by a chat model, "
            "summary: calibrated summaries, open: adjectives of the summaries"
        ),
    ] = "db",
    captions: Annotated[
        str | None, typer.Option(help="table of captions, or the beginning of its name")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="lexical, st:NAME_OR_PATH, clip:NAME; for tab clap:NAME")
    ] = None,
    concepts: Annotated[
        str | None, typer.Option(help="acoustic, sounds, labels, file:PATH, joined by +")
    ] = None,
    function: Annotated[
        str | None, typer.Option(help="db, tab: cos, cos_cubed, wpmi, soft_wpmi or rank_reorder")
    ] = None,
    layers: Annotated[list[str] | None, typer.Option(help="recorded layers; all by default")] = None,
    summary: Annotated[str | None, typer.Option(help="icl, open: table of summaries")] = None,
    chat: Annotated[
        str | None, typer.Option(help="openai:MODEL, openai:MODEL@URL or hf:NAME_OR_PATH; none by default")
    ] = None,
    max_calls: Annotated[int | None, typer.Option(help="budget of the chat model, in calls")] = None,
    prices: Annotated[
        str | None, typer.Option(help="with --dry-run: cost of a million tokens, PROMPT,COMPLETION")
    ] = None,
    preset: Annotated[str, typer.Option(help="default, or and-2024: as published")] = "default",
    show: Annotated[int, typer.Option(help="print so many of the best held-out descriptions")] = 15,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Put neurons into words: described on one half of the groups, scored on the other, beside a control."""
    from otoscope.describe.presets import preset as named
    from otoscope.describe.stage import config_type
    from otoscope.describe.stage import describe as run_stage
    from otoscope.store.run import open_run, read_stage

    config = options.configured(
        config_type(method),
        settings,
        base=named(preset, method).model_dump(),
        captions=captions,
        encoder=encoder,
        concepts=concepts,
        function=function,
        layers=tuple(layers) if layers else None,
        summary=summary,
        chat=chat,
        max_calls=max_calls,
        seed=seed,
    )
    opened = open_run(run)
    if dry_run:
        print_json({"run": run, "method": method, **_plan(opened, method, config, prices)})
        return
    name = run_stage(opened, config, method=method)
    notes = (read_stage(opened, f"describe-{name}") or {}).get("notes", {})
    table = opened.table("descriptions", name)[1]
    best = table.sort("heldout_pearson", descending=True, nulls_last=True).head(show)
    if json:
        print_json({"descriptions": name, **notes, "best": best})
        return
    print_lines([f"{name}: {table.height} descriptions of {table['neuron'].n_unique()} neurons"])
    print_lines(f"  {key}: {value}" for key, value in notes.items())
    print_lines(["", *_table(best)])


def _plan(run: Run, method: str, config: Any, prices: str | None) -> dict[str, Any]:
    from otoscope.describe import ESTIMATES
    from otoscope.describe.dry_run import estimate

    plan: dict[str, Any] = {"config": config.identity()}
    if method in ESTIMATES and config.chat is not None:
        plan["chat"] = estimate(run, config, method=method, prices=_prices(prices))
    return plan


def _prices(text: str | None) -> Any:
    from otoscope.errors import InputError
    from otoscope.language.chat import Prices

    if text is None:
        return None
    try:
        prompt, completion = (float(one) for one in text.split(","))
    except ValueError as error:
        raise InputError(f"expected --prices PROMPT,COMPLETION, such as 0.15,0.60, got {text!r}") from error
    return Prices(prompt, completion)


def _table(best: pl.DataFrame) -> list[str]:
    columns = [one for one in SHOWN if one in best.columns]
    return aligned([[short(value) for value in row] for row in best.select(columns).iter_rows()], columns)
