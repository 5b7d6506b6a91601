"""``otoscope describe RUN --concepts acoustic+sounds --function soft_wpmi``."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, print_json, print_lines


def describe(
    run: options.RunFolder,
    captions: Annotated[
        str | None, typer.Option(help="table of captions, or the beginning of its name")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="lexical, or st:NAME_OR_PATH")] = None,
    concepts: Annotated[
        str | None, typer.Option(help="acoustic, sounds, labels, file:PATH, joined by +")
    ] = None,
    function: Annotated[
        str | None, typer.Option(help="cos, cos_cubed, wpmi, soft_wpmi or rank_reorder")
    ] = None,
    layers: Annotated[list[str] | None, typer.Option(help="recorded layers; all by default")] = None,
    preset: Annotated[str, typer.Option(help="default, or and-2024: as published")] = "default",
    show: Annotated[int, typer.Option(help="print so many of the best held-out descriptions")] = 15,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Put neurons into words: described on one half of the groups, scored on the other, beside a control."""
    from otoscope.describe.config import DescribeConfig
    from otoscope.describe.presets import preset as named
    from otoscope.describe.stage import describe as run_stage
    from otoscope.store.run import open_run, read_stage

    base = named(preset).model_dump()
    config = options.configured(
        DescribeConfig,
        settings,
        base=base,
        captions=captions,
        encoder=encoder,
        concepts=concepts,
        function=function,
        layers=tuple(layers) if layers else None,
        seed=seed,
    )
    if dry_run:
        print_json({"run": run, "config": config.identity()})
        return
    opened = open_run(run)
    name = run_stage(opened, config)
    notes = (read_stage(opened, f"describe-{name}") or {}).get("notes", {})
    table = opened.table("descriptions", name)[1]
    best = table.sort("heldout_pearson", descending=True, nulls_last=True).head(show)
    if json:
        print_json({"descriptions": name, **notes, "best": best})
        return
    print_lines([f"{name}: {table.height} descriptions of {table['neuron'].n_unique()} neurons"])
    print_lines(f"  {key}: {value}" for key, value in notes.items())
    columns = ["layer", "index", "pole", "concept", "score", "q", "heldout_pearson", "control_pearson"]
    print_lines(["", *aligned([list(row) for row in best.select(columns).iter_rows()], columns)])
