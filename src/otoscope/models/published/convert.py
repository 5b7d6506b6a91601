"""Turn a released file into a model folder, a Parquet table or a safetensors file: ``otoscope import-weights FILE``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from otoscope.errors import InputError, ModelError, StageError
from otoscope.models import folder
from otoscope.models.audio_model import AudioModel
from otoscope.models.published import READERS, content
from otoscope.models.published.reader import Content, Imported, Reader, Released
from otoscope.registry import known, lookup
from otoscope.store import tables, tensors
from otoscope.store.hashing import sha256_file

_ROOM = "published"
#: arrays that a file holds beside a network
RELEASED = "released.safetensors"


def import_weights(
    path: Path | str, out: Path | str, *, kind: str | None = None, classes: Sequence[str] = ()
) -> Imported:
    """Convert a released file and return what it was and where the result is.

    Parameters
    ----------
    path : path
        The file: ``.pt``, ``.pth``, ``.ckpt``, ``.bin``, ``.safetensors`` or ``.json``.
    out : path
        The model's folder, or the file to write; ``.parquet`` or ``.safetensors`` is added where it is missing.
    kind : str, optional
        A name of :data:`otoscope.models.published.READERS`; None: found by the file's keys.
    classes : sequence of str
        Names of a network's output neurons, in their order.

    Raises
    ------
    InputError
        If there is no such file, or no reader recognises it; UnknownNameError for an unknown kind.
    FormatError
        If it is broken, or holds more than tensors and plain containers.
    ModelError
        If a network's keys and shapes are not exactly those of its architecture.
    StageError
        If ``out`` exists.
    """
    source = Path(path).expanduser()
    opened = content.read(source)
    name, reader = _reader(opened, kind)
    released = reader.read(opened, tuple(classes))
    origin = {"kind": name, "file": source.name, "sha256": sha256_file(source)}
    written, details = _write(released, Path(out).expanduser(), origin)
    return Imported(name, reader.summary, source, written, {**details, **released.notes})


def plan(path: Path | str, out: Path | str, *, kind: str | None = None) -> dict[str, Any]:
    """Return what :func:`import_weights` would convert, JSON-able: the file is read and recognised, nothing is written.

    Raises
    ------
    InputError, FormatError
        As :func:`import_weights`.
    """
    source = Path(path).expanduser()
    name, reader = _reader(content.read(source), kind)
    where = Path(out).expanduser()
    return {
        "file": str(source),
        "kind": name,
        "summary": reader.summary,
        "bytes": source.stat().st_size,
        "out": str(where),
        "out_exists": where.exists(),
    }


def open_published(path: Path | str, families: Sequence[str]) -> AudioModel:
    """Return the network in a released file, in evaluation mode.

    Parameters
    ----------
    path : path
        The file.
    families : sequence of str
        What readers' names may begin with.

    Raises
    ------
    InputError
        If there is no such file, or it is of another kind; FormatError and ModelError as :func:`import_weights`.
    """
    opened = content.read(Path(path).expanduser())
    name, reader = _reader(opened, None)
    if not any(name.startswith(family) for family in families):
        raise InputError(f"{path} is {reader.summary}, not a network of {' or '.join(families)}")
    model = reader.read(opened, ()).model
    if model is None:
        raise ModelError(f"{path} is {reader.summary}, not a network")
    return model.eval()


def _reader(opened: Content, kind: str | None) -> tuple[str, Reader]:
    if kind is not None:
        reader: Reader = lookup(READERS, kind, room=_ROOM, kind="kind of released file")
        if not reader.recognises(opened):
            raise InputError(f"{opened.path} is not {reader.summary}: {_seen(opened)}")
        return kind, reader
    for name in known(READERS, _ROOM):
        reader = lookup(READERS, name, room=_ROOM, kind="kind of released file")
        if reader.recognises(opened):
            return name, reader
    raise InputError(
        f"no reader knows {opened.path}: {_seen(opened)}. Known are {', '.join(known(READERS, _ROOM))}"
    )


def _seen(opened: Content) -> str:
    data = opened.data
    if isinstance(data, dict):
        keys = [str(key) for key in data]
        return f"it holds {len(keys)} keys, the first {', '.join(keys[:5])}" if keys else "it is empty"
    return f"it holds {type(data).__name__}"


def _write(released: Released, out: Path, origin: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Write what was read; return the path and figures about it."""
    if released.model is not None:
        written = _write_model(released.model, out, origin)
        if released.arrays:
            _write_arrays(released, out / RELEASED, origin)
        return written
    if released.table is not None:
        where = _with_suffix(out, ".parquet")
        tables.write(where, released.table)
        return where, {"rows": released.table.height, "columns": released.table.columns, **origin}
    where = _with_suffix(out, ".safetensors")
    _write_arrays(released, where, origin)
    return where, {"shapes": {name: list(one.shape) for name, one in released.arrays.items()}, **origin}


def _write_arrays(released: Released, where: Path, origin: dict[str, Any]) -> None:
    arrays = {name: one.detach().contiguous().numpy() for name, one in released.arrays.items()}
    tensors.write(where, arrays, {**origin, **json.loads(json.dumps(released.notes))})


def _write_model(model: AudioModel, out: Path, origin: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    if (out / folder.MANIFEST).exists():
        raise StageError(f"{out} already holds a model: give another --out, or remove the folder")
    folder.save(model, out, origin=origin)
    figures = {
        "architecture": model.config["architecture"],
        "sample_rate": model.sample_rate,
        "n_classes": model.config["options"].get("n_classes") or len(model.classes),
        "parameters": sum(one.numel() for one in model.parameters()),
    }
    return out, {**figures, **origin}


def _with_suffix(out: Path, suffix: str) -> Path:
    where = out if out.suffix == suffix else out.with_name(out.name + suffix)
    if where.exists():
        raise StageError(f"{where} already exists: give another --out, or remove it")
    return where
