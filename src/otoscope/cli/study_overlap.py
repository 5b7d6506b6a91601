"""``otoscope study overlap MODEL --data D --method ... --explainer DIR``."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.explain import Explainers, Methods, names
from otoscope.cli.output import framed, print_json, print_lines

SHOWN = (
    "method",
    "mask",
    "nominal_db",
    "named",
    "n",
    "target_share",
    "input_share",
    "gain",
    "gain_low",
    "gain_high",
)
"""Columns of the summary that are printed."""


def overlap(
    model: options.Model,
    data: options.Data,
    method: Methods = None,
    explainer: Explainers = None,
    snrs: Annotated[
        str | None, typer.Option(help="first sound above the second, decibels with commas")
    ] = None,
    pairs: Annotated[int | None, typer.Option(min=1, help="pairs of clips of different classes")] = None,
    published: Annotated[
        bool, typer.Option("--published", help="the four pairs of L2I's authors instead")
    ] = False,
    out: Annotated[str | None, typer.Option(help="folder for the tables, as Parquet")] = None,
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
    """Mix two sounds, explain both: the share of the passed energy that is the explained one's, beside controls."""
    from otoscope.data.select import chosen_rows
    from otoscope.explain.overlap import OverlapConfig
    from otoscope.explain.overlap import overlap as study
    from otoscope.store import tables

    config = options.configured(
        OverlapConfig,
        settings,
        methods=names(method),
        snrs_db=None if snrs is None else tuple(one.strip() for one in snrs.split(",")),
        pairs=pairs,
        published=published,
        seed=seed,
    )
    clips = options.open_clips(data, None, None, None)
    chosen = chosen_rows(clips.table, folds=folds, split=split, limit=limit, seed=None, spec=clips.spec)
    rows = None if chosen is None else [int(one) for one in chosen]
    folders = [options.path(one) for one in explainer or []]
    if dry_run:
        n = len(clips) if rows is None else len(rows)
        print_json({"model": model, "clips": n, "out": out, "config": config.model_dump(mode="json")})
        return
    found = study(options.open_network(model, device), clips, config, rows=rows, explainers=folders)
    if out is not None:
        tables.write(options.path(out) / "overlap.parquet", found.table)
        tables.write(options.path(out) / "summary.parquet", found.summary)
    if json:
        print_json(found)
        return
    print_lines(framed(found.summary.select(SHOWN)))
    print_lines(f"not made: {one}" for one in found.missing)
