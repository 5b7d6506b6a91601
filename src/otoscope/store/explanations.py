"""Explanations in a run folder: one folder per clip, method and target, written whole or not at all.

Layout (format 1; the page docs/format/explanations.md names every key)::

    explanations/<clip>/<method>-<hash8>/
        explanation.json       what was explained, by what, how; written with the rest, never changed
        scores.json            probabilities, measures beside controls, how it sounds, the parts used
        mask.zarr              (frequency, frame) float16 in [0, 1]
        explanation.flac, remainder.flac, original.flac
        spectrogram.png, overlay.png
        parts/<place>-<name>.flac

``<clip>`` is ``<row>-<slug>`` for a clip of the run's collection and ``sound-<hash8>-<slug>`` for any other file;
``hash8`` is of the clip's content, the network, the method with its options, the target and how it was made. A folder
is filled under a hidden name and renamed; in an object store, which renames nothing, ``explanation.json`` is put last.
So one with that file in it is finished.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from otoscope.errors import FormatError, StageError, StoreError
from otoscope.store import arrays, manifest
from otoscope.store.place import is_remote, remove_tree, upload

FORMAT_VERSION = 1
FOLDER = "explanations"
MANIFEST, SCORES, MASK = "explanation.json", "scores.json", "mask.zarr"
SOUNDS = ("explanation", "remainder", "original")
PICTURES = ("spectrogram", "overlay")
_SLUG = 40


@dataclass(frozen=True)
class Kept:
    """One finished explanation.

    Attributes
    ----------
    folder : Path
        Where it lies.
    """

    folder: Path

    @property
    def clip(self) -> str:
        """Name of the clip's folder."""
        return self.folder.parent.name

    @property
    def name(self) -> str:
        """``<method>-<hash8>``."""
        return self.folder.name

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The content of ``explanation.json``.

        Raises
        ------
        FormatError
            If it was written by a newer version of the format.
        """
        found = manifest.read(self.folder / MANIFEST)
        version = found.get("format_version")
        if not isinstance(version, int) or not 1 <= version <= FORMAT_VERSION:
            raise FormatError(
                f"{self.folder} is an explanation of format {version!r}; this Otoscope reads up to {FORMAT_VERSION}: "
                "update Otoscope"
            )
        return found

    @cached_property
    def scores(self) -> dict[str, Any]:
        """The content of ``scores.json``."""
        return manifest.read(self.folder / SCORES)

    def mask(self) -> NDArray[np.float32]:
        """Return the mask ``(frequency, frame)``, in [0, 1]."""
        path = self.folder / MASK
        if not (path / "zarr.json").is_file():
            raise StageError(f"there is no {path}: a part of this explanation was removed")
        try:
            return np.asarray(zarr.open_array(arrays.store_of(path), mode="r")[:], dtype=np.float32)
        except (ValueError, KeyError) as error:
            raise FormatError(f"{path} cannot be read as a Zarr array: {error}") from error

    def sound(self, which: str) -> Path:
        """Return the file of ``explanation``, ``remainder`` or ``original``."""
        return self.folder / f"{which}.flac"


def slug(text: str) -> str:
    """Return a short safe name for a clip: letters, digits, dots, hyphens of the last part of its id.

    Examples
    --------
    >>> slug("audio/1-100032-A-0.ogg"), slug("...")
    ('1-100032-A-0', 'clip')
    """
    last = text.rstrip("/").rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    safe = re.sub(r"[^A-Za-z0-9.-]+", "-", stem).strip(".-")
    return safe[:_SLUG].rstrip(".-") or "clip"


def place(root: Path, clip: str, name: str) -> Path:
    """Return the folder of an explanation."""
    return root / FOLDER / clip / name


def is_done(root: Path, clip: str, name: str) -> bool:
    """Return whether the explanation is finished."""
    return (place(root, clip, name) / MANIFEST).is_file()


def write(root: Path, clip: str, name: str, files: Mapping[str, bytes], mask: NDArray[Any]) -> Kept:
    """Write an explanation, whole or not at all; one of that name is replaced when all is written.

    Parameters
    ----------
    root : Path
        The run folder.
    clip, name : str
        The two levels of folders.
    files : mapping of str to bytes
        Content by path inside the folder; it holds ``explanation.json`` and ``scores.json``.
    mask : array (frequency, frame)
        In [0, 1].

    Raises
    ------
    StoreError
        If the disk refuses; nothing half-written can be seen.
    """
    folder = place(root, clip, name)
    if is_remote(folder):
        _put(folder, files, mask)
        return Kept(folder)
    part, old = (folder.with_name(f".{name}.{ending}") for ending in ("part", "old"))
    try:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
        _fill(part, files, mask)
        if folder.is_dir():
            os.replace(folder, old)
        os.replace(part, folder)
    except OSError as error:
        raise StoreError(
            f"cannot write {folder}: {error.strerror or error}. Nothing was replaced."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return Kept(folder)


def _fill(folder: Path, files: Mapping[str, bytes], mask: NDArray[Any]) -> None:
    """Write everything into a folder that nobody sees."""
    for inside, data in files.items():
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        (folder / inside).write_bytes(data)
    _write_mask(folder / MASK, mask)


def _put(folder: Path, files: Mapping[str, bytes], mask: NDArray[Any]) -> None:
    """Write an explanation into an object store: what stood there goes, its marker first; the new marker comes last."""
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
        if folder.is_dir():
            remove_tree(folder)
        with tempfile.TemporaryDirectory() as made:
            _fill(Path(made), files, mask)
            inside = sorted(one.relative_to(made) for one in Path(made).rglob("*") if one.is_file())
            for one in sorted(inside, key=lambda one: one == Path(MANIFEST)):
                upload(Path(made) / one, folder / one.as_posix())
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error}. It counts as not made.") from error


def _write_mask(path: Path, mask: NDArray[Any]) -> None:
    values = np.asarray(mask, np.float16)
    made = zarr.create_array(
        store=str(path),
        shape=values.shape,
        dtype="float16",
        chunks=values.shape,
        compressors=ZstdCodec(level=3),
    )
    made[:] = values


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return JSON with sorted keys, indented, NaN as null: equal content is equal bytes."""
    text = json.dumps(_finite(content), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def listing(root: Path) -> tuple[Kept, ...]:
    """Return the finished explanations of a run: clips by row, then by name, methods by name."""
    found = (Kept(path.parent) for path in (root / FOLDER).glob(f"*/*/{MANIFEST}"))
    return tuple(sorted(found, key=lambda one: (_order(one.clip), one.name)))


def _order(clip: str) -> tuple[int, str]:
    row = clip.partition("-")[0]
    return (int(row), clip) if row.isdigit() else (2**62, clip)
