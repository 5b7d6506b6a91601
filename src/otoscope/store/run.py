"""The run folder: what a run is, where its parts lie, and which stages are done.

Layout (format 1, paths relative to the folder)::

    run.json                     the identity of the run, written once, no clock inside
    stages/<name>.json           written last by each stage: its commit marker
    clips.parquet                one row a clip
    events.parquet               labelled onsets, where the collection has them
    neurons.parquet              one row a neuron
    activations/<layer>.zarr     pooled (clip, neuron)
    counts/<layer>.zarr          positive positions (clip, neuron)
    positions.zarr               positions (clip, layer)
    evidence/<layer>.safetensors ranked clips, peaks, traces, histograms
    evidence/clips/<row>.mp3     each ranked clip once
    captions/, descriptions/     one table per captioner or method
    log.jsonl                    times; never part of a comparison

A stage is done when its marker exists with the hash that its config and inputs give now.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl

from otoscope.errors import FormatError, InputError, StageError, StoreError, UnknownNameError
from otoscope.store import arrays, manifest, tables, tensors
from otoscope.store.atomic import write_text
from otoscope.store.hashing import canonical_json, hash8, sha256_json
from otoscope.store.place import is_remote, place

FORMAT_VERSION = 1
POSITIONS = "positions.zarr"
"""Positions per clip and layer."""

STAGE_COMMANDS = {"captions": "otoscope caption", "descriptions": "otoscope describe"}
"""Kind of table -> command that writes it."""

PLACES = {"model": ("weights_hash", ("spec", "path")), "data": ("hash", ("spec", "source"))}
"""Part of an identity -> the hash that says what it is, and what only says where it lies: both may have moved."""


@dataclass(frozen=True)
class LayerRecord:
    """One recorded layer, as ``run.json`` holds it.

    Attributes
    ----------
    name : str
        Module path plus selector; ``logits`` for the network's output.
    n_neurons : int
        Width of the layer.
    first_neuron : int
        Global number of its neuron 0: ``neuron = first_neuron + index``.
    pooling : str
        How positions became one value per clip.
    geometry : dict or None
        The layer's axes and token grid.
    """

    name: str
    n_neurons: int
    first_neuron: int
    pooling: str
    geometry: dict[str, Any] | None


@dataclass(frozen=True)
class Run:
    """An existing run folder.

    Attributes
    ----------
    root : Path
        The folder.
    """

    root: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The content of ``run.json``."""
        return manifest.read(self.root / "run.json")

    @cached_property
    def layers(self) -> tuple[LayerRecord, ...]:
        """The recorded layers in forward order."""
        first, found = 0, []
        for entry in self.manifest["layers"]:
            found.append(
                LayerRecord(entry["name"], entry["n_neurons"], first, entry["pooling"], entry.get("geometry"))
            )
            first += entry["n_neurons"]
        return tuple(found)

    def layer(self, name: str) -> LayerRecord:
        """Return the layer called ``name``; an unknown one raises with the nearest names."""
        for one in self.layers:
            if one.name == name:
                return one
        raise UnknownNameError.of("layer", name, [one.name for one in self.layers])

    def clips(self) -> pl.DataFrame:
        """Return ``clips.parquet``: one row a clip, failed ones included."""
        return self._recorded("clips.parquet")

    def neurons(self) -> pl.DataFrame:
        """Return ``neurons.parquet``: one row a neuron, with its moments."""
        return self._recorded("neurons.parquet")

    def _recorded(self, name: str) -> pl.DataFrame:
        self._check_recorded(name)
        return tables.read(self.root / name)

    def _check_recorded(self, name: str) -> None:
        if not (self.root / name).is_file():
            raise StageError(
                f"{self.root} is not recorded to its end, there is no {name}: the same otoscope record or dissect "
                "that began it continues it"
            )

    def usable_rows(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the rows (int64) of the clips that did not fail."""
        good = self.clips().filter(pl.col("status") == "ok")
        return good["row"].to_numpy().astype(np.int64)

    def activations(
        self, layer: str, neurons: slice = slice(None), rows: Any = None
    ) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return pooled activations ``(clip, neuron)`` float32 of a layer, NaN where a clip failed.

        Parameters
        ----------
        layer : str
            A recorded layer.
        neurons : slice
            Columns to read; all by default.
        rows : array of int or None
            Rows to keep; all by default.
        """
        self.layer(layer)
        whole = arrays.open_array(self.root / "activations" / f"{file_name(layer)}.zarr")
        block = np.asarray(whole[:, neurons], dtype=np.float32)
        return block if rows is None else block[np.asarray(rows)]

    def has_activations(self, layer: str) -> bool:
        """Return whether pooled activations of the layer are kept (``--store pooled``)."""
        return (self.root / "activations" / f"{file_name(layer)}.zarr").is_dir()

    def counts(self, layer: str, neurons: slice = slice(None)) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """Return the positive positions ``(clip, neuron)`` uint32 of a layer."""
        self.layer(layer)
        whole = arrays.open_array(self.root / "counts" / f"{file_name(layer)}.zarr")
        return np.asarray(whole[:, neurons], dtype=np.uint32)

    def positions(self, layer: str) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """Return how many positions each clip had in a layer ``(clip,)`` uint32."""
        place = self.layers.index(self.layer(layer))
        return np.asarray(arrays.open_array(self.root / POSITIONS)[:, place])

    def evidence(self, layer: str) -> dict[str, np.ndarray[Any, Any]]:
        """Return the ranked clips, peaks, traces and histograms of a layer (see the format page)."""
        self.layer(layer)
        return tensors.read(self.root / "evidence" / f"{file_name(layer)}.safetensors")

    def listing(self, kind: str) -> dict[str, Path]:
        """Return the tables of a kind (``captions``, ``descriptions``) by name, sorted."""
        return {path.stem: path for path in sorted((self.root / kind).glob("*.parquet"))}

    def table(self, kind: str, name: str | None = None) -> tuple[str, pl.DataFrame]:
        """Return one table of a kind and its name.

        Parameters
        ----------
        kind : str
            ``captions`` or ``descriptions``.
        name : str or None
            Its name, or the beginning of one that fits a single table; None where there is only one.

        Raises
        ------
        StageError
            If there is none of that kind.
        UnknownNameError
            If the name fits none, or more than one.
        """
        found = self.listing(kind)
        if not found:
            self._check_recorded("clips.parquet")
            raise StageError(
                f"{self.root} holds no {kind} yet: {STAGE_COMMANDS[kind]} {self.root} writes them"
            )
        fits = [one for one in found if name is None or one == name] or [
            one for one in found if one.startswith(str(name))
        ]
        if len(fits) != 1:
            raise UnknownNameError.of(f"table of {kind}", name or "(none named)", found)
        return fits[0], tables.read(found[fits[0]])

    def log(self, event: str, **details: Any) -> None:
        """Append one line to ``log.jsonl`` with the time."""
        line = json.dumps({"time": time.time(), "event": event, **details}, ensure_ascii=False, default=str)
        path = self.root / "log.jsonl"
        if is_remote(path):  # object stores do not append
            before = path.read_text(encoding="utf-8") if path.is_file() else ""
            write_text(path, before + line + "\n")
            return
        with path.open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")


def file_name(layer: str) -> str:
    """Return the file name that stands for a layer: percent-encoded, so that every name is one safe file.

    Examples
    --------
    >>> file_name("encoder/layers.0[0]")
    'encoder%2Flayers.0%5B0%5D'
    """
    return quote(layer, safe="._-")


def create(root: Path, identity: Mapping[str, Any]) -> Run:
    """Return the run at ``root`` with this identity, made if it is not there.

    Where the network or the sounds have moved since, ``run.json`` names their new places from now on.

    Raises
    ------
    InputError
        If the folder holds something else, or is a file.
    StageError
        If it holds a run with another identity: the differing keys are named. Where the model or the sounds lie is no
        part of it, as long as their hashes are equal.
    StoreError
        If the folder cannot be made.
    """
    there = find(root, identity)
    if there is not None:
        return _moved(there, _content(identity))
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {root}: {error.strerror}") from error
    manifest.write(root / "run.json", _content(identity))
    return Run(root)


def find(root: Path, identity: Mapping[str, Any]) -> Run | None:
    """Return the run with this identity at ``root``, None where nothing is; errors as :func:`create`."""
    if (root / "run.json").is_file():
        run = open_run(root)
        _same_identity(run, _content(identity))
        return run
    if root.is_dir() and any(root.iterdir()):
        raise InputError(f"{root} is not empty and is not a run: choose another folder with --out")
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file: choose another folder with --out")
    return None


def _content(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, **json.loads(canonical_json(dict(identity)))}


def _same_identity(run: Run, content: dict[str, Any]) -> None:
    here, asked = _what(run.manifest), _what(content)
    if here == asked:
        return
    changed = sorted(key for key in {*here, *asked} if here.get(key) != asked.get(key))
    raise StageError(
        f"{run.root} already holds another run: it differs in {', '.join(changed)}. "
        "Give another --out, or remove the folder."
    )


def _moved(run: Run, content: dict[str, Any]) -> Run:
    """Return the run with the places that are known now; what is an object in memory has none."""
    changed = dict(run.manifest)
    for part, (_, places) in PLACES.items():
        here, now = run.manifest.get(part), content.get(part)
        if isinstance(here, dict) and isinstance(now, dict) and all(now.get(one, True) for one in places):
            kept = {key: value for key, value in here.items() if key not in places}
            changed[part] = {**kept, **{key: now[key] for key in places if key in now}}
    if changed == run.manifest:
        return run
    manifest.write(run.root / "run.json", changed)
    return Run(run.root)


def _what(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return an identity without the places of what a hash identifies; options of a collection stay."""
    found = dict(identity)
    for part, (digest, places) in PLACES.items():
        content = found.get(part)
        if isinstance(content, dict) and content.get(digest):
            kept = {key: value for key, value in content.items() if key not in places}
            options = str(content.get("spec", "")).partition("?")[2] if part == "data" else ""
            found[part] = {**kept, "options": options}
    return found


def open_run(root: Run | Path | str) -> Run:
    """Return the run at ``root``; a run that is open already, as it is.

    Raises
    ------
    InputError
        If there is no run there.
    FormatError
        If it was written by a newer version of the format.
    """
    if isinstance(root, Run):
        return root
    if not isinstance(root, str) and not hasattr(root, "joinpath"):
        raise InputError(f"a run is its folder or what record returned, got {type(root).__name__} {root!r}")
    folder = place(root)
    if not (folder / "run.json").is_file():
        raise InputError(
            f"{folder} is not a run: there is {'no run.json in it' if folder.is_dir() else 'no such folder'}"
        )
    run = Run(folder)
    version = run.manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise FormatError(f"{folder}/run.json names no format version (got {version!r})")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"{folder} is a run of format {version}; this Otoscope reads up to {FORMAT_VERSION}: update Otoscope"
        )
    return run


def stage_hash(name: str, version: int, config: Any, inputs: Any) -> str:
    """Return the hash that identifies a stage's work: config, input hashes and the stage's version."""
    return sha256_json({"stage": name, "version": version, "config": config, "inputs": inputs})


def commit_stage(
    run: Run, name: str, version: int, config: Any, inputs: Any, outputs: list[str], notes: Any = None
) -> None:
    """Write a stage's marker: it is done from now on."""
    content = {
        "stage": name,
        "version": version,
        "config": config,
        "inputs": inputs,
        "hash": stage_hash(name, version, config, inputs),
        "outputs": outputs,
        "notes": notes if notes is not None else {},
    }
    manifest.write(run.root / "stages" / f"{name}.json", content)


def read_stage(run: Run, name: str) -> dict[str, Any] | None:
    """Return a stage's marker, or None where it is not done."""
    path = run.root / "stages" / f"{name}.json"
    return manifest.read(path) if path.is_file() else None


def is_done(run: Run, name: str, version: int, config: Any, inputs: Any) -> bool:
    """Return whether the stage is done with this config on these inputs and its outputs are there."""
    marker = read_stage(run, name)
    if marker is None or marker.get("hash") != stage_hash(name, version, config, inputs):
        return False
    return all((run.root / output).exists() for output in marker["outputs"])


__all__ = [
    "FORMAT_VERSION",
    "POSITIONS",
    "LayerRecord",
    "Run",
    "commit_stage",
    "create",
    "file_name",
    "find",
    "hash8",
    "is_done",
    "open_run",
    "read_stage",
    "stage_hash",
]
