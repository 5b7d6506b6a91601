"""Train a classifier on a set of clips: the recipe behind ``otoscope train``.

1. The test part (``test_folds`` or ``test_split``) is set aside; it is decoded and heard once, at the end.
2. Of the rest a share ``valid`` becomes the validation part, split by group, so no recording is on both sides; or the
   folds ``valid_folds`` do.
3. The training clips' log-mel bands give the front end its standardisation constants.
   A network that is given (``start_from``) keeps its own constants and weights (:mod:`otoscope.models.start`).
4. AdamW with a cosine schedule on clips varied by :mod:`otoscope.models.augment`, with noise under them
   (:mod:`otoscope.models.training_noise`) and parts dropped where asked; cross-entropy on mixed labels, binary where
   the label set gives a clip several (:mod:`otoscope.models.objective`); the epoch that is best on the validation
   part is kept (:mod:`otoscope.fit.loop`). With ``freeze`` only the head learns, on clips that are heard once and
   not varied (:mod:`otoscope.models.frozen`).

An architecture may bring a ``RECIPE``: values that stand in for the defaults below where the config leaves them open.

The folder ``out`` gets ``model.json`` and ``weights.safetensors`` (:mod:`otoscope.models.folder`),
``training.json`` (config, data, history, results) and, while it runs, ``fit/`` with the checkpoint: a training
that was killed continues from its last finished epoch when it is started again.
"""

from __future__ import annotations

import inspect
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.data import clips_of
from otoscope.data.clips import Clips, LabelSet
from otoscope.errors import InputError, StageError, UnknownNameError
from otoscope.fit.loop import FitConfig, History, fit
from otoscope.models import ARCHITECTURES, folder, start
from otoscope.models.audio_model import AudioModel
from otoscope.models.device import checked_device
from otoscope.models.evaluate import clip_logits
from otoscope.models.frozen import FrozenLesson
from otoscope.models.lesson import Lesson, prepare
from otoscope.models.objective import objective_of
from otoscope.models.parts import Parts, split_parts
from otoscope.models.train_config import TrainConfig as TrainConfig
from otoscope.models.train_config import with_recipe
from otoscope.registry import lookup
from otoscope.store import manifest
from otoscope.store.hashing import sha256_json

logger = logging.getLogger(__name__)


def train(
    arch: str,
    clips: Clips | str,
    out: Path | str,
    config: TrainConfig | Mapping[str, Any] | None = None,
    *,
    device: str = "cpu",
) -> AudioModel:
    """Train the architecture ``arch`` on ``clips``, write it to the folder ``out`` and return it.

    Parameters
    ----------
    arch : str
        A name of :data:`otoscope.models.ARCHITECTURES`.
    clips : Clips or str
        The collection, or the text that names it. Labelled, with one class a clip or several, and with folds or splits
        where a test part is asked for.
    out : path
        The model's folder. A finished training with the same config and data is returned as it is.
    config : TrainConfig or dict, optional
        The options.
    device : str
        A torch device.

    Raises
    ------
    InputError
        If the clips carry no labels, a part is empty, the metric is of another kind of labels, or ``out`` is a file;
        UnknownNameError for an unknown architecture, option, label set, fold or split.
    StageError
        If ``out`` holds another model or training.
    """
    where, clips, device = _folder(out), clips_of(clips), checked_device(device)
    build, config = _asked(arch, TrainConfig.of(config))
    labels = _learnt(clips, config)
    source = start.open_start(arch, config.start_from, device) if config.start_from else None
    identity = _identity(arch, clips, config, labels, source)
    if _is_finished(where, identity):
        return folder.load(where, device)
    parts = _parts(clips, config)
    with prepare(build, labels, clips, parts, config, device, source) as lesson:
        history = _fit(lesson, config, where / "fit", identity)
        test = _test(lesson.model.eval(), clips, parts, config, device)
        account = {"spec": clips.spec, **_account(identity, parts, lesson, history, test)}
    manifest.write(where / "training.json", account)
    folder.save(lesson.model, where, training={key: account[key] for key in account if key != "history"})
    shutil.rmtree(where / "fit")
    return lesson.model


def plan(
    arch: str, clips: Clips, out: Path | str, config: TrainConfig | None = None, *, device: str = "cpu"
) -> dict[str, Any]:
    """Return what :func:`train` would do, JSON-able: its parts, classes, steps and config; nothing is written.

    Parameters and errors are those of :func:`train`. ``state`` is ``new``, ``continues`` (from the last finished
    epoch) or ``done``; ``steps`` are those of all epochs.
    """
    where = _folder(out)
    _, config = _asked(arch, TrainConfig.of(config))
    labels = _learnt(clips, config)
    source = start.open_start(arch, config.start_from, device) if config.start_from else None
    finished = _is_finished(where, _identity(arch, clips, config, labels, source))
    parts = _parts(clips, config)
    return {
        "architecture": arch,
        "clips": len(clips),
        "classes": len(labels.classes),
        "parts": {
            "train": parts.train.size,
            "valid": parts.valid.size,
            "test": parts.test.size,
            "unlabelled": parts.unlabelled,
        },
        "steps": config.epochs * -(-parts.train.size // config.batch_size),
        "state": "done" if finished else "continues" if (where / "fit").is_dir() else "new",
        "config": config.model_dump(mode="json"),
    }


def _folder(out: Path | str) -> Path:
    where = Path(out)
    if where.exists() and not where.is_dir():
        raise InputError(f"{where} is a file: choose a folder with --out")
    return where


def _asked(arch: str, config: TrainConfig) -> tuple[Any, TrainConfig]:
    """Return what builds the architecture, and the config with its recipe."""
    build = lookup(ARCHITECTURES, arch, room="architectures", kind="architecture")
    config = with_recipe(config, getattr(inspect.getmodule(build), "RECIPE", {}))
    _check_options(arch, build, config.options)
    return build, config


def _parts(clips: Clips, config: TrainConfig) -> Parts:
    return split_parts(
        clips,
        label_set=config.label_set,
        test_folds=config.test_folds,
        test_split=config.test_split,
        valid=config.valid_folds or config.valid,
        seed=config.seed,
    )


def _identity(
    arch: str, clips: Clips, config: TrainConfig, labels: LabelSet, source: AudioModel | None
) -> dict[str, Any]:
    """Return what must be equal for a training to be continued or taken as finished."""
    identity = {
        "architecture": arch,
        "config": config.identity(),
        "data": {"hash": clips.content_hash(), "n_clips": len(clips)},
    }
    if source is not None and config.start_from is not None:
        identity["start"] = start.account_of(config.start_from, source, labels)
    return identity


def _fit(lesson: Lesson | FrozenLesson, config: TrainConfig, out: Path, identity: dict[str, Any]) -> History:
    options = FitConfig(
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        optimiser=config.optimiser,
        schedule=config.schedule,
        warmup=config.warmup,
        patience=config.patience,
        metric=config.metric,
        better="lower" if config.metric == "valid_cross_entropy" else "higher",
        seed=config.seed,
    )
    return fit(
        lesson.learner,
        lesson.batches,
        lesson.loss,
        lesson.validate,
        options,
        out,
        identity={"training": sha256_json(identity)},
    )


def _check_options(arch: str, build: Any, options: dict[str, Any]) -> None:
    parameters = inspect.signature(build).parameters.values()
    known = [one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise UnknownNameError.of(f"option of {arch}", name, known)


def _learnt(clips: Clips, config: TrainConfig) -> LabelSet:
    """Return the label set, whose kind has the config's metric."""
    labels = clips.label_set(config.label_set)
    metrics = objective_of(labels.kind).metrics
    if config.metric not in metrics:
        what = "several labels a clip" if labels.kind == "multi" else "one class a clip"
        raise InputError(
            f"label set {labels.name!r} gives {what}: metric is {' or '.join(metrics)}, got {config.metric!r}"
        )
    return labels


def _is_finished(where: Path, identity: dict[str, Any]) -> bool:
    """Return whether the folder holds this training, finished; another one raises."""
    if not (where / folder.MANIFEST).is_file():
        return False
    there = folder.read_manifest(where).get("training", {})
    changed = sorted(key for key in identity if there.get(key) != identity[key])
    if changed:
        raise StageError(
            f"{where} already holds another model: its training differs in {', '.join(changed)}. "
            "Give another --out, or remove the folder."
        )
    logger.info("%s is finished: nothing to do", where)
    return True


def _account(
    identity: dict[str, Any],
    parts: Parts,
    lesson: Lesson | FrozenLesson,
    history: History,
    test: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return what ``training.json`` holds."""
    return {
        **identity,
        "parts": {
            "train": len(lesson.cache),
            "valid": len(lesson.truth),
            "test": parts.test.size,
            "unlabelled": parts.unlabelled,
        },
        "failures": [asdict(one) for one in lesson.failures],
        "best_epoch": history.best_epoch,
        "best": history.best,
        "test": test,
        "history": list(history.epochs),
    }


def _test(
    model: AudioModel, clips: Clips, parts: Parts, config: TrainConfig, device: str
) -> dict[str, Any] | None:
    """Return the scores on the test part, None where there is none."""
    if not parts.test.size:
        return None
    part = clips.take(parts.test)
    logits, failures = clip_logits(
        model, part, batch_size=config.batch_size, workers=config.workers, device=device
    )
    heard = np.isfinite(logits).all(1)
    objective = objective_of(part.label_set(config.label_set).kind)
    targets = objective.targets(part, config.label_set)[heard]
    groups = part.table["group"].filter(pl.Series(heard)).to_list()
    result = objective.scores(logits[heard], targets, groups, model.classes, config.seed)
    in_collection = [replace(one, row=int(parts.test[one.row])) for one in failures]
    return {**result, "failures": [asdict(one) for one in in_collection]}
