"""The explain stage: which part of these recordings made the network decide so, as sound, with scores.

Writes ``explanations/<clip>/<method>-<hash8>/`` in a run folder (:mod:`otoscope.store.explanations`); finished ones are
skipped, so that a killed command continues. The run may be one that was recorded with this network, or new: then it
holds nothing but explanations. ``stages/explain.json`` says what was asked for last.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope import heap
from otoscope.data import clips_of, reopen
from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError, Failure, InputError, ModelError
from otoscope.explain.asked import Asked, asked
from otoscope.explain.content import aim_identity, content, hash_of
from otoscope.explain.explanation import Explanation
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import probabilities
from otoscope.explain.methods import Method, methods
from otoscope.explain.request import Aim, ExplainConfig, aims
from otoscope.explain.squashing import settled
from otoscope.explain.windows import explain as explain_sound
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.reopen import place_of
from otoscope.models.weights import hash_weights
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.store import explanations as kept
from otoscope.store import run as runs
from otoscope.store.place import place
from otoscope.store.run import Run

STAGE, VERSION = "explain", 1
NO_DATA: dict[str, Any] = {
    "name": "files",
    "spec": "",
    "hash": "",
    "n_clips": 0,
    "label_sets": [],
    "group_declared": False,
    "source": None,
}
"""What a run of sound files only says of its collection."""


@dataclass(frozen=True)
class Explained:
    """What a call of the stage gave.

    Attributes
    ----------
    run : Run
        The run folder.
    kept : tuple of Kept
        The explanations that were asked for, finished before or now.
    made : int
        How many of them were made now.
    failures : tuple of Failure
        Clips that could not be decoded.
    without_target : tuple of str
        Clips that have no class above the threshold.
    """

    run: Run
    kept: tuple[kept.Kept, ...]
    made: int
    failures: tuple[Failure, ...] = ()
    without_target: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a call of the stage would do, before anything is written.

    Attributes
    ----------
    model : AudioModel
    clips : tuple of Asked
    methods : tuple of Method
    config : ExplainConfig
    weights_hash : str
        Of the network.
    run : Run or None
        The run that stands there.
    """

    model: AudioModel
    clips: tuple[Asked, ...]
    methods: tuple[Method, ...]
    config: ExplainConfig
    weights_hash: str
    run: Run | None


def explain(
    model: AudioModel | str,
    clips: Clips | str | None,
    out: Path | str,
    config: ExplainConfig | Mapping[str, Any] | None = None,
    *,
    which: Sequence[str | int] = (),
    explainers: Sequence[Path | str] = (),
) -> Explained:
    """Explain clips and write each explanation into a run folder.

    Parameters
    ----------
    model : AudioModel or str
        The network; given back as it was lent.
    clips : Clips, str or None
        The collection that ids and rows are of; None: the run's own, or none.
    out : path
        The run folder: one recorded with this network, one that holds explanations by it, or a new one.
    config : ExplainConfig or dict, optional
        Methods, target, how masks sound.
    which : sequence of str or int
        Ids, rows or sound files; empty: every clip of the collection.
    explainers : sequence of path
        Folders of trained explainers and dictionaries.

    Returns
    -------
    Explained

    Raises
    ------
    ModelError
        If the run is of another network.
    InputError, UnknownNameError
        If a clip, method, option or target cannot be used.
    EmptyDataError
        If none of the clips can be decoded.
    StoreError
        If the disk refuses; finished explanations are kept.
    """
    planned = plan(model, clips, out, config, which=which, explainers=explainers)
    where = place(out)
    run = planned.run or runs.create(where, _identity(planned, clips, where))
    started = time.perf_counter()
    found: list[kept.Kept] = []
    made, failures, without = 0, [], []
    with lent(planned.model), heap.kept():
        for one in track(planned.clips, len(planned.clips), "explaining"):
            waveform = one.waveform(planned.model.sample_rate)
            if isinstance(waveform, Failure):
                failures.append(waveform)
                continue
            here, new = _clip(planned, run, one, waveform)
            found, made = [*found, *here], made + new
            without += [] if here else [str(one.record["id"])]
    if len(failures) == len(planned.clips):
        raise EmptyDataError(f"none of the {len(failures)} clips can be decoded: {failures[0].reason}")
    _commit(planned, run, found, failures)
    run.log(STAGE, seconds=time.perf_counter() - started, made=made, failed=[asdict(one) for one in failures])
    return Explained(run, tuple(found), made, tuple(failures), tuple(without))


def plan(
    model: AudioModel | str,
    clips: Clips | str | None,
    out: Path | str,
    config: ExplainConfig | Mapping[str, Any] | None = None,
    *,
    which: Sequence[str | int] = (),
    explainers: Sequence[Path | str] = (),
) -> Plan:
    """Return what :func:`explain` would do; parameters and errors as there. Nothing is written."""
    model = model_of(model)
    how = settled(ExplainConfig.of(config), model)
    collection = None if clips is None else clips_of(clips)
    weights = hash_weights(model)
    run = _standing(place(out), weights)
    collection = _collection(run, collection)
    found = methods(how.methods, explainers, how.options, model)
    return Plan(model, tuple(asked(which, collection)), tuple(found), how, weights, run)


def _standing(out: Path, weights: str) -> Run | None:
    """Return the run at ``out``, None where there is none; one of another network is refused."""
    if not (out / "run.json").is_file():
        if out.exists() and (out.is_file() or any(out.iterdir())):
            raise InputError(f"{out} is not empty and is not a run: choose another folder with --out")
        return None
    run = runs.open_run(out)
    recorded = run.manifest["model"]["weights_hash"]
    if recorded != weights:
        raise ModelError(
            f"{out} is a run of another network ({run.manifest['model']['spec']}): its weights' hash begins with "
            f"{recorded[:8]}, this one's with {weights[:8]}"
        )
    return run


def _collection(run: Run | None, given: Clips | None) -> Clips | None:
    """Return the collection that ids are of; one that is not the run's is refused."""
    if run is None:
        return given
    recorded = run.manifest["data"]["hash"]
    if given is not None and given.content_hash() != recorded:
        raise InputError(
            f"{run.root} is of {run.manifest['data']['spec'] or 'single sound files'}, not of {given.spec}: rows would "
            "not mean the same; choose another --out"
        )
    if given is None and recorded and (run.root / "clips.parquet").is_file():
        return reopen.reopen(run)
    return given


def _identity(planned: Plan, clips: Clips | str | None, out: Path) -> dict[str, Any]:
    model = planned.model
    return {
        "model": {
            "spec": model.spec,
            **place_of(model.spec, out),
            "weights_hash": planned.weights_hash,
            "sample_rate": model.sample_rate,
            "classes": list(model.classes),
            "clip_length": asdict(model.clip_length),
        },
        "data": NO_DATA if clips is None else reopen.describe(clips_of(clips), out),
        "layers": [],
    }


def _clip(planned: Plan, run: Run, one: Asked, waveform: NDArray[np.float32]) -> tuple[list[kept.Kept], int]:
    """Return the explanations of one clip, and how many of them were made now."""
    heard = torch.from_numpy(np.ascontiguousarray(waveform))[None].to(device_of(planned.model))
    with torch.no_grad():
        output = outputs(planned.model, heard).double().cpu().numpy()
    p = probabilities(output, planned.config.squashing)[0]
    found, made = [], 0
    for aim in aims(planned.model, p, planned.config.target, one.labels):
        for method in planned.methods:
            identity = _explanation_identity(planned, one, method, aim)
            digest = hash_of(identity)
            name = f"{method.name}-{digest[:8]}"
            if not _done(run, one.folder, name, planned.config.parts):
                _write(planned, run, one, method, aim, heard, {**identity, "hash": digest}, name)
                made += 1
            found.append(kept.Kept(kept.place(run.root, one.folder, name)))
    return found, made


def _done(run: Run, clip: str, name: str, n_parts: int) -> bool:
    """Return whether an explanation stands there, with at least so many of its parts to be heard."""
    if not kept.is_done(run.root, clip, name):
        return False
    parts = kept.Kept(kept.place(run.root, clip, name)).scores["parts"]
    return parts is None or sum("sound" in part for part in parts["listed"]) >= min(n_parts, parts["n_parts"])


def _explanation_identity(planned: Plan, one: Asked, method: Method, aim: Aim) -> dict[str, Any]:
    record = one.record
    return {
        "format_version": kept.FORMAT_VERSION,
        "stage_version": VERSION,
        "clip": {
            "row": None if one.outside else one.row,
            "id": record["id"],
            "labels": one.labels,
            "group": record["group"],
            "content": one.content,
        },
        "model": {"weights_hash": planned.weights_hash},
        "method": method.identity,
        "target": aim_identity(aim),
        "config": planned.config.identity(),
    }


def _write(
    planned: Plan,
    run: Run,
    one: Asked,
    method: Method,
    aim: Aim,
    heard: torch.Tensor,
    identity: dict[str, Any],
    name: str,
) -> None:
    found: Explanation = explain_sound(method.explainer, planned.model, heard, aim.target)
    title = f"{one.record['id']}: {aim.name} by {method.name}"
    whole = content(planned.model, heard, found, aim, planned.config, identity, title)
    kept.write(run.root, one.folder, name, whole.files, whole.mask)


def _commit(planned: Plan, run: Run, found: Sequence[kept.Kept], failures: Sequence[Failure]) -> None:
    config = {**planned.config.model_dump(mode="json"), "methods": [one.identity for one in planned.methods]}
    inputs = {"model": planned.weights_hash, "clips": [one.content for one in planned.clips]}
    outputs = [one.folder.relative_to(run.root).as_posix() for one in found]
    notes = {"failures": [asdict(one) for one in failures]}
    runs.commit_stage(run, STAGE, VERSION, config, inputs, outputs, notes)
