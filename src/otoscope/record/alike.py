"""May these runs be merged? Only recordings of one network, made in one way, of different clips.

Weights (by hash), rate, clip length, classes, layers with their pooling and geometry, number type and every choice of
the recording must be equal, except :data:`FREE`: what was asked for by name (the layers it gave are compared), what
decides speed, and how much sound is kept. No clip may come twice, neither by its id nor by the file and segment that
it is read from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from otoscope.errors import InputError, StageError
from otoscope.store.hashing import canonical_json
from otoscope.store.place import named
from otoscope.store.run import Run, read_stage

FREE = ("layers", "batch_size", "block", "evidence_clips", "evidence_max_s")
"""Choices of a recording that may differ; the first run's hold for the merged one."""
_NETWORK = ("weights_hash", "sample_rate", "classes", "clip_length")
_SHOWN = 60


def refuse_unlike(runs: Sequence[Run]) -> None:
    """Raise where runs are not recordings of one network made in one way.

    Raises
    ------
    InputError
        If there are fewer than two, or two differ: in what, and how.
    StageError
        If one is not recorded to its end.
    """
    if len(runs) < 2:
        raise InputError(f"merging takes two runs or more, got {len(runs)}")
    for run in runs:
        if read_stage(run, "record") is None:
            raise StageError(f"{run.root} is not recorded to its end: the same otoscope record continues it")
    first, *others = ((run, _made(run)) for run in runs)
    for run, made in others:
        differ = [key for key in {**first[1], **made} if first[1].get(key) != made.get(key)]
        if differ:
            listed = "; ".join(
                f"{key} ({_short(first[1].get(key))}, {_short(made.get(key))})" for key in differ
            )
            raise InputError(
                f"{first[0].root} and {run.root} cannot be merged: they differ in {listed}. Runs to be merged are "
                "recordings of one network with the same choices, of different clips"
            )


def _made(run: Run) -> dict[str, Any]:
    """Return what must be equal, by name."""
    content = run.manifest
    found = {f"model.{key}": content["model"].get(key) for key in _NETWORK}
    found |= {f"record.{key}": value for key, value in content["record"].items() if key not in FREE}
    layers = content["layers"]
    found["layers"] = [one["name"] for one in layers]
    for key in ("n_neurons", "pooling", "module", "geometry"):
        found |= {f"{key} of {one['name']}": one.get(key) for one in layers}
    events = content.get("events", {})
    return found | {f"events.{key}": events.get(key) for key in ("policy", "layers", "layers_approximate")}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def refuse_same_clips(runs: Sequence[Run]) -> None:
    """Raise where a clip comes twice.

    Raises
    ------
    InputError
        By id, or by the file and segment that it is read from.
    """
    everything = pl.concat(_named(run) for run in runs)
    for column, said in (("id", "id"), ("sound", "file and segment")):
        twice = everything.filter(pl.col(column).is_duplicated())
        if twice.height:
            one = twice.filter(pl.col(column) == twice[column][0])
            where = " and ".join(dict.fromkeys(one["run"]))
            raise InputError(
                f"the same clip comes twice: {one['id'][0]!r} stands in {where} ({twice[column].n_unique()} clips have "
                f"the {said} of another). Merge runs of different clips, such as folds or shards of one collection"
            )


def _named(run: Run) -> pl.DataFrame:
    """Return each clip's id, and what it is read from."""
    sound = pl.concat_str(pl.lit(_root(run)), "path", "start_s", "end_s", separator="|", ignore_nulls=True)
    return run.clips().select("id", run=pl.lit(str(run.root)), sound=sound)


def _root(run: Run) -> str:
    """Return what tells the sources of two runs apart; the run itself where that is not known."""
    source = run.manifest["data"].get("source")
    if source is None:
        return str(run.root)
    folders = {
        key: str(named(value["path"], run.root)) if isinstance(value, dict) and "path" in value else value
        for key, value in source.items()
    }
    return canonical_json(folders)
