"""The network of a run, opened again: from the spec that was recorded, or from where its folder lies beside the run.

A run keeps the spec as it was typed. Where that is a folder, the run also keeps its path relative to the run folder,
so that both can move together and a command can be called from elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from otoscope.errors import StageError
from otoscope.models import open_model
from otoscope.models.audio_model import AudioModel
from otoscope.registry import split_spec
from otoscope.store.place import named, relative
from otoscope.store.run import Run


def place_of(spec: str, run_root: Path) -> dict[str, str]:
    """Return ``{"path": folder relative to the run}`` where the spec is a folder, else nothing."""
    if not spec or split_spec(spec)[0] is not None or not Path(spec).is_dir():
        return {}
    return {"path": relative(Path(spec), run_root)}


def reopen_model(run: Run, device: str = "cpu") -> AudioModel:
    """Return the network that a run was recorded from, in evaluation mode.

    Whether it still is that network, the stage says that uses it: weights are compared by their hash.

    Raises
    ------
    StageError
        If the run was recorded from an object in memory, or its network's folder is no longer there.
    UnknownNameError, ModelError, FormatError
        As :func:`otoscope.models.open_model`.
    """
    kept = run.manifest["model"]
    spec, path = str(kept.get("spec") or ""), kept.get("path")
    beside = named(path, run.root) if path else None
    if beside is not None and beside.is_dir():
        return open_model(str(beside), device)
    if split_spec(spec)[0] is None and not Path(spec).is_dir():
        raise StageError(
            f"{run.root} was recorded from {spec!r}, which is no folder here: the network has moved, or was an object "
            "in memory. Pass it (--model)."
        )
    return open_model(spec, device)
