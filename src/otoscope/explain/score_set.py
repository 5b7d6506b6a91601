"""The score-explanations stage: explanations of a set of clips beside every control, as tables.

For each method: the measures of :mod:`otoscope.explain.score` with intervals over groups, seconds a clip, training
time, the randomisation sanity check (:mod:`otoscope.explain.randomise`) on some clips, how often a method's own head
names the network's class, and, where it is asked for, AUPRC fidelity over classes (:mod:`otoscope.explain.fidelity`).
The clips may be contaminated at a stated SNR, seeded per clip; then the share of the passed energy that is the target's
is known.

Tables go to a folder, or to ``explanation_scores/<hash8>/`` of a run (:mod:`otoscope.store.explanation_scores`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.contaminate import KINDS, Contaminator
from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.explain.fidelity import auprc_fidelity, head_fidelity
from otoscope.explain.methods import Method, methods
from otoscope.explain.mixed import contaminated, with_parts
from otoscope.explain.randomise import cascade
from otoscope.explain.score import ScoreConfig, heard, scored
from otoscope.explain.sounds import Sounds
from otoscope.explain.squashing import settled
from otoscope.explain.summary import summarise
from otoscope.metrics import bootstrap
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.store import explanation_scores as store
from otoscope.store.hashing import hash8, sha256_json
from otoscope.store.run import open_run

VERSION = 1


class ScoreSetConfig(ScoreConfig):
    """Which methods are scored, on what.

    Attributes
    ----------
    methods : tuple of str
        As for ``otoscope explain``; empty: those of the folders.
    options : dict
        Options of the methods, by ``method.option``.
    contamination : str or None
        ``white``, ``clip``, ``speech`` or ``noise``: what is added to every clip.
    snr_db : float
        Energy of the clip above that of the contaminant.
    contaminants : str or None
        Collection of speech or noise; for ``clip`` the scored collection itself.
    sanity_clips : int
        Clips of the randomisation check; 0: none.
    label_fidelity : bool
        Also AUPRC fidelity over classes.
    threshold : float
        Above which the network names a class there.
    replicates : int
        Of the bootstrap over groups.
    """

    methods: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    removals: tuple[str, ...] = ("zero",)
    curves: bool = True
    contamination: str | None = None
    snr_db: float = 0.0
    contaminants: str | None = None
    sanity_clips: int = Field(4, ge=0)
    label_fidelity: bool = False
    threshold: float = Field(0.5, ge=0, lt=1)
    replicates: int = Field(1000, ge=2)
    entry: Literal["sound", "magnitude"] = "sound"

    @model_validator(mode="after")
    def _contamination(self) -> Self:
        if self.contamination is not None and self.contamination not in KINDS:
            raise UnknownNameError.of("contamination", self.contamination, KINDS)
        if self.contamination in ("speech", "noise") and self.contaminants is None:
            raise InputError(
                f"contamination {self.contamination!r} is drawn from a collection: give contaminants, such as fsdd:PATH"
            )
        return self

    def scoring(self) -> ScoreConfig:
        """Return the part that :func:`otoscope.explain.score.scored` takes."""
        return ScoreConfig(**{name: getattr(self, name) for name in ScoreConfig.model_fields})


def score_explanations(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str | None,
    config: ScoreSetConfig | Mapping[str, Any] | None = None,
    *,
    rows: Sequence[int] | None = None,
    explainers: Sequence[Path | str] = (),
    to: str = "parquet",
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

    Raises
    ------
    InputError, UnknownNameError, EmptyDataError
        If methods, clips or contaminants cannot be used.
    ModelError
        If ``out`` is a run of another network.
    """
    model, clips = model_of(model), clips_of(clips)
    how = settled(ScoreSetConfig.of(config), model)
    found = methods(how.methods, explainers, how.options, model)
    identity = _identity(model, clips, how, found, rows)
    folder = _folder(Path(out), identity) if out is not None else None
    if folder is not None and (folder / store.MANIFEST).is_file():
        there = store.read(folder)
        if there.about.get("hash") == sha256_json(identity):
            return there
    tables, counts = _measured(model, clips, how, found, rows)
    about = {**identity, **counts, "hash": sha256_json(identity)}
    if folder is None:
        raise InputError("say where the tables go (--out)")
    return store.write(folder, about, tables, to)


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
        "config": how.model_dump(mode="json", exclude={"batch_size", "contaminants"}),
    }


def named(found: Sequence[Method]) -> dict[str, Method]:
    """Return the methods by their name in tables; several of one name are numbered."""
    names = [one.name for one in found]
    return {
        f"{one.name}-{names[: place + 1].count(one.name)}" if names.count(one.name) > 1 else one.name: one
        for place, one in enumerate(found)
    }


def sounds_of(
    model: AudioModel, clips: Clips, how: ScoreSetConfig, rows: Sequence[int] | None = None
) -> tuple[Sounds, pl.DataFrame]:
    """Return the sounds that are scored, contaminated where that is asked for, and one row a clip about them."""
    sounds = with_parts(Sounds.of(clips, model, rows), clips, model)
    places = sounds.rows if sounds.rows is not None else np.arange(len(sounds))
    about = clips.table[places].select("row", "id", "group").with_columns(clip=pl.int_range(len(places)))
    if how.contamination is None:
        return sounds, about
    drawn = None if how.contamination == "white" else clips
    if how.contaminants is not None:
        drawn = clips_of(how.contaminants)
    add = Contaminator(how.contamination, model.sample_rate, drawn, how.seed)
    dirty, added = contaminated(sounds, clips, add, how.snr_db)
    kept = pl.DataFrame({"row": dirty.rows, "added": [one.source for one in added]})
    return dirty, kept.join(about.drop("clip"), on="row", how="left", maintain_order="left").with_row_index(
        "clip"
    )


def _measured(
    model: AudioModel, clips: Clips, how: ScoreSetConfig, found: Sequence[Method], rows: Sequence[int] | None
) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    """Return the tables by name, and what is counted."""
    sounds, about = sounds_of(model, clips, how, rows)
    explainers = {name: one.explainer for name, one in named(found).items()}
    result = scored(model, sounds, explainers, how.scoring())
    tables = {
        "scores": result.table.join(_keys(about), on="clip", how="left", maintain_order="left"),
        "summary": summarise(result.table, sounds.groups, replicates=how.replicates, seed=how.seed),
    }
    sanity = _sanity(model, sounds, explainers, how)
    if sanity.height:
        tables["sanity"] = sanity
    if how.label_fidelity:
        how_each = how.scoring().model_copy(update={"activation": "sigmoid"})
        tables["fidelity"] = auprc_fidelity(model, sounds, explainers, how_each, threshold=how.threshold)
    tables["methods"] = _about_methods(model, sounds, named(found), result.seconds, sanity, how)
    return tables, _counts(sounds, clips)


def _keys(about: pl.DataFrame) -> pl.DataFrame:
    """Return what tells the clips of a table apart: place, row, id, group, and what was added to it."""
    added = [one for one in ("added",) if one in about.columns]
    return about.select(pl.col("clip").cast(pl.Int64), "row", "id", "group", *added)


def _about_methods(
    model: AudioModel,
    sounds: Sounds,
    found: Mapping[str, Method],
    seconds: Mapping[str, float],
    sanity: pl.DataFrame,
    how: ScoreSetConfig,
) -> pl.DataFrame:
    """Return one row a method: seconds, sanity check, fidelity of its own head."""
    with lent(model):
        output = heard(model, sounds, how.batch_size)
    rows = [
        {
            "method": name,
            "seconds_per_clip": seconds[name],
            "training_s": one.training_s,
            **_forgotten(sanity, name),
            **_head(one, model, sounds, output, how),
        }
        for name, one in found.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _counts(sounds: Sounds, clips: Clips) -> dict[str, Any]:
    return {
        "n_clips": len(sounds),
        "n_groups": len(set(sounds.groups)),
        "n_failed": len(sounds.failures),
        "failures": [asdict(one) for one in sounds.failures],
        "group_declared": clips.group_declared,
        "events_known": sounds.events is not None,
        "parts_known": sounds.parts is not None,
    }


def _sanity(
    model: AudioModel, sounds: Sounds, explainers: Mapping[str, Any], how: ScoreSetConfig
) -> pl.DataFrame:
    """Return the rank correlation with the first explanation per method, clip and randomised module."""
    some = np.unique(np.linspace(0, len(sounds) - 1, min(how.sanity_clips, len(sounds))).round().astype(int))
    if not how.sanity_clips:
        return pl.DataFrame()
    waveform = torch.from_numpy(sounds.waveforms[some]).to(device_of(model))
    rows = []
    for name, one in track(list(explainers.items()), len(explainers), "randomising weights"):
        for place, (module, values) in enumerate(cascade(one, model, waveform, seed=how.seed).items()):
            rows += [
                {
                    "method": name,
                    "clip": int(clip),
                    "step": place,
                    "module": module,
                    "correlation": float(value),
                }
                for clip, value in zip(some, values, strict=True)
            ]
    return pl.DataFrame(rows)


def _forgotten(sanity: pl.DataFrame, name: str) -> dict[str, float | None]:
    """Return the mean correlation when every module is randomised, and over all steps."""
    if not sanity.height:
        return {"sanity": None, "sanity_all_steps": None}
    own = sanity.filter(method=name).with_columns(pl.col("correlation").fill_nan(None))
    last = own.filter(pl.col("step") == own["step"].max())["correlation"].mean()
    return {"sanity": _number(last), "sanity_all_steps": _number(own["correlation"].mean())}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _head(
    one: Method, model: AudioModel, sounds: Sounds, output: NDArray[np.float64], how: ScoreSetConfig
) -> dict[str, float]:
    """Return top-k fidelity of a method's own head, with 95 % intervals over groups; empty without a head."""
    with lent(model):
        found = head_fidelity(one.explainer, model, sounds, output, how.batch_size)
    row: dict[str, float] = {}
    for name, values in found.items():
        ends = bootstrap.interval(
            partial(_weighted, values), np.asarray(sounds.groups), n_replicates=how.replicates, seed=how.seed
        )
        row |= {name: float(values.mean()), f"{name}_low": float(ends[0]), f"{name}_high": float(ends[1])}
    return row


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weights @ values / weights.sum(axis=1))
