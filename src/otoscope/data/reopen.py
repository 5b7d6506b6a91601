"""The clips of a run, opened again: the same rows in the same order, read from where the sounds lie.

A run keeps its table and what its source needs (a folder, relative to the run; a rate); no dataset layout is
read again. A class of the caller's own that is no row of :data:`SOURCES` cannot be kept: the stage then wants
the clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.data.clips import Clips, LabelSet, named_or_first
from otoscope.data.source import Source
from otoscope.errors import InputError, StageError
from otoscope.registry import load
from otoscope.store import tables
from otoscope.store.place import is_place, named, relative
from otoscope.store.run import Run

#: name in ``run.json`` -> class of the source
SOURCES: dict[str, str] = {
    "files": "otoscope.data.source:FileSource",
    "sounds": "otoscope.data.sounds:SyntheticSource",
    "notes": "otoscope.data.notes:NoteSource",
    "hub": "otoscope.data.hub_source:HubSource",
    "tar": "otoscope.data.tar_source:TarSource",
    "parquet": "otoscope.data.parquet_source:ParquetSource",
    "mix": "otoscope.data.mixture_source:MixtureSource",
    "contaminated": "otoscope.data.contaminated:PairSource",
}

#: Where a run keeps its clips' labelled onsets, if they have any.
EVENTS = "events.parquet"
_ADDED = ("duration_s", "sample_rate", "status", "reason")


def describe(clips: Clips, run_root: Path) -> dict[str, Any]:
    """Return what a run keeps of its clips, JSON-able: spec, hash, label sets, and how to read them again."""
    return {
        "name": clips.name,
        "spec": clips.spec,
        "hash": clips.content_hash(),
        "n_clips": len(clips),
        "label_sets": [asdict(one) for one in clips.label_sets],
        "group_declared": clips.group_declared,
        "source": _source_to_json(clips.source, run_root),
    }


def _source_to_json(source: object, run_root: Path) -> dict[str, Any] | None:
    for name, target in SOURCES.items():
        if type(source) is load(target):
            fields = {key: value for key, value in vars(source).items() if not key.startswith("_")}
            kept = {key: _portable(value, run_root) for key, value in fields.items()}
            inner = [key for key, value in fields.items() if isinstance(value, Source)]
            return None if any(kept[one] is None for one in inner) else {"kind": name, **kept}
    return None


def _source_from_json(kept: Mapping[str, Any], run_root: Path) -> Source:
    known = {key: _restored(value, run_root) for key, value in kept.items() if key != "kind"}
    made: Source = load(SOURCES[kept["kind"]])(**known)
    return made


def _portable(value: Any, run_root: Path) -> Any:
    if isinstance(value, Source):
        return _source_to_json(value, run_root)
    if not is_place(value):
        return value
    return {"path": relative(value, run_root)}


@dataclass(frozen=True)
class Labels:
    """The label sets of a run's clips, without the sounds.

    Attributes
    ----------
    spec : str
        What the clips were opened from.
    label_sets : tuple of LabelSet
        The first is the primary one.
    """

    spec: str
    label_sets: tuple[LabelSet, ...]

    def label_set(self, name: str | None = None) -> LabelSet:
        """Return the label set called ``name`` (None: the primary one).

        Raises
        ------
        InputError
            If the clips carry no label at all.
        UnknownNameError
            If no label set has that name.
        """
        if not self.label_sets:
            raise InputError(f"{self.spec} carries no labels")
        return named_or_first(self.label_sets, name)


def labels_of(run: Run) -> Labels:
    """Return the label sets of a run's clips; nothing but the run folder is read."""
    kept = run.manifest["data"]
    sets = (LabelSet(one["name"], tuple(one["classes"]), one["kind"]) for one in kept["label_sets"])
    return Labels(kept["spec"], tuple(sets))


def reopen(run: Run, moved: Clips | None = None, *, heard: bool = True) -> Clips:
    """Return the clips of a run, failed ones included.

    Parameters
    ----------
    run : Run
        The run.
    moved : Clips, optional
        The collection where it is now, if it is no longer where the run was recorded.
    heard : bool
        Whether a sound will be read; False = only the table is, so the folder of sounds need not be there.

    Raises
    ------
    StageError
        If the run has no clips yet, or the folder of sounds is no longer there.
    InputError
        If its source cannot be opened again, or ``moved`` holds other clips.
    """
    kept = run.manifest["data"]
    table = run.clips()
    if moved is not None:
        return _same(moved, table, _events(run), kept, run.root)
    source = kept["source"]
    if source is None or source.get("kind") not in SOURCES:
        raise InputError(f"{run.root} does not say how to read {kept['spec']} again: pass the clips (--data)")
    for folder in _folders(source, run.root):
        if heard and not folder.exists():
            raise StageError(
                f"the sounds of {kept['spec']} are no longer at {folder}: move them back, or say where they are now "
                "(--data)"
            )
    return Clips(
        kept["name"],
        kept["spec"],
        table.drop(_ADDED, strict=False).with_columns(pl.col("row").cast(pl.Int64)),
        labels_of(run).label_sets,
        _source_from_json(source, run.root),
        events=_events(run),
        group_declared=kept["group_declared"],
    )


def _same(
    moved: Clips, table: pl.DataFrame, events: pl.DataFrame | None, kept: Mapping[str, Any], root: Path
) -> Clips:
    """Return the clips of ``moved`` that have the ids of a run, in its order, with its label sets and events.

    Raises
    ------
    InputError
        If one is missing, or a file or label is not what was recorded.
    """
    ids = table["id"].to_list()
    place = {one: row for row, one in enumerate(moved.table["id"])}
    missing = [one for one in ids if one not in place]
    if missing:
        raise InputError(
            f"{moved.spec} lacks {len(missing)} of the {len(ids)} clips of {root}, such as {missing[0]!r}: "
            f"name the collection it was recorded on, {kept['spec']}, where it is now"
        )
    found = _labelled_as_recorded(moved.take([place[one] for one in ids]), table, kept)
    found = found if events is None else replace(found, events=events)
    if not _unchanged(found, kept):
        raise InputError(
            f"{moved.spec} holds the clips of {root}, but a file's size, a segment or a label has changed since: "
            f"record again, into another folder"
        )
    return found


def _unchanged(found: Clips, kept: Mapping[str, Any]) -> bool:
    """Return whether clips are those that were recorded; the clips of a merged run, part by part."""
    start = 0
    for part in kept.get("parts") or [{**kept, "n_clips": len(found)}]:
        rows = range(start, start := start + part["n_clips"])
        if found.take(list(rows)).content_hash() != part["hash"]:
            return False
    return True


def _events(run: Run) -> pl.DataFrame | None:
    return tables.read(run.root / EVENTS) if (run.root / EVENTS).is_file() else None


def _labelled_as_recorded(found: Clips, table: pl.DataFrame, kept: Mapping[str, Any]) -> Clips:
    """Return ``found`` with the run's label sets: those that it lacks (derived ones) are taken from the run's table."""
    sets = tuple(LabelSet(one["name"], tuple(one["classes"]), one["kind"]) for one in kept["label_sets"])
    lacking = [one.name for one in sets if one.name not in found.table.columns]
    return replace(found, table=found.table.with_columns(table[one] for one in lacking), label_sets=sets)


def _folders(source: Mapping[str, Any], run_root: Path) -> list[Path]:
    """Return every folder that a source, or the source within it, reads from."""
    found: list[Path] = []
    for value in source.values():
        if isinstance(value, dict):
            found += _folders(value, run_root) if "kind" in value else [_restored(value, run_root)]
    return found


def _restored(value: Any, run_root: Path) -> Any:
    if isinstance(value, dict) and "kind" in value:
        return _source_from_json(value, run_root)
    if isinstance(value, dict) and "path" in value:
        return named(value["path"], run_root)
    return value
