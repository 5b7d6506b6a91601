"""``otoscope study within-task|cross-task|planted-selectivity|selectivity-calibration``: selective neurons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import framed, print_json, print_lines

if TYPE_CHECKING:
    import polars as pl

    from otoscope.data.clips import Clips
    from otoscope.models.audio_model import AudioModel
    from otoscope.record.config import RecordConfig
    from otoscope.store.run import Run
    from otoscope.study.class_sharing import Shared
    from otoscope.study.class_sharing_studies import SharingStudy

_Name = Annotated[str, typer.Argument(metavar="NAME", help="a named study; list shows them")]
_Preset = Annotated[str, typer.Option(help="of the selection: default, aape-2026 or lape-2024")]
_Null = Annotated[str, typer.Option(help="margins, or labels (needs a published rule)")]
_Model = Annotated[str | None, typer.Option(help="record first, with this network, what is not recorded yet")]
_Folds = Annotated[str | None, typer.Option(help="folds to select on; all by default")]
_Split = Annotated[str | None, typer.Option(help="split to select on; all by default")]
_Labels = Annotated[str | None, typer.Option(help="label set; the primary one by default")]
_Methods = Annotated[list[str] | None, typer.Option(help="selectors; all by default")]


def within_task(
    name: _Name,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="a run folder")] = None,
    model: _Model = None,
    data: Annotated[str | None, typer.Option(help="its sounds, as for record")] = None,
    layers: Annotated[list[str] | None, typer.Option(help="recorded layers or globs")] = None,
    preset: _Preset = "default",
    null: _Null = "margins",
    folds: _Folds = None,
    split: _Split = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    show: options.Show = 15,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Which classes of one task share neurons: gtzan, cremad, voxforge as published, fsdd-digits, fsdd-speakers."""
    from otoscope.study.class_sharing import named
    from otoscope.study.class_sharing import within_task as study
    from otoscope.study.class_sharing_studies import WITHIN

    if name == "list" or run is None:
        return _list(WITHIN, json)
    asked = named(WITHIN, name)
    changes = _changes(settings, layers, folds, split)
    if dry_run:
        sides = [_side(run, model, data, device, limit, layers)]
        return print_json(_planned(asked, sides, preset, null, changes))
    opened = _opened(run, model, data, device, limit, layers)
    found = study(name, opened, preset=preset, null=null, seed=seed, changes=changes)
    _print(opened, found, json, show)


def cross_task(
    name: _Name,
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN [OTHER]", help="runs of one network, or one run")
    ] = None,
    model: _Model = None,
    data: Annotated[
        list[str] | None, typer.Option(help="sounds of the runs, in their order; not for synthetic studies")
    ] = None,
    layers: Annotated[list[str] | None, typer.Option(help="recorded layers or globs")] = None,
    preset: _Preset = "default",
    null: _Null = "margins",
    folds: _Folds = None,
    split: _Split = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    show: options.Show = 15,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Which classes of two tasks share neurons: octave, events, gender as published, octave-synthetic and more."""
    from otoscope.errors import InputError
    from otoscope.study.class_sharing import cross_task as study
    from otoscope.study.class_sharing import named
    from otoscope.study.class_sharing_studies import CROSS

    if name == "list" or not runs:
        return _list(CROSS, json)
    asked = named(CROSS, name)
    if len(runs) > 2:
        raise InputError(f"a comparison takes one run or two, got {len(runs)}")
    sounds: list[str | None] = [*(data or asked.data)] or [None] * len(runs)
    if len(sounds) != len(runs):
        raise InputError(f"expected one --data for each of {len(runs)} runs, got {len(sounds)}")
    changes, pairs = _changes(settings, layers, folds, split), list(zip(runs, sounds))
    if dry_run:
        sides = [_side(one, model, place, device, limit, layers) for one, place in pairs]
        return print_json(_planned(asked, sides, preset, null, changes))
    opened = [_opened(one, model, place, device, limit, layers) for one, place in pairs]
    found = study(name, *opened, preset=preset, null=null, seed=seed, changes=changes)
    _print(opened[0], found, json, show)


def planted_selectivity(
    run: options.RunFolder,
    labels: _Labels = None,
    methods: _Methods = None,
    folds: _Folds = None,
    split: _Split = None,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Precision and recall of every selector on a planted network (record planted:floor=-1, neurons, neurons.rule)."""
    from otoscope.selectivity.config import SelectConfig
    from otoscope.store.run import open_run
    from otoscope.study.planted_selectivity import planted_selectivity as study

    base = {**SelectConfig().model_dump(), "n_chance": 0, "n_splits": 0}
    config = options.configured(SelectConfig, settings, base=base, folds=folds, split=split)
    if dry_run:
        return print_json({"run": run, "methods": methods or "all", "config": config.identity()})
    found = study(open_run(run), labels, methods=methods or (), config=config)
    if json:
        print_json(found)
        return
    print_lines([*framed(found["summary"]), "", *framed(found["strength"])])


def selectivity_calibration(
    run: options.RunFolder,
    labels: _Labels = None,
    methods: _Methods = None,
    folds: _Folds = None,
    split: _Split = None,
    n_null: Annotated[int, typer.Option(min=1, help="simulated neurons without selectivity")] = 500,
    n_selective: Annotated[int, typer.Option(min=0, help="simulated selective neurons")] = 50,
    shift: Annotated[float, typer.Option(help="of a selective neuron in its class, log odds")] = 2.0,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Size and power of selection on a run's labels and groups: simulated neurons with group effects, true labels."""
    from otoscope.selectivity.config import SelectConfig
    from otoscope.store.run import open_run
    from otoscope.study.selectivity_calibration import selectivity_calibration as study

    config = options.configured(SelectConfig, settings, folds=folds, split=split)
    if dry_run:
        simulated = {"n_null": n_null, "n_selective": n_selective, "shift": shift}
        return print_json({"run": run, "methods": methods or "all", **simulated, "config": config.identity()})
    found = study(
        open_run(run),
        labels,
        methods=methods or (),
        config=config,
        n_null=n_null,
        n_selective=n_selective,
        shift=shift,
    )
    print_json(found) if json else print_lines(framed(found))


def _opened(
    run: str, model: str | None, data: str | None, device: str, limit: int | None, layers: list[str] | None
) -> Run:
    """Return a run, recorded now where a network is named."""
    from otoscope.store.run import open_run

    if model is None:
        return open_run(run)
    from otoscope.record.stage import record

    network, clips, config = _to_record(run, model, data, device, limit, layers)
    return record(network, clips, options.path(run), config)


def _side(
    run: str, model: str | None, data: str | None, device: str, limit: int | None, layers: list[str] | None
) -> dict[str, Any]:
    """Return what one side of a study would be: a run that is there, or what would be recorded."""
    from otoscope.cli.output import plain
    from otoscope.store.run import open_run

    if model is None:
        opened = open_run(run)
        sets = [one["name"] for one in opened.manifest["data"]["label_sets"]]
        return {"run": str(opened.root), "clips": opened.clips().height, "label_sets": sets}
    from otoscope.record.plan import plan

    network, clips, config = _to_record(run, model, data, device, limit, layers)
    return {"run": run, "record": plain(plan(network, clips, options.path(run), config))}


def _to_record(
    run: str, model: str, data: str | None, device: str, limit: int | None, layers: list[str] | None
) -> tuple[AudioModel, Clips, RecordConfig]:
    from otoscope.errors import InputError
    from otoscope.record.config import RecordConfig

    if data is None:
        raise InputError(f"--model records {run}, which needs its sounds: --data")
    config = RecordConfig(layers=tuple(layers) if layers else ("*",))
    return options.open_network(model, device), options.open_clips(data, None, None, limit), config


def _planned(
    study: SharingStudy, sides: list[dict[str, Any]], preset: str, null: str, changes: dict[str, Any]
) -> dict[str, Any]:
    tasks = [" or ".join((*one.labels, *one.octave_of)) for one in study.tasks]
    return {
        "about": study.about,
        "tasks": tasks,
        "runs": sides,
        "preset": preset,
        "null": null,
        "settings": changes,
    }


def _changes(
    settings: list[str] | None, layers: list[str] | None, folds: str | None, split: str | None
) -> dict[str, Any]:
    """Return the settings of a selection that were named."""
    from otoscope.selectivity.config import SelectConfig

    base = SelectConfig()
    config = options.configured(SelectConfig, settings, base=base.model_dump())
    named = {one.partition("=")[0].strip().partition(".")[0] for one in settings or []}
    found = {name: getattr(config, name) for name in named}
    given = {"layers": tuple(layers) if layers else None, "folds": folds, "split": split}
    return found | {name: value for name, value in given.items() if value is not None}


def _list(table: dict[str, Any], json: bool) -> None:
    rows = [{"name": name, "data": ", ".join(one.data), "about": one.about} for name, one in table.items()]
    if json:
        print_json(rows)
        return
    for row in rows:
        print_lines([f"{row['name']}: {row['about']}"])


_COLUMNS = (
    "task",
    "n_selected",
    "chance_n_selected",
    "n_pairs",
    "coverage",
    "chance_coverage",
    "mean_per_class",
)


def _print(run: Run, found: Shared, json: bool, show: int) -> None:
    from otoscope.report.classes_plots import write_sharing

    plot = write_sharing(run, found.name)
    if json:
        print_json(
            {
                "sharing": found.name,
                "selections": found.selections,
                "plot": plot,
                "statistics": found.statistics,
                "contrasts": found.contrasts,
                "pairs": found.pairs,
            }
        )
        return
    best = found.pairs.sort("jaccard", descending=True, nulls_last=True).head(show)
    print_lines([f"{found.name}, of {', '.join(found.selections)}; plot: {plot}", ""])
    print_lines([*framed(found.statistics.select(_COLUMNS)), ""])
    if found.contrasts.height:
        print_lines([*framed(found.contrasts), ""])
    print_lines(framed(_short(best)))


def _short(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select("class", "other_class", "shared", "jaccard", "expected", "p_more", "q_more")
