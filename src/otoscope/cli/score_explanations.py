"""``otoscope score-explanations MODEL --data D --method ... --explainer DIR... --out DIR|RUN``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.explain import Explainers, Methods, Target, names
from otoscope.cli.output import counted, framed, print_json, print_lines

if TYPE_CHECKING:
    import polars as pl

    from otoscope.explain.score_set_config import ScoreSetConfig
    from otoscope.store.explanation_scores import Scores

SHORT = {
    "average_increase": "AI",
    "average_drop": "AD",
    "average_drop_published": "AD_published",
    "average_gain": "AG",
    "faithfulness": "FF",
    "input_fidelity": "FidIn",
    "top_3_fidelity": "top3",
    "sparseness": "SPS",
    "complexity": "COMP",
    "mask_size": "size",
    "energy_share": "energy",
    "insertion_area": "ins",
    "deletion_area": "del",
    "area_difference": "ins-del",
    "localisation_auroc": "loc",
    "target_share": "share",
    "input_share": "before",
}
"""Measures that are printed -> heading."""


def score_explanations(
    model: options.Model,
    data: options.Data,
    out: Annotated[str, typer.Option(help="a run of this network, or a folder for the tables")],
    method: Methods = None,
    explainer: Explainers = None,
    target: Target = None,
    contamination: Annotated[
        str | None, typer.Option(help="white, clip, speech or noise: added to every clip, seeded per clip")
    ] = None,
    snr: Annotated[
        float | None, typer.Option("--snr", help="energy of the clip above it in decibels")
    ] = None,
    contaminants: Annotated[
        str | None, typer.Option(help="collection of speech or noises, such as fsdd:PATH or folder:WHAM")
    ] = None,
    to: Annotated[str, typer.Option("--format", help="parquet; csv or json besides")] = "parquet",
    folds: options.Folds = None,
    split: options.Split = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    engine: options.EngineName = "local",
    address: options.Address = None,
    workers: options.Workers = None,
    cpus_per_worker: options.CpusPerWorker = None,
    gpus_per_worker: options.GpusPerWorker = None,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Measure explanations of a set of clips beside every control. A killed scoring continues with the same command."""
    from otoscope.data.select import chosen_rows
    from otoscope.errors import UnknownNameError
    from otoscope.explain.methods import methods
    from otoscope.explain.score_set import ScoreSetConfig
    from otoscope.explain.score_set import score_explanations as run_stage

    if to not in ("parquet", "csv", "json"):
        raise UnknownNameError.of("format", to, ("parquet", "csv", "json"))
    config = options.configured(
        ScoreSetConfig,
        settings,
        methods=names(method),
        target=target,
        contamination=contamination,
        snr_db=snr,
        contaminants=contaminants,
        seed=seed,
    )
    clips = options.open_clips(data, None, None, None)
    chosen = chosen_rows(clips.table, folds=folds, split=split, limit=limit, seed=None, spec=clips.spec)
    rows = None if chosen is None else [int(one) for one in chosen]
    network = options.open_network(model, device)
    folders = [options.path(one) for one in explainer or []]
    computing = options.engine_of(engine, address, workers, cpus_per_worker, gpus_per_worker)
    if dry_run:
        asked = methods(config.methods, folders, config.options, network)
        planned = _plan(len(clips) if rows is None else len(rows), [one.identity for one in asked], config)
        print_json({"out": out, **planned})
        return
    found = run_stage(
        network, clips, options.path(out), config, rows=rows, explainers=folders, to=to, engine=computing
    )
    _show(found, json)


def _plan(n_clips: int, explainers: list[dict[str, Any]], config: ScoreSetConfig) -> dict[str, Any]:
    """Return what would be done, JSON-able; controls that a case has not are counted as if it had them."""
    from otoscope.explain.score_rows import passes_per_case

    return {
        "clips": n_clips,
        "methods": explainers,
        "controls": config.controls,
        "passes_per_case": passes_per_case(config),
        "config": config.model_dump(mode="json"),
    }


def _show(found: Scores, as_json: bool) -> None:
    if as_json:
        tables: dict[str, Any] = {one: found.table(one) for one in ("summary", "methods", "fidelity")}
        print_json({"folder": found.folder, **found.about, **tables})
        return
    about = found.about
    clips, groups = counted(about["n_clips"], "clip"), counted(about["n_groups"], "recording")
    print_lines([f"{found.folder}: {clips} of {groups}, {about['n_failed']} left out"])
    for removal in about["config"]["removals"]:
        print_lines(["", f"removal by {removal}; means over clips (intervals: summary.parquet)"])
        print_lines(framed(wide(found.summary.filter(removal=removal))))
    print_lines(["", *framed(found.methods)])
    fidelity = found.table("fidelity")
    if fidelity is not None:
        print_lines(["", "fidelity over classes:", *framed(fidelity)])


def wide(summary: pl.DataFrame) -> pl.DataFrame:
    """Return one row per method and control, one column a measure: the means, and the interval of FF."""
    import polars as pl

    shown = [one for one in SHORT if one in set(summary["measure"].to_list())]
    kept = summary.filter(pl.col("measure").is_in(shown)).with_columns(
        pl.col("control").fill_null("explanation"), pl.col("measure").replace(SHORT)
    )
    table = kept.pivot("measure", index=["method", "control"], values="mean", aggregate_function="first")
    ff = summary.filter(measure="faithfulness").select(
        "method",
        pl.col("control").fill_null("explanation"),
        FF_low="low",
        FF_high="high",
        dropped="n_dropped",
    )
    return table.join(ff, on=["method", "control"], how="left", maintain_order="left")
