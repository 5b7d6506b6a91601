"""``otoscope record MODEL --data D --out RUN``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import counted, failures, plain, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.models.audio_model import AudioModel
    from otoscope.store.run import Run


def record(
    model: options.Model,
    data: options.Data,
    out: options.Out,
    layers: Annotated[
        list[str] | None, typer.Option(help="names or globs; '*' = what the network declares")
    ] = None,
    pooling: Annotated[str | None, typer.Option(help="mean, max, tail, first or cls")] = None,
    store: Annotated[str | None, typer.Option(help="pooled or topk")] = None,
    counts: Annotated[str | None, typer.Option(help="clip or none")] = None,
    count_events: Annotated[
        str | None, typer.Option(help="count by labelled event: none, all, or alone (no other label beside)")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="and-2024 or aape-2026: the layers and the pooling of a published protocol"),
    ] = None,
    channels: Annotated[str | None, typer.Option(help="mix, first or keep")] = None,
    events: options.Events = None,
    derive: options.Derive = None,
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
    """Run a network over sounds once and keep what its neurons do. A killed run continues with the same command."""
    from otoscope.record.config import RecordConfig
    from otoscope.record.plan import plan
    from otoscope.record.stage import record as run_stage

    clips = options.open_clips(data, folds, split, limit, events=events, derive=derive)
    network = options.open_network(model, device)
    config = options.configured(
        RecordConfig,
        settings,
        base=_published(network, preset),
        layers=tuple(layers) if layers else None,
        pooling=pooling,
        store=store,
        counts=counts,
        events=count_events,
        channels=channels,
        seed=seed,
    )
    computing = options.engine_of(engine, address, workers, cpus_per_worker, gpus_per_worker)
    if dry_run:
        planned = plan(network, clips, options.path(out), config)
        print_json({"out": out, **plain(planned), "config": config.identity()})
        return
    _show(run_stage(network, clips, options.path(out), config, engine=computing), json)


def _show(run: Run, as_json: bool) -> None:
    neurons, clips = run.neurons(), run.clips()
    result = {
        "run": run.root,
        "layers": len(run.layers),
        "neurons": neurons.height,
        "dead": int(neurons["dead"].sum()),
        "clips": clips.height,
        "failed": int((clips["status"] == "failed").sum()),
    }
    if as_json:
        print_json(result)
        return
    inside = (
        f"{counted(neurons.height, 'neuron')} in {counted(len(run.layers), 'layer')} ({result['dead']} dead)"
    )
    print_lines([f"{run.root}: {inside}, {counted(clips.height, 'clip')} ({result['failed']} failed)"])
    print_lines(failures(clips))


def _published(network: AudioModel, preset: str | None) -> dict[str, Any]:
    """Return the layers, the pooling and the counting of a protocol; nothing where none is named."""
    from otoscope.models.audio_model import LOGITS
    from otoscope.models.layer_presets import layer_preset

    if preset is None:
        return {}
    found = layer_preset(preset, network)
    output = (LOGITS,) if found.with_logits and network.has_logits else ()
    return {
        "layers": tuple(dict.fromkeys((*found.layers, *output))),
        "pooling": found.pooling,
        **found.counting,
    }
