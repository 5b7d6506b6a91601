"""``otoscope explain MODEL CLIP|ID... --method lmac,amt --explainer DIR --out RUN``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import counted, framed, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.explain.stage import Explained, Plan

Methods = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="joined by commas: amt, saliency, integrated-gradients, smooth-grad, grad-cam, occlusion, or trained ones",
    ),
]
Explainers = Annotated[
    list[str] | None,
    typer.Option("--explainer", help="folder of a trained explainer or dictionary; repeatable"),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="predicted, label, all-above:0.5 (or one a class), a class or its index, py:module:function of the output"
    ),
]


def explain(
    model: options.Model,
    clips: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLIP|ID]...", help="sound files, or ids or rows of --data or of RUN"),
    ] = None,
    out: Annotated[
        str, typer.Option(help="run folder: new, or recorded with this network")
    ] = "explanations-run",
    data: Annotated[
        str | None, typer.Option(help="the collection that ids and rows are of; the run's own by default")
    ] = None,
    method: Methods = None,
    explainer: Explainers = None,
    target: Target = None,
    parts: Annotated[
        int, typer.Option(min=0, help="also write the sounds of so many components or codes")
    ] = 0,
    loudness: Annotated[
        str | None, typer.Option(help="keep, or match: levels brought to the input's")
    ] = None,
    folds: options.Folds = None,
    split: options.Split = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Write what made the network decide so, as sound: explanation and remainder, mask, pictures, scores."""
    from otoscope.explain.request import ExplainConfig
    from otoscope.explain.stage import explain as run_stage
    from otoscope.explain.stage import plan

    config = options.configured(
        ExplainConfig,
        settings,
        methods=names(method),
        target=target,
        parts=parts,
        loudness=loudness,
        seed=seed,
    )
    collection = None if data is None else options.open_clips(data, None, None, None)
    which = chosen_rows(collection, clips or [], folds, split, limit)
    network = options.open_network(model, device)
    folders = [options.path(one) for one in explainer or []]
    folder = options.path(out)
    if dry_run:
        _plan(plan(network, collection, folder, config, which=which, explainers=folders), out)
        return
    _show(run_stage(network, collection, folder, config, which=which, explainers=folders), json)


def names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in a text with commas, None where there is none."""
    return None if text is None else tuple(one.strip() for one in text.split(",") if one.strip())


def chosen_rows(
    collection: Any, clips: list[str], folds: str | None, split: str | None, limit: int | None
) -> list[str | int]:
    """Return which clips are meant: those that are named, else the rows of the chosen part."""
    from otoscope.data.select import chosen_rows as rows_of
    from otoscope.errors import InputError

    if clips or (folds is None and split is None and limit is None):
        return list(clips)
    if collection is None:
        raise InputError("--folds, --split and --limit choose from a collection: give --data")
    found = rows_of(collection.table, folds=folds, split=split, limit=limit, seed=None, spec=collection.spec)
    return [] if found is None else [int(one) for one in found]


def _plan(planned: Plan, out: str) -> None:
    print_json(
        {
            "out": out,
            "state": "new" if planned.run is None else "continues",
            "clips": [one.record["id"] for one in planned.clips],
            "folders": [one.folder for one in planned.clips],
            "methods": [one.identity for one in planned.methods],
            "target": planned.config.target,
            "config": planned.config.identity(),
        }
    )


def _show(found: Explained, as_json: bool) -> None:
    from otoscope.report.explanations import tables

    table = tables(found.kept)
    if as_json:
        result = {
            "run": found.run.root,
            "made": found.made,
            "failures": found.failures,
            "explanations": table,
        }
        print_json({**result, "without_target": found.without_target})
        return
    shown = [
        "clip",
        "method",
        "target",
        "p",
        "p_explanation",
        "p_remainder",
        "mask_size",
        "faithfulness",
        "level_db",
    ]
    before = len(found.kept) - found.made
    print_lines([f"{found.run.root}: {counted(found.made, 'explanation')} made, {before} there before"])
    print_lines(
        framed(table.select(one for one in shown if one in table.columns), 40) if table.height else []
    )
    print_lines(f"  {one.id}: {one.reason}" for one in found.failures)
    print_lines(f"  {one}: no class above the threshold" for one in found.without_target)
