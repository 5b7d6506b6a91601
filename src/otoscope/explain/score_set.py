"""The score-explanations stage: explanations of a set of clips beside every control, as tables.

For each method: the measures of :mod:`otoscope.explain.score` with intervals over groups, seconds a clip, training
time, the randomisation sanity check (:mod:`otoscope.explain.randomise`) on some clips, how often a method's own head
names the network's class, and, where it is asked for, AUPRC fidelity over classes (:mod:`otoscope.explain.fidelity`).
The clips may be contaminated at a stated SNR, seeded per clip; then the share of the passed energy that is the target's
is known.

The work goes in blocks of clips (:mod:`otoscope.explain.score_set_work`), here or by the workers of a Ray cluster; a
stage that was killed continues, and ends with the same tables. They go to a folder, or to
``explanation_scores/<hash8>/`` of a run (:mod:`otoscope.store.explanation_scores`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError, ModelError
from otoscope.explain import score_set_rounds as rounds
from otoscope.explain.methods import Method, methods
from otoscope.explain.score_set_config import ScoreSetConfig
from otoscope.explain.score_set_files import Files
from otoscope.explain.score_set_sounds import SetSounds, sounds_of
from otoscope.explain.score_set_work import SetJob
from otoscope.explain.squashing import settled
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.store import explanation_scores as store
from otoscope.store.hashing import hash8, sha256_json
from otoscope.store.place import is_remote, place, remove_tree
from otoscope.store.run import open_run
from otoscope.work.engine import Engine

__all__ = ["VERSION", "ScoreSetConfig", "named", "score_explanations", "sounds_of"]

VERSION = 1


def score_explanations(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: ScoreSetConfig | Mapping[str, Any] | None = None,
    *,
    rows: Sequence[int] | None = None,
    explainers: Sequence[Path | str] = (),
    to: str = "parquet",
    engine: Engine | Mapping[str, Any] | None = None,
) -> store.Scores:
    """Score explanations and write the tables; what is there already with this hash is read.

    Parameters
    ----------
    model : AudioModel or str
        Given back as it was lent.
    clips : Clips or str
        The collection; labels, events and parts are used where it has them.
    out : path
        A run of this network (the tables go under ``explanation_scores/``), or a folder.
    config : ScoreSetConfig or dict, optional
    rows : sequence of int, optional
        Which clips; None: all.
    explainers : sequence of path
        Folders of trained explainers and dictionaries.
    to : {"parquet", "csv", "json"}
        Also write the tables so.
    engine : Engine or dict, optional
        Who computes the blocks; None: this process. The result is the same.

    Raises
    ------
    InputError, UnknownNameError, EmptyDataError
        If methods, clips or contaminants cannot be used.
    ModelError
        If ``out`` is a run of another network.
    StageError
        If a clip could be read at first and cannot be any more; finished blocks are kept.
    StoreError
        If the disk refuses; finished blocks are kept.
    """
    model, clips = model_of(model), clips_of(clips)
    how = settled(ScoreSetConfig.of(config), model)
    folders = tuple(_place(one) for one in explainers)
    found = methods(how.methods, folders, how.options, model)
    identity = _identity(model, clips, how, found, rows)
    folder, digest = _folder(_place(out), identity), sha256_json(identity)
    if (folder / store.MANIFEST).is_file():
        there = store.read(folder)
        if there.about.get("hash") == digest:
            store.tidy(folder)
            return there
    portions = {"block": how.block, "batch_size": how.batch_size}
    files = Files(store.unfinished(folder, hash8({**identity, **portions})))
    job = SetJob(model, SetSounds.of(model, clips, how, rows), how, folders, files, tuple(found))
    started = time.perf_counter()
    try:
        whole = rounds.compute(job, tuple(named(found)), engine)
    except EmptyDataError:
        remove_tree(files.root)
        raise
    about = {**identity, **rounds.counts_of(whole), "hash": digest}
    clock = {"seconds": time.perf_counter() - started, "seconds_per_clip": whole.seconds}
    made = store.write(folder, about, rounds.tables_of(whole), to, clock)
    store.tidy(folder)
    return made


def _place(where: Path | str) -> Path:
    """Return a place that means the same in every process."""
    found = place(where)
    return found if is_remote(found) else found.absolute()


def _folder(out: Path, identity: Mapping[str, Any]) -> Path:
    if not (out / "run.json").is_file():
        return out
    run = open_run(out)
    if run.manifest["model"]["weights_hash"] != identity["model"]["weights_hash"]:
        raise ModelError(f"{out} is a run of another network ({run.manifest['model']['spec']})")
    return out / store.FOLDER / hash8(identity)


def _identity(
    model: AudioModel, clips: Clips, how: ScoreSetConfig, found: Sequence[Method], rows: Sequence[int] | None
) -> dict[str, Any]:
    contamination = None
    if how.contamination is not None:
        drawn = None if how.contaminants is None else clips_of(how.contaminants).content_hash()
        contamination = {"kind": how.contamination, "snr_db": how.snr_db, "contaminants": drawn}
    return {
        "stage_version": VERSION,
        "model": {"weights_hash": hash_weights(model), "classes": list(model.classes)},
        "data": {
            "name": clips.name,
            "hash": clips.content_hash(),
            "rows": None if rows is None else list(rows),
        },
        "contamination": contamination,
        "methods": list(named(found)),
        "explainers": [one.identity for one in found],
        "config": how.model_dump(mode="json", exclude={"batch_size", "block", "contaminants"}),
    }


def named(found: Sequence[Method]) -> dict[str, Method]:
    """Return the methods by their name in tables; several of one name are numbered."""
    names = [one.name for one in found]
    return {
        f"{one.name}-{names[: place + 1].count(one.name)}" if names.count(one.name) > 1 else one.name: one
        for place, one in enumerate(found)
    }
