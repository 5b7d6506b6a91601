"""What a recording is: every choice that changes a number, and the few that only change the speed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from otoscope.errors import InputError
from otoscope.stage_config import Seed, StageConfig

COUNTING = ("events", "padding", "special_tokens")
"""Choices that a run names only where they differ from the default: older runs do not know them."""


class RecordConfig(StageConfig):
    """Options of the record stage; unknown keys are refused.

    Attributes
    ----------
    layers : tuple of str
        Names or globs, see :mod:`otoscope.record.layers`.
    pooling : str
        How positions become one value a clip, see :mod:`otoscope.record.pooling`.
    store : {"pooled", "topk"}
        Keep pooled activations of every clip, or ranked clips and moments only.
    counts : {"clip", "none"}
        Keep positive positions per clip and neuron, or do not count.
    events : {"none", "all", "alone"}
        Keep positive positions per labelled event and neuron; ``alone``: without the positions that an event of
        another label covers, see :mod:`otoscope.record.events`.
    padding : {"exclude", "include"}
        Whether positions that hear only what a shorter clip was filled with take part in pooling and counts.
        ``include`` is how EVAR and AAPE, which pad with zeros, count.
    special_tokens : {"exclude", "include"}
        Whether special tokens (CLS, distillation) are counted among a clip's positions, as LAPE's sum over all tokens
        does. They take part in no pooling but ``cls``, and in no event.
    dtype : {"float32", "float16"}
        Of the pooled activations on disk; moments and ranks are of float32 always.
    top_k : int
        Ranked clips per neuron and pole.
    trace_bins : int
        Most points of a stored trace.
    skip_silence : bool
        Leave frames of digital silence out of pooling and counts.
    channels, quality : str
        Channel policy and resampling quality of decoding.
    batch_size : int
        Windows a forward pass.
    block : int
        Clips a block: the unit of work that is finished or not.
    precision : {"float32", "bfloat16", "float16"}
        Autocast of the forward pass.
    seed : int
        Decides among equal activations.
    evidence_clips : int
        Most clips kept as sound in the run, best ranks first.
    evidence_max_s : float
        Longest stretch of a clip kept as sound.
    workers : int or None
        Decoding processes, None = as many as suit the machine. Not part of the run's identity.
    """

    layers: tuple[str, ...] = ("*",)
    pooling: Literal["mean", "max", "tail", "first", "cls"] = "mean"
    store: Literal["pooled", "topk"] = "pooled"
    counts: Literal["clip", "none"] = "clip"
    events: Literal["none", "all", "alone"] = "none"
    padding: Literal["exclude", "include"] = "exclude"
    special_tokens: Literal["exclude", "include"] = "exclude"
    dtype: Literal["float32", "float16"] = "float32"
    top_k: int = Field(8, ge=1, le=1000)
    trace_bins: int = Field(64, ge=1, le=4096)
    skip_silence: bool = False
    channels: Literal["mix", "first", "keep"] = "mix"
    quality: Literal["HQ", "VHQ", "MQ", "LQ", "QQ"] = "HQ"
    batch_size: int = Field(32, ge=1)
    block: int = Field(256, ge=1)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: Seed = 0
    evidence_clips: int = Field(600, ge=0)
    evidence_max_s: float = Field(30.0, gt=0)
    workers: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> RecordConfig:
        if self.padding == "include" and self.skip_silence:
            raise InputError(
                "padding='include' counts what clips are filled with, skip_silence leaves digital silence out, and "
                "padding is digital silence: choose one of them"
            )
        return self

    def identity(self) -> dict[str, object]:
        """Return the choices that change a number, JSON-able; those of counting only where they are not the default."""
        chosen = self.model_dump(mode="json", exclude={"workers"})
        return {
            key: value
            for key, value in chosen.items()
            if key not in COUNTING or value != type(self).model_fields[key].default
        }
