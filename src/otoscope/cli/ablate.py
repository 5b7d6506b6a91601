"""``otoscope ablate RUN --strategy db|tab|icl|open|random|table:PATH|selection[:NAME] [--probe NAME]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import framed, print_json, print_lines
from otoscope.errors import UnknownNameError

if TYPE_CHECKING:
    from otoscope.ablate.config import AblateConfig
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

REFIT = ("concept", "before", "fixed_after", "refit_before", "refit_after", "refit_random")
"""Columns of the table of probes trained again that are printed."""


def ablate(
    run: options.RunFolder,
    strategy: Annotated[
        str | None,
        typer.Option(help="db, tab, icl, open (ocp), random, table:PATH or selection[:NAME]: which neurons"),
    ] = None,
    concepts: Annotated[
        list[str] | None,
        typer.Option(
            help="concepts to ablate, 'A & B' for neurons that classes share; every class by default"
        ),
    ] = None,
    shared: Annotated[
        str | None, typer.Option(help="what A & B share: intersection, or exact: of these classes only")
    ] = None,
    intervention: Annotated[str | None, typer.Option(help="mean, zero, gain or resample")] = None,
    gain: Annotated[
        list[float] | None,
        typer.Option(help="multiply by: 0 deactivates, below 1 attenuates, above amplifies; repeatable"),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(help="judge by a saved probe: last, the beginning of its name, or its folder"),
    ] = None,
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
    preset: Annotated[str, typer.Option(help="default, and-2024 or aape-2026: as published")] = "default",
    n_random: Annotated[int | None, typer.Option(min=0, help="matched random sets a concept")] = None,
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
        shared=shared,
        intervention="gain" if gain and intervention is None else intervention,
        saved_probe=probe,
        n_random=n_random,
        descriptions=descriptions,
        folds=folds,
        split=split,
        seed=seed,
    )
    configs = [config.model_copy(update={"gain": one}) for one in gain] if gain else [config]
    opened = open_run(run)
    if dry_run:
        print_json({"run": run, "config": configs[0].identity(), "gains": gain or None})
        return
    network = options.network_of(opened, model, device)
    clips = options.moved_clips(opened, data)
    names = [run_stage(opened, network, clips, one) for one in configs]
    edited = None if write is None else write_ablated(opened, network, options.path(write), configs[0], clips)
    found = [_content(opened, name, edited) for name in names]
    if json:
        print_json(found[0] if len(found) == 1 else found)
        return
    for one, chosen in zip(found, configs, strict=True):
        print_lines([*_head(one, chosen, write if edited else None), "", *_shown(one, measure), ""])


def _content(run: Run, name: str, edited: Any) -> dict[str, Any]:
    from otoscope.ablate.stage import tables_of
    from otoscope.store.run import read_stage

    tables = tables_of(run, name)
    notes = (read_stage(run, f"ablate-{name}") or {}).get("notes", {})
    wanted = {one: tables[one] for one in ("effects", "classes", "refit") if one in tables}
    return {"ablation": name, "edited": edited, **notes, **wanted}


def _head(found: dict[str, Any], config: AblateConfig, written: str | None) -> list[str]:
    judged = "held out" if found["held_out"] else "not held out: name --folds or --split"
    if (selecting := found.get("clips_that_selected")) is not None:
        judged += f"; {selecting or 'none'} of them also selected the neurons"
    how = f"gain {config.gain:g}" if config.intervention == "gain" else config.intervention
    by = "" if found["judge"] == "network" else f" by the probe {found['judge']}"
    lines = [
        f"{found['ablation']} ({how}): {found['sets_heard']} sets of neurons heard on {found['clips']} clips"
        f" ({judged}), accuracy {found['accuracy']:.3f} untouched{by}"
    ]
    return lines if written is None else [*lines, f"the network without these neurons: {written}"]


def _shown(found: dict[str, Any], measure: str) -> list[str]:
    chosen = (
        found["effects"]
        .filter(measure=measure)
        .select(one for one in EFFECTS if one in found["effects"].columns)
    )
    lines = [f"change of the {measure} of each class's own clips:", *framed(chosen, 60)]
    for row in found["matrix"]:
        if row["measure"] == measure:
            lines += ["", *_matrix(row)]
    if "refit" in found:
        whole = found["refit"].filter(found["refit"]["class"].is_null()).select(REFIT)
        lines += ["", "accuracy by the saved probe, and by one trained again on ablated embeddings:"]
        lines += framed(whole, 60)
    return lines


def _matrix(row: dict[str, Any]) -> list[str]:
    beside = (
        ""
        if row["random_p"] is None
        else f", random sets {row['random_contrast']:.3g}, p {row['random_p']:.3g}"
    )
    return [
        f"classes ablated x classes tested: own class {row['diagonal']:.3g}, others {row['off_diagonal']:.3g},"
        f" contrast {row['contrast']:.3g} ({row['contrast_low']:.3g} to {row['contrast_high']:.3g}{beside};"
        f" p by pairing {row['pairing_p']:.3g}, at best {row['pairing_attainable_p']:.2g})"
    ]
