"""A set is scored round by round, and its parts become tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError
from otoscope.explain.cases import Cases, no_case
from otoscope.explain.fidelity import STAND_INS, evaluated, truth_of
from otoscope.explain.judge import probabilities
from otoscope.explain.score import lenders
from otoscope.explain.score_set_explaining import Explaining
from otoscope.explain.score_set_files import Summary, merge
from otoscope.explain.score_set_scoring import Scoring
from otoscope.explain.score_set_work import Forgetting, Measuring, SetJob
from otoscope.explain.summary import summarise
from otoscope.metrics import bootstrap
from otoscope.store import tables, tensors
from otoscope.work import blocks
from otoscope.work.engine import Engine, Work, session
from otoscope.work.engine import run as run_blocks


@dataclass(frozen=True)
class Whole:
    """All parts of a set, on the disk.

    Attributes
    ----------
    job : SetJob
    names : tuple of str
        Of the methods, as they stand in tables.
    heard, scored, sanity : Summary
        Of the rounds.
    """

    job: SetJob
    names: tuple[str, ...]
    heard: Summary
    scored: Summary = field(default_factory=lambda: Summary({}))
    sanity: Summary = field(default_factory=lambda: Summary({}))

    @property
    def clips(self) -> NDArray[np.int64]:
        """Position of each clip that was heard, ``(place,)``."""
        return self.heard.arrays["clips"]

    @cached_property
    def groups(self) -> list[Any]:
        """Group of each clip that was heard."""
        return self.job.sounds.table(self.clips)["group"].to_list()

    @property
    def cases(self) -> Cases:
        """What is explained, clips by place; without probabilities."""
        positions, targets = self.heard.arrays["cases"].T
        return Cases(np.searchsorted(self.clips, positions), targets, np.zeros((0, 0)))

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds that each method took to explain a case: a clock reading."""
        total = self.heard.arrays["seconds"].sum(axis=0) / len(self.heard.arrays["cases"])
        return dict(zip(self.names, total.tolist(), strict=True))

    @cached_property
    def output(self) -> NDArray[np.float64]:
        """What the network says of every clip, ``(place, class)``."""
        paths = (self.job.files.heard(one) for one in range(-(-len(self.job.sounds) // self.job.how.block)))
        return np.concatenate([tensors.read(one)["output"] for one in paths if one.is_file()])

    @cached_property
    def truth(self) -> NDArray[np.bool_]:
        """What the network names, ``(place, class)``; EmptyDataError where that is nothing."""
        return truth_of(probabilities(self.output, "sigmoid"), self.job.how.threshold)


def compute(job: SetJob, names: Sequence[str], engine: Engine | Mapping[str, Any] | None) -> Whole:
    """Compute what is missing of a set and return all of it.

    Raises
    ------
    EmptyDataError
        If no clip can be heard, or none has a class to explain; the parts are then of no use.
    """
    how = job.how
    with session(engine):
        if job.model.clip_length.length_s is None:
            longest = _round("lengths", Measuring(job), len(job.sounds), engine).arrays["longest"].max()
            job = replace(job, sounds=replace(job.sounds, n_samples=int(longest) or None))
        whole = Whole(job, tuple(names), _round("explained", Explaining(job), len(job.sounds), engine))
        _check(whole)
        chosen = whole.cases
        scoring = Scoring(job, whole.names, whole.clips, chosen, lenders(chosen, whole.groups, how))
        whole = replace(whole, scored=_round("scored", scoring, len(job.sounds), engine))
        if not how.sanity_clips:
            return whole
        n = len(whole.clips)
        some = np.unique(np.linspace(0, n - 1, min(how.sanity_clips, n)).round().astype(np.int64))
        forgetting = Forgetting(job, whole.names, whole.clips[some], some)
        return replace(whole, sanity=_round("sanity", forgetting, len(names), engine, size=1))


def _round(
    kind: str, work: Work, n_rows: int, engine: Engine | Mapping[str, Any] | None, size: int | None = None
) -> Summary:
    job: SetJob = work.job  # type: ignore[attr-defined]
    plan = blocks.plan(n_rows, size or job.how.block)
    return Summary.fold(run_blocks(plan, job.files.summaries(kind), work, merge, engine))


def _check(whole: Whole) -> None:
    """Raise where nothing can be scored."""
    sounds, failures = whole.job.sounds, whole.heard.failures
    if not whole.clips.size:
        why = f": {failures[0].id}: {failures[0].reason}" if failures else ""
        raise EmptyDataError(f"none of the {len(sounds)} clips of {sounds.clips.spec} can be heard{why}")
    if not len(whole.cases):
        raise no_case(whole.job.how.target)
    if whole.job.how.label_fidelity:
        whole.truth.any()


def tables_of(whole: Whole) -> dict[str, pl.DataFrame]:
    """Return the tables of a set by name."""
    how = whole.job.how
    scores = _scores(whole)
    about = [one for one in ("row", "id", "group", "added") if one in scores.columns]
    made = {
        "scores": scores,
        "summary": summarise(scores.drop(about), whole.groups, replicates=how.replicates, seed=how.seed),
    }
    paths = [whole.job.files.sanity(one) for one in range(len(whole.names))]
    sanity = [tables.read(one) for one in paths if how.sanity_clips and one.is_file()]
    if sanity:
        made["sanity"] = pl.concat(sanity)
    said = _said(whole)
    if how.label_fidelity:
        made["fidelity"] = _fidelity(whole, said)
    made["methods"] = _methods(whole, made.get("sanity", pl.DataFrame()), said)
    return made


def _scores(whole: Whole) -> pl.DataFrame:
    """Return the rows of all blocks, a method after the other."""
    paths = (whole.job.files.scores(one) for one in range(-(-len(whole.job.sounds) // whole.job.how.block)))
    found = pl.concat([tables.read(one) for one in paths if one.is_file()], how="vertical_relaxed")
    empty = [name for name, kind in found.schema.items() if kind == pl.Null]
    kinds = {name: pl.String if name in ("control", "group", "added") else pl.Float64 for name in empty}
    return pl.concat([found.filter(method=one) for one in whole.names]).cast(kinds)  # type: ignore[arg-type]


def _said(whole: Whole) -> dict[str, NDArray[Any]]:
    """Return what heads and stand-ins say of all clips; empty where nothing is asked of them."""
    paths = (whole.job.files.said(one) for one in range(-(-len(whole.job.sounds) // whole.job.how.block)))
    parts = [tensors.read(one) for one in paths if one.is_file()]
    return {name: np.concatenate([one[name] for one in parts]) for name in (parts[0] if parts else ())}


def _fidelity(whole: Whole, said: Mapping[str, NDArray[Any]]) -> pl.DataFrame:
    """Return one row per method and stand-in."""
    there, seed = said["clips"], whole.job.how.seed
    truth, groups = whole.truth[there], [whole.groups[one] for one in there]
    keys = {
        (method, name): said.get(f"{number}.stand-in.{name}")
        for number, method in enumerate(whole.names)
        for name in STAND_INS
    }
    return pl.DataFrame(
        {"method": method, "stand_in": name, **evaluated(truth, scores, groups, seed)}
        for (method, name), scores in keys.items()
        if scores is not None
    )


def _methods(whole: Whole, sanity: pl.DataFrame, said: Mapping[str, NDArray[Any]]) -> pl.DataFrame:
    """Return one row a method: training, sanity check, fidelity of its own head."""
    rows = [
        {
            "method": name,
            "training_s": one.training_s,
            **_forgotten(sanity, name),
            **_head(whole, f"{number}.head.", said),
        }
        for number, (name, one) in enumerate(zip(whole.names, whole.job.methods, strict=True))
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _forgotten(sanity: pl.DataFrame, name: str) -> dict[str, float | None]:
    """Return the mean correlation when every module is randomised, and over all steps."""
    own = sanity.filter(method=name) if sanity.height else sanity
    if not own.height:
        return {"sanity": None, "sanity_all_steps": None}
    own = own.with_columns(pl.col("correlation").fill_nan(None))
    last = own.filter(pl.col("step") == own["step"].max())["correlation"].mean()
    return {"sanity": _number(last), "sanity_all_steps": _number(own["correlation"].mean())}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _head(whole: Whole, prefix: str, said: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Return top-k fidelity of a method's own head, with 95 % intervals over groups; empty without a head."""
    how = whole.job.how
    row: dict[str, float] = {}
    for key, values in said.items():
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            groups = np.asarray([whole.groups[one] for one in said["clips"]])
            ends = bootstrap.interval(
                partial(_weighted, values), groups, n_replicates=how.replicates, seed=how.seed
            )
            row |= {name: float(values.mean()), f"{name}_low": float(ends[0]), f"{name}_high": float(ends[1])}
    return row


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(weights @ values / weights.sum(axis=1))


def counts_of(whole: Whole) -> dict[str, Any]:
    """Return what ``scores.json`` counts."""
    sounds = whole.job.sounds
    lost = {one.id for one in whole.scored.failures}
    there = [group for group, one in zip(whole.groups, sounds.table(whole.clips)["id"]) if one not in lost]
    failures = (*whole.heard.failures, *whole.scored.failures, *whole.sanity.failures)
    events, parts = (bool(one) for one in np.any(whole.heard.arrays["known"], axis=0))
    return {
        "n_clips": len(there),
        "n_groups": len(set(there)),
        "n_failed": len(failures),
        "failures": [asdict(one) for one in failures],
        "group_declared": sounds.clips.group_declared,
        "events_known": events,
        "parts_known": parts,
    }
