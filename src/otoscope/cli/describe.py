"""``otoscope describe RUN --method db|tab|icl|summary|open``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import counted, framed, print_json, print_lines

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

FEW_CLIPS = 100
"""Below so many describing clips a table says that more would help: on ESC-10, 50 let one neuron of 490 pass the
permutation test and 200 let 344."""

_FOUND = "_significant"


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
    data: options.Moved = None,
    summary: Annotated[str | None, typer.Option(help="icl, open: table of summaries")] = None,
    chat: Annotated[
        str | None, typer.Option(help="openai:MODEL, openai:MODEL@URL or hf:NAME_OR_PATH; none by default")
    ] = None,
    max_calls: Annotated[int | None, typer.Option(help="budget of the chat model, in calls")] = None,
    prices: Annotated[
        str | None, typer.Option(help="with --dry-run: cost of a million tokens, PROMPT,COMPLETION")
    ] = None,
    preset: Annotated[str, typer.Option(help="default, or and-2024: as published")] = "default",
    show: options.Show = 15,
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
    from otoscope.store.run import open_run

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
    clips = options.moved_clips(opened, data)
    name = run_stage(opened, config, method=method, **({} if clips is None else {"clips": clips}))
    _show(opened, name, getattr(config, "alpha", None), show, json)


def _show(run: Run, name: str, alpha: float | None, most: int, as_json: bool) -> None:
    from otoscope.store.run import read_stage

    notes = (read_stage(run, f"describe-{name}") or {}).get("notes", {})
    table = run.table("descriptions", name)[1]
    ordered, warnings = findings_first(table, alpha)
    best = ordered.head(most)
    if as_json:
        print_json({"descriptions": name, **notes, "warnings": warnings, "best": best})
        return
    neurons = counted(table["neuron"].n_unique(), "neuron")
    print_lines([f"{name}: {counted(table.height, 'description')} of {neurons}"])
    print_lines(f"  {key}: {value}" for key, value in notes.items())
    print_lines([*warnings, "", *_table(best)])


def findings_first(table: pl.DataFrame, alpha: float | None) -> tuple[pl.DataFrame, list[str]]:
    """Return descriptions, significant ones first and then by their held-out score, and what to know of them.

    Parameters
    ----------
    table : polars.DataFrame
        Of any describing method.
    alpha : float or None
        Level of q; None where the method tests nothing.
    """
    warnings = []
    found = _significant(table, alpha)
    if found is not None:
        n = int(found.sum())
        if n == 0:
            warnings.append(f"no description is significant (q <= {alpha:g}): those below may be chance")
        elif n < table.height:
            warnings.append(f"significant (q <= {alpha:g}): {n} of {table.height}; they come first")
        table = table.with_columns(found.alias(_FOUND))
    n_describe = table["n_describe"].to_list()[:1] if "n_describe" in table.columns else []
    if n_describe and n_describe[0] < FEW_CLIPS:
        used = counted(n_describe[0], "clip")
        warnings.append(
            f"few clips: {used} to describe from; with more, more descriptions become significant"
        )
    by = [one for one in (_FOUND, "heldout_pearson") if one in table.columns]
    ordered = table.sort(by, descending=True, nulls_last=True, maintain_order=True) if by else table
    return ordered.drop(_FOUND, strict=False), warnings


def _significant(table: pl.DataFrame, alpha: float | None) -> pl.Series | None:
    """Return which descriptions are significant; None where nothing was tested."""
    if alpha is None or not {"q", "testable"} <= set(table.columns):
        return None
    found: pl.Series = ((table["q"] <= alpha) & table["testable"]).fill_null(False)
    return found


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
    return framed(best.select(columns))
