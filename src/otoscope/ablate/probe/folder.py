"""A trained probe on disk: ``probe.json`` (what it is), ``probe.safetensors`` (what it learnt), ``clips.parquet``.

``probe.json``, format version 1: ``kind`` "probe"; the ``network`` it reads (spec, weights hash, sample rate) and
what of it (``layer``, null = what the head takes); ``label_set``, ``classes``, ``several`` (whether a clip may have
several labels); ``data``, ``parts`` (how many clips each), ``config``, ``fits`` (one account a seed), ``test`` and
``controls``. ``probe.safetensors``, float64: ``mean``, ``scale`` (seed, dimension), ``weight`` (seed, class,
dimension), ``bias`` (seed, class). ``clips.parquet``: id, part, and for single labels the true and the named class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.ablate.probe.fitted import Fitted
from otoscope.errors import FormatError, InputError, ModelError, StageError, UnknownNameError
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.store import manifest, tables, tensors
from otoscope.store import run as runs
from otoscope.store.run import Run

FORMAT_VERSION = 1
STAGE, KIND = "probe", "probes"
MANIFEST, WEIGHTS, CLIPS = "probe.json", "probe.safetensors", "clips.parquet"


@dataclass(frozen=True)
class Probe:
    """A saved probe.

    Attributes
    ----------
    folder : Path
    manifest : dict
        Content of ``probe.json``.
    fits : tuple of Fitted
        One a seed.
    """

    folder: Path
    manifest: dict[str, Any]
    fits: tuple[Fitted, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its outputs."""
        return tuple(self.manifest["classes"])

    @property
    def layer(self) -> str | None:
        """The layer that it reads; None: what the network's head takes."""
        layer: str | None = self.manifest["layer"]
        return layer

    def clips(self) -> pl.DataFrame:
        """Return which clip was in which part, and how test clips were named."""
        return tables.read(self.folder / CLIPS)

    def part(self, name: str) -> list[str]:
        """Return the ids of the clips of a part (``train``, ``valid``, ``test``)."""
        found: list[str] = self.clips().filter(pl.col("part") == name)["id"].to_list()
        return found


def write(folder: Path, content: dict[str, Any], fits: Sequence[Fitted], clips: pl.DataFrame) -> Probe:
    """Write a probe to ``folder`` and return it; ``probe.json`` last."""
    arrays = {
        name: np.stack([getattr(one, name) for one in fits]) for name in ("mean", "scale", "weight", "bias")
    }
    tensors.write(folder / WEIGHTS, arrays, {"format_version": FORMAT_VERSION})
    tables.write(folder / CLIPS, clips)
    whole = {
        "format_version": FORMAT_VERSION,
        "kind": "probe",
        **content,
        "fits": [one.account for one in fits],
    }
    manifest.write(folder / MANIFEST, whole)
    return open_probe(folder)


def open_probe(folder: Path | str, model: AudioModel | None = None) -> Probe:
    """Return the probe in a folder.

    Parameters
    ----------
    folder : path
    model : AudioModel, optional
        The network that it is to read.

    Raises
    ------
    InputError
        If there is no probe in the folder.
    FormatError
        If it was written by a newer version, or its files do not fit each other.
    ModelError
        If it was trained on another network, or at another sample rate.
    """
    where = Path(folder)
    if not (where / MANIFEST).is_file():
        there = f"no {MANIFEST} in it" if where.is_dir() else "no such folder"
        raise InputError(f"{where} is not a probe: there is {there}; otoscope probe RUN writes one")
    content = manifest.read(where / MANIFEST)
    _checked(where, content)
    arrays = tensors.read(where / WEIGHTS)
    n_seeds, n_classes = len(content["fits"]), len(content["classes"])
    if set(arrays) != {"mean", "scale", "weight", "bias"} or arrays["bias"].shape != (n_seeds, n_classes):
        raise FormatError(f"{where / WEIGHTS} does not fit {MANIFEST}: {n_seeds} fits of {n_classes} classes")
    fits = tuple(
        Fitted(arrays["mean"][at], arrays["scale"][at], arrays["weight"][at], arrays["bias"][at], account)
        for at, account in enumerate(content["fits"])
    )
    if model is not None:
        _same_network(where, content["network"], model)
    return Probe(where, content, fits)


def load(run: Run, name: str | None = None, model: AudioModel | None = None) -> Probe:
    """Return a probe of a run, or of any folder.

    Parameters
    ----------
    run : Run
    name : str or None
        Its name, the beginning of one, or a folder; None: the one asked for last.
    model : AudioModel, optional
        The network that it is to read, checked.

    Raises
    ------
    StageError
        If the run holds none.
    UnknownNameError
        If the name fits none, or more than one.
    """
    if name is not None and (Path(name).expanduser() / MANIFEST).is_file():
        return open_probe(Path(name).expanduser(), model)
    known = sorted(one.parent.name for one in (run.root / KIND).glob(f"*/{MANIFEST}"))
    if not known:
        raise StageError(f"{run.root} holds no probe yet: otoscope probe {run.root} trains one")
    asked = name or (runs.read_stage(run, STAGE) or {}).get("config", {}).get("name", "")
    fits = [one for one in known if one == asked] or [one for one in known if one.startswith(asked)]
    if len(fits) != 1:
        raise UnknownNameError.of("probe", asked or "(none named)", known)
    return open_probe(run.root / KIND / fits[0], model)


def _checked(where: Path, content: dict[str, Any]) -> None:
    version = content.get("format_version")
    if not isinstance(version, int) or content.get("kind") != "probe":
        raise FormatError(f"{where / MANIFEST} does not describe a probe (format_version {version!r})")
    if version > FORMAT_VERSION:
        raise FormatError(
            f"{where} is a probe of format {version}; this Otoscope reads up to {FORMAT_VERSION}: update Otoscope"
        )
    missing = {"network", "layer", "label_set", "classes", "several", "fits"} - content.keys()
    if missing:
        raise FormatError(f"{where / MANIFEST} lacks {', '.join(sorted(missing))}")


def _same_network(where: Path, network: dict[str, Any], model: AudioModel) -> None:
    found = hash_weights(model)
    if found != network["weights_hash"] or model.sample_rate != network["sample_rate"]:
        raise ModelError(
            f"{where} reads {network['spec']} (weights' hash {network['weights_hash'][:8]}, "
            f"{network['sample_rate']} Hz), not "
            f"{model.spec or 'this network'} ({found[:8]}, {model.sample_rate} Hz): train a probe on this one"
        )
