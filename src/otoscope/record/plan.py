"""What would a recording do, and what would it cost? Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError
from otoscope.models.audio_model import AudioModel
from otoscope.record import doctor, stage
from otoscope.record.config import RecordConfig
from otoscope.record.layers import resolve
from otoscope.record.probe import probe
from otoscope.store import run as runs


@dataclass(frozen=True)
class RecordPlan:
    """A recording that has not begun.

    Attributes
    ----------
    clips, neurons : int
        How many.
    layers : dict of str to int
        Neurons of each layer that would be recorded.
    layers_left_out : dict of str to str
        Layers that a glob names but that cannot be recorded, with the reason.
    state : {"new", "continues", "done"}
        What lies at ``out``: nothing, an unfinished recording of the same, a finished one.
    cost : dict
        Time of forward pass and decoding per clip and in all (measured on a few clips), bytes on disk before
        compression, and memory; empty where the recording is done.
    """

    clips: int
    neurons: int
    layers: dict[str, int]
    layers_left_out: dict[str, str]
    state: Literal["new", "continues", "done"]
    cost: dict[str, Any]


def plan(model: AudioModel, clips: Clips, out: Path, config: RecordConfig) -> RecordPlan:
    """Return what :func:`otoscope.record.stage.record` would do; parameters and errors are the same."""
    if not len(clips):
        raise EmptyDataError(f"{clips.spec} holds no clip")
    layers, left_out = probe(model, resolve(model, config.layers))
    identity = stage.identify(model, clips, layers, config, out)
    there = runs.find(out, identity)
    inputs = stage.inputs_of(identity)
    done = there is not None and runs.is_done(there, stage.STAGE, stage.VERSION, config.identity(), inputs)
    return RecordPlan(
        clips=len(clips),
        neurons=sum(one.n_neurons for one in layers),
        layers={one.name: one.n_neurons for one in layers},
        layers_left_out=left_out,
        state="done" if done else "new" if there is None else "continues",
        cost={} if done else doctor.cost(model, clips, layers, config).figures,
    )
