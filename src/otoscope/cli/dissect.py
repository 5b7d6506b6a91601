"""``otoscope dissect MODEL --data D --layers '*' --out RUN``: record, caption, describe and report in one go."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.caption import captioner_of
from otoscope.cli.output import aligned, counted, failures, plain, print_json, print_lines
from otoscope.errors import UnknownNameError

if TYPE_CHECKING:
    from otoscope.data.clips import Clips
    from otoscope.describe.config import DescribeConfig
    from otoscope.models.audio_model import AudioModel
    from otoscope.record.config import RecordConfig
    from otoscope.report.stage import ReportConfig
    from otoscope.store.run import Run


def dissect(
    model: options.Model,
    data: options.Data,
    out: options.Out,
    layers: Annotated[
        list[str] | None, typer.Option(help="names or globs; '*' = what the network declares")
    ] = None,
    captions: Annotated[
        str | None, typer.Option(help="file of your own captions (id or path -> text)")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="captioner: acoustic (the default), labels, titles, metadata:COLUMN ..."),
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="text encoder: lexical, or st:NAME_OR_PATH")] = None,
    concepts: Annotated[
        str | None, typer.Option(help="acoustic, sounds, labels, file:PATH, joined by +")
    ] = None,
    function: Annotated[str | None, typer.Option(help="similarity function")] = None,
    pooling: Annotated[str | None, typer.Option(help="mean, max, tail, first or cls")] = None,
    count_events: Annotated[
        str | None, typer.Option(help="count by labelled event: none, all, or alone (no other label beside)")
    ] = None,
    channels: Annotated[str | None, typer.Option(help="mix, first or keep")] = None,
    max_mb: Annotated[float | None, typer.Option(help="largest report")] = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="report without sound")] = False,
    events: options.Events = None,
    derive: options.Derive = None,
    folds: options.Folds = None,
    split: options.Split = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="STAGE.KEY=VALUE", help="any other setting of record, describe or report"
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Put every neuron of a network into words, with scores and a page that plays. Continues where it was killed."""
    from otoscope.describe.config import DescribeConfig
    from otoscope.record.config import RecordConfig
    from otoscope.report.stage import ReportConfig
    from otoscope.study.dissect import dissect as run_all

    started = time.perf_counter()
    clips = options.open_clips(data, folds, split, limit, events=events, derive=derive)
    network = options.open_network(model, device)
    captioner = captioner_of(by, captions)
    stage = by_stage(settings or [])
    recording = options.configured(
        RecordConfig,
        stage["record"],
        layers=tuple(layers) if layers else None,
        pooling=pooling,
        events=count_events,
        channels=channels,
        seed=seed,
    )
    describing = options.configured(
        DescribeConfig, stage["describe"], encoder=encoder, concepts=concepts, function=function, seed=seed
    )
    reporting = options.configured(
        ReportConfig, stage["report"], max_mb=max_mb, audio=False if no_audio else None
    )
    whole: dict[str, Any] = {
        "captioner": captioner,
        "recording": recording,
        "describing": describing,
        "reporting": reporting,
    }
    if dry_run:
        print_json(_plan(network, clips, options.path(out), **whole))
        return
    _show(run_all(network, clips, options.path(out), **whole), time.perf_counter() - started, json)


def _plan(
    network: AudioModel,
    clips: Clips,
    out: Path,
    *,
    captioner: str,
    recording: RecordConfig,
    describing: DescribeConfig,
    reporting: ReportConfig,
) -> dict[str, Any]:
    """Return what would be recorded and what that would cost, and the settings of the stages after it."""
    from otoscope.record.plan import plan
    from otoscope.study.ready import ready

    ready(clips, captioner, describing, out)
    return {
        "out": out,
        "record": {**plain(plan(network, clips, out, recording)), "config": recording.identity()},
        "captions": list(dict.fromkeys([captioner, "acoustic"])),
        "describe": describing.identity(),
        "report": reporting.model_dump(mode="json"),
    }


def _show(run: Run, seconds: float, as_json: bool) -> None:
    rows = summary(run)
    if as_json:
        print_json({"run": run.root, "seconds": seconds, "layers": rows})
        return
    header = ["layer", "neurons", "dead", "significant", "best held out", "median held out", "median control"]
    print_lines(aligned([list(row.values()) for row in rows], header))
    clips = run.clips()
    failed = counted(int((clips["status"] == "failed").sum()), "clip")
    print_lines(["", f"{run.root / 'report.html'}  ({seconds:.0f} s, {failed} failed)", *failures(clips)])


def by_stage(settings: list[str]) -> dict[str, list[str]]:
    """Return ``STAGE.KEY=VALUE`` settings by stage, without the stage.

    Raises
    ------
    UnknownNameError
        If one names no stage.
    """
    found: dict[str, list[str]] = {"record": [], "describe": [], "report": []}
    for setting in settings:
        stage, _, rest = setting.partition(".")
        if stage not in found:
            raise UnknownNameError.of("stage", stage, found, "Expected --set STAGE.KEY=VALUE.")
        found[stage].append(rest)
    return found


def summary(run: Run) -> list[dict[str, object]]:
    """Return one row a layer: neurons, dead ones, those with a significant description (q <= 0.05), held-out scores."""
    import polars as pl

    from otoscope.describe.recorded import headline
    from otoscope.store.run import read_stage

    last = read_stage(run, "describe") or {}
    table = run.table("descriptions", last["config"]["name"])[1]
    neurons = run.neurons()
    rows: list[dict[str, object]] = []
    for layer in run.layers:
        own = table.filter(pl.col("layer") == layer.name)
        found = headline(own, 0.05)
        rows.append(
            {
                "layer": layer.name,
                "neurons": layer.n_neurons,
                "dead": int(neurons.filter(pl.col("layer") == layer.name)["dead"].sum()),
                "significant": found["neurons_significant"],
                "best": own["heldout_pearson"].fill_nan(None).max(),
                "median": found["median_heldout_pearson"],
                "control": found["median_control_pearson"],
            }
        )
    return rows
