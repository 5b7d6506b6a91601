"""Train an explainer of a classifier on a set of clips: what is behind ``otoscope train-explainer``.

1. The test part (``test_folds`` or ``test_split``) is set aside; it is decoded and heard once, at the end.
2. Of the rest a share ``valid`` becomes the validation part, split by group as :mod:`otoscope.models.train` does: with
   the same seed, share and labels it is the classifier's own split. Or the folds ``valid_folds`` do.
3. The recipe learns on the training part; the epoch that is best by its validation metric is kept. Explainers learn
   what the classifier says, so no clip needs a label. The classifier is given back as it was lent.

The folder ``out`` gets what :mod:`otoscope.explain.trained` describes (of a dictionary what
:mod:`otoscope.explain.dictionary` does), the recipe's tables as Parquet and, last, ``training.json`` (config, data,
history, test with intervals over groups). While it runs ``fit/`` holds the checkpoint: a training that was killed
continues from its last finished epoch.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.splits import split_by_group
from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.explain import trained
from otoscope.explain.explanation import Explainer
from otoscope.explain.recipe import Learning, RecipeConfig, Trainable
from otoscope.explain.setting import Contamination, Setting, listening
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.squashing import settled
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.device import checked_device
from otoscope.models.evaluate import group_interval
from otoscope.models.parts import by_folds, part_of
from otoscope.models.weights import hash_weights
from otoscope.record.hooks import lent
from otoscope.store import manifest, tables
from otoscope.store.hashing import sha256_json

logger = logging.getLogger(__name__)
ACCOUNT = "training.json"


def train_explainer(
    method: str,
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: RecipeConfig | Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    contamination: Contamination | None = None,
    device: str = "cpu",
) -> Explainer:
    """Train the method's explainer of ``model`` on ``clips``, write it to ``out`` and return it.

    Parameters
    ----------
    method : str
        A name of :data:`otoscope.explain.TRAINABLE`.
    model : AudioModel or str
        The classifier, or the text that names it. Given back as it was lent.
    clips : Clips or str
        With groups, and with folds or splits where a test part is asked for.
    out : path
        The explainer's folder. A finished training with the same config, data and classifier is returned as it is.
    config : RecipeConfig or dict, optional
        Options of the method; they come before the preset's.
    preset : str, optional
        A published protocol.
    contamination : callable, optional
        Mixes into training sound; see :data:`otoscope.explain.setting.Contamination`. Its ``repr`` is part of what
        must be equal for a continuation.
    device : str
        A torch device.

    Raises
    ------
    UnknownNameError
        If there is no such method, preset, option, fold or split.
    InputError, EmptyDataError
        If a part is empty, or the recipe refuses the classifier.
    StageError
        If ``out`` holds another training.
    """
    where, recipe = _folder(out), trained.recipe_of(method)
    network, heard = model_of(model, checked_device(device)), clips_of(clips)
    how = settled(configured(recipe, config, preset), network)
    identity = _identity(recipe, network, heard, how, contamination)
    if not is_finished(where, identity):
        _run(recipe, network, heard, where, how, identity, contamination)
    return trained.open_explainer(where, network)


def plan(
    method: str,
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: RecipeConfig | Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Return what :func:`train_explainer` would do, JSON-able; nothing is written. Arguments and errors are its own."""
    where, recipe = _folder(out), trained.recipe_of(method)
    network, heard = model_of(model, checked_device(device)), clips_of(clips)
    how = settled(configured(recipe, config, preset), network)
    finished = is_finished(where, _identity(recipe, network, heard, how, None))
    rows = split(heard, how)
    return {
        "method": method,
        "clips": len(heard),
        "parts": {name: int(part.size) for name, part in rows.items()},
        "steps": how.epochs * -(-rows["train"].size // how.batch_size),
        "state": "done" if finished else "continues" if (where / "fit").is_dir() else "new",
        "spectrogram": Spectrogram.of(network).to_json(),
        "config": how.model_dump(mode="json"),
    }


def configured(
    recipe: Trainable, config: RecipeConfig | Mapping[str, Any] | None, preset: str | None
) -> RecipeConfig:
    """Return the recipe's config: its defaults, a preset's options over them, and what was given over both."""
    if preset is None:
        return recipe.config.of(config)
    given = config.model_dump(include=config.model_fields_set) if isinstance(config, RecipeConfig) else config
    return recipe.config.of({**preset_of(recipe, preset), **(given or {})})


def preset_of(recipe: Trainable, preset: str | None) -> dict[str, Any]:
    """Return a preset's options, none for None.

    Raises
    ------
    UnknownNameError
        If the recipe has no such preset.
    """
    if preset is None:
        return {}
    if preset not in recipe.presets:
        raise UnknownNameError.of(f"preset of {recipe.name}", preset, tuple(recipe.presets))
    return dict(recipe.presets[preset])


def split(clips: Clips, config: RecipeConfig) -> dict[str, NDArray[np.int64]]:
    """Return the rows of ``train``, ``valid`` and ``test``, ascending; ``test`` is empty where none was asked for.

    Errors are those of :func:`otoscope.models.parts.split_parts`.
    """
    test = part_of(clips, config.test_folds, config.test_split)
    rest = np.flatnonzero(~test).astype(np.int64)
    if not rest.size:
        raise EmptyDataError("every clip is in the test part: nothing is left to train on")
    if config.valid_folds is not None:
        train, valid = by_folds(clips, np.ones(len(clips), np.bool_), test, config.valid_folds)
    else:
        train, valid = _by_share(clips, rest, config)
    return {"train": train, "valid": valid, "test": np.flatnonzero(test).astype(np.int64)}


def _by_share(
    clips: Clips, rest: NDArray[np.int64], config: RecipeConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shares = {"train": 1.0 - config.valid, "valid": config.valid}
    balanced = clips.label_set(config.label_set).name if clips.label_sets or config.label_set else None
    parts = split_by_group(clips.take(rest), shares, seed=config.seed, stratify=balanced)
    return rest[np.sort(parts["train"])], rest[np.sort(parts["valid"])]


def is_finished(where: Path, identity: Mapping[str, Any]) -> bool:
    """Return whether the folder holds this training, finished; another one raises StageError."""
    if not (where / ACCOUNT).is_file():
        return False
    there = manifest.read(where / ACCOUNT)
    changed = sorted(key for key in identity if there.get(key) != identity[key])
    if changed:
        raise StageError(
            f"{where} already holds another training: it differs in {', '.join(changed)}. Give another --out, or "
            "remove the folder."
        )
    logger.info("%s is finished: nothing to do", where)
    return True


def _folder(out: Path | str) -> Path:
    where = Path(out)
    if where.exists() and not where.is_dir():
        raise InputError(f"{where} is a file: choose a folder with --out")
    return where


def _identity(
    recipe: Trainable, model: AudioModel, clips: Clips, how: RecipeConfig, contamination: Contamination | None
) -> dict[str, Any]:
    """Return what must be equal for a training to be continued or taken as finished."""
    identity: dict[str, Any] = {
        "method": recipe.name,
        "config": how.identity(),
        "classifier": hash_weights(model),
        "data": {"hash": clips.content_hash(), "n_clips": len(clips)},
    }
    also = dict(recipe.inputs(how, Spectrogram.of(model)))
    if contamination is not None:
        also["contamination"] = repr(contamination)
    return {**identity, **also}


def _run(
    recipe: Trainable,
    model: AudioModel,
    clips: Clips,
    where: Path,
    how: RecipeConfig,
    identity: dict[str, Any],
    contamination: Contamination | None,
) -> None:
    rows = split(clips, how)
    started = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(frozen(model))
        train = stack.enter_context(listening(model, clips, rows["train"], how.workers))
        length = train.examples[0][1].n_samples
        valid = stack.enter_context(listening(model, clips, rows["valid"], how.workers, length))
        setting = Setting(model, Spectrogram.of(model), clips, train, valid, contamination)
        with (
            torch.random.fork_rng()
        ):  # initial weights are drawn by the seed and leave the caller's numbers alone
            torch.default_generator.manual_seed(how.seed)
            lesson = recipe.prepare(setting, how)
        lesson.learner.to(setting.device)
        learnt = dict(lesson.train(where / "fit", {"training": sha256_json(identity)}))
        lesson.learner.eval()
        tested = _test(lesson, rows["test"])
        made = lesson.tables()
    seconds = time.perf_counter() - started
    account = _account(identity, setting, rows, learnt, tested, seconds)
    _write(recipe, lesson, where, account, made)


@contextmanager
def frozen(model: AudioModel) -> Iterator[None]:
    """Keep the model in evaluation mode and its parameters without gradients; give it back as it was lent."""
    asked = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with lent(model):
        try:
            model.requires_grad_(False)
            yield
        finally:
            for parameter in asked:
                parameter.requires_grad_(True)


def _test(lesson: Learning[Any], rows: NDArray[np.int64]) -> dict[str, Any] | None:
    """Return the measures on the test part, with 95 % intervals over groups; None where there is none."""
    if not rows.size:
        return None
    setting, how = lesson.setting, lesson.config
    with (
        listening(setting.model, setting.clips, rows, how.workers, setting.n_samples) as part,
        torch.no_grad(),
    ):
        found = {name: one.double().cpu().numpy() for name, one in lesson.measures(part).items()}
        groups = setting.clips.table["group"].gather(part.rows).to_list()
        measured = {
            name: {"mean": float(one.mean()), "interval_95": group_interval(one, groups, how.seed)}
            for name, one in found.items()
        }
        counts = {"n_examples": len(part), "failures": [asdict(one) for one in part.cache.failures]}
    return {**measured, **counts}


def _account(
    identity: dict[str, Any],
    setting: Setting,
    rows: Mapping[str, NDArray[np.int64]],
    learnt: dict[str, Any],
    tested: dict[str, Any] | None,
    seconds: float,
) -> dict[str, Any]:
    failures = [asdict(one) for part in (setting.train, setting.valid) for one in part.cache.failures]
    return {
        **identity,
        "spec": setting.clips.spec,
        "parts": {name: int(part.size) for name, part in rows.items()},
        "examples": {"train": len(setting.train), "valid": len(setting.valid)},
        "failures": failures,
        **learnt,
        "test": tested,
        "seconds": round(seconds, 1),
    }


def _write(
    recipe: Trainable, lesson: Learning[Any], where: Path, account: dict[str, Any], made: Mapping[str, Any]
) -> None:
    """Write the explainer, its tables and, last, the account; then drop the checkpoint."""
    kept = {name: account[name] for name in account if name not in ("history", "method", "config", "seconds")}
    recipe.save(lesson, where, {**trained.manifest_of(recipe.name, lesson), "training": kept})
    for name, table in made.items():
        tables.write(where / f"{name}.parquet", table)
    manifest.write(where / ACCOUNT, account)
    shutil.rmtree(where / "fit", ignore_errors=True)
