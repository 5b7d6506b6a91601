"""``otoscope select RUN`` and ``otoscope share RUN``: neurons of classes, and what classes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import framed, print_json, print_lines

if TYPE_CHECKING:
    import polars as pl

    from otoscope.store.run import Run

Plots = Annotated[str, typer.Option(help="svg, pdf or png beside the tables, or none")]


def select(
    run: options.RunFolder,
    labels: Annotated[
        list[str] | None, typer.Option(help="label sets, combined ones as a+b; all of the run by default")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="auroc, entropy, mean-difference, contrastive, mutual-information, fisher or property"
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="what carries the labels: clip, or event where events were counted")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="what is counted: token (every position), clip-any or clip-mean")
    ] = None,
    layers: Annotated[list[str] | None, typer.Option(help="recorded layers or globs; all by default")] = None,
    folds: Annotated[
        str | None, typer.Option(help="folds to select on, so that the others can judge")
    ] = None,
    split: Annotated[str | None, typer.Option(help="split to select on, so that others can judge")] = None,
    preset: Annotated[str, typer.Option(help="default, aape-2026 or lape-2024: as published")] = "default",
    seed: options.Seed = 0,
    plots: Plots = "svg",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Find the neurons that fire for a class: tested by permuting whole groups, beside what chance would select."""
    from otoscope.selectivity import presets
    from otoscope.selectivity.config import SelectConfig
    from otoscope.selectivity.stage import load
    from otoscope.selectivity.stage import select as run_stage
    from otoscope.store.run import open_run

    config = options.configured(
        SelectConfig,
        settings,
        base=presets.preset(preset).model_dump(),
        labels=tuple(labels) if labels else None,
        method=method,
        by=by,
        unit=unit,
        layers=tuple(layers) if layers else None,
        folds=folds,
        split=split,
        seed=seed,
    )
    opened = open_run(run)
    _drawable(plots)
    if dry_run:
        from otoscope.selectivity.plan import plan

        print_json({**plan(opened, config), "config": config.identity()})
        return
    name = run_stage(opened, config)
    drawn = _drawn(plots, "write_selection", opened, name)
    found = load(opened, name)[1]
    if json:
        print_json({"selection": name, "statistics": found["statistics"], "classes": found["classes"]})
        return
    print_lines([name, *drawn, ""])
    for row in found["statistics"].iter_rows(named=True):
        print_lines([*_task(row), *_bar(row, found["thresholds"])])
        classes = found["classes"].filter(task=row["task"]).drop("task")
        classes = classes.rename({"n_clips": "n_events"}) if row["by"] == "event" else classes
        print_lines(["", *framed(classes), ""])


def _task(row: dict[str, Any]) -> list[str]:
    """Return what a person wants to know of a task first."""
    chance = row.get("chance_n_selected")
    beside = ""
    if chance is not None:
        beside = f" (permuted labels: {chance:.1f}, at most {row['chance_n_selected_p95']:.0f} in 95 %)"
    exchanged = row["exchanged"] if row["group_declared"] else "clip: no group was declared"
    carrier = {"clip": "clips", "event": "events"}[row["by"]]
    lines = [
        f"{row['task']}: {row['n_selected']} of {row['n_neurons']} neurons are selected{beside},"
        f" {row['n_pairs']} assignments to {row['n_classes']} classes",
        f"  {row['method']}, rule {row['rule']}; {row['n_clips']} {carrier}{_of_part(row)}, exchanged by {exchanged}",
        f"  unit {row['unit']}: {row['counted']}",
    ]
    if row.get("n_left_out"):
        lines.append(
            f"  {row['n_left_out']} further events have no position of their own in some layer: too short for its "
            "stride, unheard, or (with --count-events alone) always overlapped"
        )
    if row.get("testable") is False:
        lines.append("  not testable: these groups cannot reach alpha, whatever the neurons do")
        if row["n_groups"] <= row["n_classes"]:
            lines.append(
                "  classes are whole groups: --set group=row asks whether clips of these very groups differ"
            )
    if row.get("stability") is not None:
        lines.append(
            f"  on two halves of the groups the same assignments to {100 * row['stability']:.0f} % (Jaccard)"
        )
    return lines


def _of_part(row: dict[str, Any]) -> str:
    named = [f"{kind} {row[key]}" for kind, key in (("folds", "folds"), ("split", "split")) if row.get(key)]
    return f" of {', '.join(named)}" if named else ""


def _bar(row: dict[str, Any], thresholds: pl.DataFrame) -> list[str]:
    """Return a line where the published rule finds no neuron because the bar lies at the highest probability."""
    decided = dict(thresholds.filter(task=row["task"]).select("threshold", "value").iter_rows())
    if row["n_selected"] or decided.get("n_eligible") != 0:
        return []
    return [
        f"  none is eligible: 5 % of all activation probabilities or more are at the bar, {decided['bar']:g}"
    ]


def _drawable(kind: str) -> None:
    """Raise if plots of this kind cannot be drawn."""
    from otoscope.errors import InputError

    if kind not in ("svg", "pdf", "png", "none"):
        raise InputError(f"plots are svg, pdf, png or none; got {kind!r}")


def _drawn(kind: str, writer: str, run: Run, name: str) -> list[str]:
    """Write the plots of a selection or of what is shared beside the tables; return a line that says where."""
    from otoscope.report import classes_plots

    if kind == "none":
        return []
    made = getattr(classes_plots, writer)(run, name, kind)
    paths = made if isinstance(made, tuple) else (made,)
    return [f"plots: {', '.join(str(one.relative_to(run.root)) for one in paths)}"]


def share(
    run: options.RunFolder,
    tasks: Annotated[
        list[str] | None, typer.Option(help="one task, or two: the first's classes against the second's")
    ] = None,
    selection: Annotated[
        str | None, typer.Option(help="a selection of the run; the only one by default")
    ] = None,
    other: Annotated[
        str | None, typer.Option(help="a run of the same network that holds the second task")
    ] = None,
    folds: Annotated[str | None, typer.Option(help="take the selection made on these folds")] = None,
    split: Annotated[str | None, typer.Option(help="take the selection made on this split")] = None,
    null: Annotated[
        str | None,
        typer.Option(help="margins: swaps that keep both margins; labels: permuted, selected again"),
    ] = None,
    show: options.Show = 15,
    plots: Plots = "svg",
    seed: options.Seed = 0,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Say which classes share more neurons than chance, within a task or between two."""
    from otoscope.selectivity.config import ShareConfig
    from otoscope.selectivity.share import plan
    from otoscope.selectivity.share import share as run_stage
    from otoscope.store import tables
    from otoscope.store.run import open_run

    config = options.configured(
        ShareConfig,
        settings,
        tasks=tuple(tasks) if tasks else None,
        selection=selection,
        folds=folds,
        split=split,
        null=null,
        seed=seed,
    )
    opened = open_run(run)
    _drawable(plots)
    if dry_run:
        print_json({**plan(opened, config, other=other), "config": config.model_dump(mode="json")})
        return
    name = run_stage(opened, config, other=other)
    drawn = _drawn(plots, "write_sharing", opened, name)
    found = tables.read(opened.root / "sharing" / f"{name}.parquet")
    if json:
        print_json({"sharing": name, "pairs": found})
        return
    best = found.sort("jaccard", descending=True, nulls_last=True).head(show)
    print_lines([name, *drawn, "", *framed(best, 30)])
