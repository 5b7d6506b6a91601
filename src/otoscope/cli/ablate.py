"""``otoscope ablate RUN --strategy db|tab|icl|open|random|table:PATH``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import framed, print_json, print_lines
from otoscope.errors import UnknownNameError

if TYPE_CHECKING:
    import polars as pl

    from otoscope.store.run import Run

MEASURES = ("logit", "probability", "accuracy")

EFFECTS = (
    "concept",
    "n_neurons",
    "before",
    "change",
    "rest_change",
    "selectivity",
    "random_selectivity",
    "p",
    "q",
)
"""Columns of the table of effects that are printed."""


def ablate(
    run: options.RunFolder,
    strategy: Annotated[
        str | None, typer.Option(help="db, tab, icl, open (ocp), random, or table:PATH: which neurons")
    ] = None,
    concepts: Annotated[
        list[str] | None, typer.Option(help="concepts to ablate; every class by default")
    ] = None,
    intervention: Annotated[str | None, typer.Option(help="mean, zero, gain or resample")] = None,
    descriptions: Annotated[
        str | None, typer.Option(help="table of descriptions; the strategy's newest by default")
    ] = None,
    folds: Annotated[str | None, typer.Option(help="folds to judge on; name held-out ones")] = None,
    split: options.Split = None,
    measure: Annotated[
        str, typer.Option(help="what is printed: logit, probability or accuracy")
    ] = "probability",
    model: Annotated[str | None, typer.Option(help="the recorded network, if it has moved")] = None,
    data: options.Moved = None,
    preset: Annotated[str, typer.Option(help="default, or and-2024: as published")] = "default",
    write: Annotated[
        str | None, typer.Option(help="also write the network without one concept's neurons to this folder")
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Remove each concept's neurons and measure what breaks: the class and the rest, beside matched random neurons."""
    from otoscope.ablate import presets
    from otoscope.ablate.config import AblateConfig
    from otoscope.ablate.export import write_ablated
    from otoscope.ablate.stage import ablate as run_stage
    from otoscope.store.run import open_run

    if measure not in MEASURES:
        raise UnknownNameError.of("measure", measure, MEASURES)

    config = options.configured(
        AblateConfig,
        settings,
        base=presets.preset(preset).model_dump(),
        strategy=strategy,
        concepts=tuple(concepts) if concepts else None,
        intervention=intervention,
        descriptions=descriptions,
        folds=folds,
        split=split,
        seed=seed,
    )
    opened = open_run(run)
    if dry_run:
        print_json({"run": run, "config": config.identity()})
        return
    network = options.network_of(opened, model, device)
    clips = options.moved_clips(opened, data)
    name = run_stage(opened, network, clips, config)
    edited = None if write is None else write_ablated(opened, network, options.path(write), config, clips)
    _show(opened, name, edited, write, measure, json)


def _show(run: Run, name: str, edited: Any, write: str | None, measure: str, as_json: bool) -> None:
    from otoscope.ablate.stage import tables_of
    from otoscope.store.run import read_stage

    effects = tables_of(run, name)["effects"]
    notes = (read_stage(run, f"ablate-{name}") or {}).get("notes", {})
    if as_json:
        print_json({"ablation": name, "edited": edited, **notes, "effects": effects})
        return
    print_lines([*_head(name, notes, write if edited else None), "", *_table(effects, measure)])


def _head(name: str, notes: dict[str, Any], written: str | None) -> list[str]:
    judged = "held out" if notes["held_out"] else "not held out: name --folds or --split"
    lines = [
        f"{name}: {notes['sets_heard']} sets of neurons heard on {notes['clips']} clips ({judged}),"
        f" accuracy {notes['accuracy']:.3f} untouched"
    ]
    return lines if written is None else [*lines, f"the network without these neurons: {written}"]


def _table(effects: pl.DataFrame, measure: str) -> list[str]:
    chosen = effects.filter(measure=measure).select(one for one in EFFECTS if one in effects.columns)
    return [f"change of the {measure} of each class's own clips:", *framed(chosen, 60)]
