"""Record: run a network over clips once and keep what every later stage needs.

The run folder is made, or continued where a run with the same identity stands there: finished blocks are not
computed again, and the folder ends with the same bytes as a run that was never interrupted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otoscope.data import clips_of, reopen
from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.reopen import place_of
from otoscope.models.weights import hash_weights
from otoscope.record import event_blocks, events, finish, summary
from otoscope.record.config import RecordConfig
from otoscope.record.evidence_sound import write_clips
from otoscope.record.job import Job, create_arrays
from otoscope.record.layers import resolve
from otoscope.record.probe import ProbedLayer, probe
from otoscope.record.work import Recording
from otoscope.store import run as runs
from otoscope.store.place import place, remove_tree
from otoscope.store.run import Run
from otoscope.work import blocks
from otoscope.work.engine import Engine
from otoscope.work.engine import run as engine_run

logger = logging.getLogger(__name__)

STAGE, VERSION = "record", 1
_OUTPUTS = (
    "clips.parquet",
    "events.parquet",
    "neurons.parquet",
    "evidence",
    "activations",
    "counts",
    "positions.zarr",
    "event_counts",
    "event_positions.zarr",
)


def record(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: RecordConfig | Mapping[str, Any] | None = None,
    *,
    engine: Engine | Mapping[str, Any] | None = None,
) -> Run:
    """Return the run folder ``out`` with the recording of ``model`` on ``clips``.

    Parameters
    ----------
    model : AudioModel or str
        The network, or the text that names it; it is given back as it was lent.
    clips : Clips or str
        The probing set, or the text that names it.
    out : Path or str
        The run folder: new, empty, or holding the same run.
    config : RecordConfig or dict, optional
        What to record and how.
    engine : Engine or dict, optional
        Who computes the blocks; None: this process. The result is the same.

    Returns
    -------
    Run
        Finished: ``stages/record.json`` stands.

    Raises
    ------
    LayerError
        If a layer name matches nothing (before any forward pass).
    HookError
        If a named layer does not fire once.
    EmptyDataError
        If there are no clips, or all of them failed.
    StageError
        If ``out`` holds something else.
    ModelError
        If the network fails on clip after clip; what was recorded is kept.
    StoreError
        If the disk refuses; what was recorded is kept.
    """
    model, clips, config = model_of(model), clips_of(clips), RecordConfig.of(config)
    if not len(clips):
        raise EmptyDataError(f"{clips.spec} holds no clip")
    layers, left_out_layers = probe(model, resolve(model, config.layers))
    for name, reason in left_out_layers.items():
        logger.warning("layer %s is left out: it %s", name, reason)
    where = place(out)
    identity = identify(model, clips, layers, config, where)
    run = runs.create(where, identity)
    if runs.is_done(run, STAGE, VERSION, config.identity(), inputs_of(identity)):
        logger.info("%s is already recorded", run.root)
        return run
    started = time.perf_counter()
    job = Job(model, layers, clips, run, config)
    create_arrays(job)
    plan = blocks.plan(len(clips), config.block)
    summaries = engine_run(plan, job.summaries, Recording(job), summary.merge_files, engine)
    whole = finish.fold(summaries)
    recorded = finish.Recorded(run, clips.table, clips.events, config, model.clip_length)
    if config.events != "none" and clips.events is not None:
        event_blocks.gather(job.event_blocks, run, clips.events.height)
    rows, left_out = finish.ranked_rows(whole, config.evidence_clips)
    shortened = write_clips(clips, rows, run.root / "evidence" / "clips", config.evidence_max_s)
    finish.write_tables(recorded, whole)  # last: a run with its tables counts as recorded
    counted = {
        "clips": len(clips),
        "failed": len(whole.failures),
        "evidence_clips": len(rows),
        "evidence_clips_left_out": left_out,
        "evidence_clips_shortened": shortened,
        "layers_left_out": left_out_layers,
        **finish.event_notes(recorded),
    }
    runs.commit_stage(run, STAGE, VERSION, config.identity(), inputs_of(identity), outputs_of(run), counted)
    remove_tree(job.summaries)
    run.log(STAGE, seconds=time.perf_counter() - started, **counted)
    return run


def identify(
    model: AudioModel, clips: Clips, layers: tuple[ProbedLayer, ...], config: RecordConfig, out: Path
) -> dict[str, Any]:
    """Return the identity of a run: model, data, layers and choices, without a clock."""
    return {
        "model": {
            "spec": model.spec,
            **place_of(model.spec, out),
            "weights_hash": hash_weights(model),
            "sample_rate": model.sample_rate,
            "classes": list(model.classes),
            "clip_length": asdict(model.clip_length),
        },
        "data": reopen.describe(clips, out),
        "layers": [
            {
                "name": layer.name,
                "n_neurons": layer.n_neurons,
                "pooling": config.pooling,
                "geometry": layer.geometry.to_json(),
                "module": layer.kind,
            }
            for layer in layers
        ],
        "record": config.identity(),
        "seed": config.seed,
        **events.describe(clips, config.events, [(layer.name, layer.geometry) for layer in layers]),
    }


def outputs_of(run: Run) -> list[str]:
    """Return what a recording has written, as its marker names it."""
    return [one for one in _OUTPUTS if (run.root / one).exists()]


def inputs_of(identity: dict[str, Any]) -> dict[str, str]:
    """Return what a recording reads, as its marker keeps it."""
    read = {"model": identity["model"]["weights_hash"], "data": identity["data"]["hash"]}
    return {**read, "events": identity["events"]["hash"]} if "events" in identity else read
