"""The probe stage: what can a linear layer read from the frozen network?

:func:`probe` works on a run (its network, its clips) and writes ``probes/<label set>-<method>-<hash8>/`` beside the
marker ``stages/probe-<name>.json``; ``stages/probe.json`` names the one asked for last. :func:`train_probe` works on
any network and clips and writes the same folder wherever it is told to. Each clip is heard once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.ablate.bench import same_weights
from otoscope.ablate.probe import FITTERS, folder, judge
from otoscope.ablate.probe.config import ProbeConfig
from otoscope.ablate.probe.fitted import Fitted, Material
from otoscope.ablate.probe.folder import KIND, STAGE, Probe, open_probe
from otoscope.ablate.probe.folder import load as load
from otoscope.ablate.probe.parts import Parts, parts_of
from otoscope.ablate.probe.reading import heard, reader
from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.reopen import reopen
from otoscope.errors import EmptyDataError, Failure, StageError, StoreError
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.registry import lookup
from otoscope.store import run as runs
from otoscope.store.hashing import sha256_json
from otoscope.store.run import Run

VERSION = 1


def probe(
    run: Run | Path | str,
    model: AudioModel | str,
    clips: Clips | str | None = None,
    config: ProbeConfig | Mapping[str, Any] | None = None,
) -> str:
    """Train a probe on a run's network and clips, and return its name in the run.

    Parameters
    ----------
    run : Run or path
    model : AudioModel or str
        The recorded network (its weights are checked); given back as it was lent.
    clips : Clips or str, optional
        Only where the run's sounds have moved.
    config : ProbeConfig or dict, optional

    Returns
    -------
    str
        ``<label set>-<method>-<hash8>``, for :func:`load`.

    Raises
    ------
    ModelError
        If the network is not the recorded one.
    InputError, EmptyDataError
        If labels, folds, splits or parts do not fit.
    UnknownNameError
        If a label set, column or layer is unknown.
    """
    run, model, config = runs.open_run(run), model_of(model), ProbeConfig.of(config)
    given = reopen(run) if clips is None else clips_of(clips)
    inputs = {"record": (runs.read_stage(run, "record") or {}).get("hash"), "model": same_weights(run, model)}
    labels = given.label_set(config.label_set).name
    digest = runs.hash8([VERSION, config.identity(), inputs])
    name = f"{runs.file_name(labels)}-{config.method}-{digest}"
    marker, started = f"{STAGE}-{name}", time.perf_counter()
    if not runs.is_done(run, marker, VERSION, config.identity(), inputs):
        made = _trained(model, given, run.usable_rows(), run.root / KIND / name, config, run)
        outputs = [f"{KIND}/{name}/{one}" for one in (folder.WEIGHTS, folder.CLIPS, folder.MANIFEST)]
        test = made.manifest["test"]
        notes = {one: test[one] for one in ("measure", "value", "interval")}
        runs.commit_stage(run, marker, VERSION, config.identity(), inputs, outputs, notes)
        run.log(STAGE, name=name, seconds=time.perf_counter() - started, **notes)
    runs.commit_stage(run, STAGE, VERSION, {"name": name}, inputs, [f"{KIND}/{name}/{folder.MANIFEST}"])
    return name


def train_probe(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: ProbeConfig | Mapping[str, Any] | None = None,
) -> Probe:
    """Train a probe on any network and labelled clips, write it to the folder ``out`` and return it.

    Parameters
    ----------
    model : AudioModel or str
        Given back as it was lent.
    clips : Clips or str
    out : path
        A finished probe of the same network, clips and config is returned as it is.
    config : ProbeConfig or dict, optional
        Without ``layer``: a layer is read with the run that recorded it (:func:`probe`).

    Raises
    ------
    StageError
        If the folder holds another probe.
    InputError, EmptyDataError, UnknownNameError
        As :func:`probe`.
    """
    model, clips, config, where = model_of(model), clips_of(clips), ProbeConfig.of(config), Path(out)
    if where.exists() and not where.is_dir():
        raise StoreError(f"{where} is a file: choose a folder with --out")
    if (where / folder.MANIFEST).is_file():
        there = open_probe(where)
        if there.manifest["identity"] != _identity(model, clips, config):
            raise StageError(f"{where} holds another probe: give another --out, or remove the folder")
        return there
    return _trained(model, clips, np.arange(len(clips)), where, config, None)


@dataclass(frozen=True)
class Heard:
    """Parts of the clips, without those that could not be decoded, and what was read of them."""

    parts: Parts
    vectors: NDArray[np.float32]
    failures: tuple[Failure, ...]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of some rows."""
        return self.vectors[rows]


def _trained(
    model: AudioModel,
    clips: Clips,
    usable: NDArray[np.int64],
    where: Path,
    config: ProbeConfig,
    run: Run | None,
) -> Probe:
    found = _heard(model, clips, usable, config, run)
    parts = found.parts
    material = Material(
        found.of(parts.train),
        parts.labels[parts.train],
        found.of(parts.valid),
        parts.labels[parts.valid],
        len(parts.classes),
    )
    fitter = lookup(FITTERS, config.method, room="probe", kind="probe")
    fits: list[Fitted] = [fitter(material, config, seed) for seed in config.seeds]
    test, truth = found.of(parts.test), parts.labels[parts.test]
    logits = [one.logits(test) for one in fits]
    tested = judge.scores(
        logits,
        truth,
        parts.groups[parts.test],
        parts.classes,
        replicates=config.replicates,
        seed=config.seed,
    )
    groups = parts.groups[np.concatenate([parts.train, parts.valid])]
    beside = judge.controls(material, groups, test, truth, fitter, config)
    content = _content(model, clips, found, config) | {"test": tested, "controls": beside}
    return folder.write(where, content, fits, _clips(clips, parts, logits[0]))


def _content(model: AudioModel, clips: Clips, found: Heard, config: ProbeConfig) -> dict[str, Any]:
    """Return what ``probe.json`` says of the network, the clips and the choices."""
    parts = found.parts
    return {
        "identity": _identity(model, clips, config),
        "network": {
            "spec": model.spec,
            "weights_hash": hash_weights(model),
            "sample_rate": model.sample_rate,
        },
        "layer": config.layer,
        "label_set": parts.label_set,
        "classes": list(parts.classes),
        "several": parts.labels.ndim == 2,
        "data": {"spec": clips.spec, "n_clips": len(clips)},
        "parts": _account(parts),
        "failures": [asdict(one) for one in found.failures],
        "group_declared": clips.group_declared,
        "config": config.model_dump(mode="json"),
    }


def _heard(
    model: AudioModel, clips: Clips, usable: NDArray[np.int64], config: ProbeConfig, run: Run | None
) -> Heard:
    parts = parts_of(clips, usable, config)
    rows = np.sort(np.concatenate([parts.train, parts.valid, parts.test]))
    read = reader(model, run, config.layer)
    some, failures = heard(
        model, clips.take(rows), read, batch_windows=config.batch_windows, workers=config.workers
    )
    vectors = np.full((len(clips), some.shape[1]), np.nan, dtype=np.float32)
    vectors[rows] = some
    good: NDArray[np.bool_] = np.asarray(np.isfinite(vectors).all(axis=1))
    kept = {name: getattr(parts, name)[good[getattr(parts, name)]] for name in ("train", "valid", "test")}
    for name, part in kept.items():
        if not len(part):
            raise EmptyDataError(f"no clip of the {name} part can be heard; {len(failures)} clips failed")
    return Heard(replace(parts, **kept), vectors, failures)


def _identity(model: AudioModel, clips: Clips, config: ProbeConfig) -> str:
    return sha256_json([VERSION, config.identity(), hash_weights(model), clips.content_hash()])


def _account(parts: Parts) -> dict[str, Any]:
    counts = {name: len(getattr(parts, name)) for name in ("train", "valid", "test")}
    return {**counts, "of_other_classes": parts.left_out, "groups_on_both_sides": parts.shared_groups}


def _clips(clips: Clips, parts: Parts, logits: NDArray[np.float64]) -> pl.DataFrame:
    ids = clips.table["id"].to_list()
    rows = [
        {"row": int(row), "id": ids[row], "group": str(parts.groups[row]), "part": part}
        for part in ("train", "valid", "test")
        for row in getattr(parts, part)
    ]
    table = pl.DataFrame(rows)
    if parts.labels.ndim == 2:
        return table
    names = np.array(parts.classes, dtype=object)
    before = [None] * (table.height - len(parts.test))
    return table.with_columns(
        pl.Series("true", names[parts.labels[table["row"].to_numpy()]].tolist(), dtype=pl.String),
        pl.Series("named", [*before, *names[logits.argmax(axis=1)].tolist()], dtype=pl.String),
    )
