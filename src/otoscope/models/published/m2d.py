"""Released M2D: the encoder alone, everything that the pre-training kept, or the encoder inside a fine-tuned network.

Only the encoder is taken: ``patch_embed.*``, ``cls_token``, ``pos_embed``, ``blocks.*``, ``norm.*``, also under the
prefixes of :data:`INSIDE`. What else a file holds (decoder, predictor, mask token, another head) is left out and named
in the notes. Sizes follow from the shapes; heads have 64 neurons each, as in every ViT-Base and ViT-Large. Bands and
frames of the input stand in the name of the file or its folder (``...-80x608p16x16-...``, ``p32k`` = 32 kHz); without
such a name 80 bands at 16 kHz are taken. ``norm_stats`` of the file are the normalisation, else -7.1 and 4.2.

A fine-tuned network's head is not read: its sizes and pooling are not in the file. Train one on the encoder:
``otoscope train vit --from``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otoscope.errors import ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.models.m2d import MEAN, STD, build
from otoscope.models.published.reader import Content, Reader, Released
from otoscope.models.published.states import load_strictly, weights

#: where an encoder lies in a checkpoint
INSIDE = ("", "ar.runtime.backbone.", "runtime.backbone.", "backbone.", "encoder.")
HEAD_NEURONS = 64
_FIRST = ("patch_embed.proj.weight", "cls_token", "pos_embed", "blocks.0.mlp.fc1.weight")
_OWN = re.compile(r"^(patch_embed\.|blocks\.\d|norm\.|cls_token$|pos_embed$)")
_BLOCK = re.compile(r"^blocks\.(\d+)\.")
_INPUT = re.compile(r"(\d+)x(\d+)p(\d+)x(\d+)(?:p(\d+)k)?")


def is_m2d(content: Content) -> bool:
    """Return whether this holds an encoder that takes pictures of one channel."""
    found = _encoder(weights(content.data))
    return bool(found) and found["patch_embed.proj.weight"].shape[1] == 1


def read(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the encoder; what was left out and the normalisation are in the notes.

    Raises
    ------
    ModelError
        If class names are given, or keys or shapes do not fit.
    """
    if classes:
        raise ModelError(
            f"{content.path.name} is an encoder without classes; {len(classes)} names were given"
        )
    state = weights(content.data)
    own = _encoder(state)
    options = sizes(own, content.path)
    stats = _statistics(state.get("norm_stats"), content.data)
    left_out = sorted(
        {key.partition(".")[0] for key in state.keys() - _taken(state, own) if key != "norm_stats"}
    )
    model = _filled(own, options, stats, content.path.name)
    notes = {"norm_stats": list(stats), "left_out": left_out, "input": options}
    return Released(model=model, notes=notes)


def sizes(state: Mapping[str, Tensor], path: Path) -> dict[str, int]:
    """Return the options that follow from the weights' shapes and the name of the file or its folder.

    Raises
    ------
    ModelError
        If the position table does not fit the input's size.
    """
    patch = state["patch_embed.proj.weight"].shape[2:]
    dim, tokens = int(state["cls_token"].shape[2]), int(state["pos_embed"].shape[1]) - 1
    n_mels, sample_rate = _input(path)
    rows = n_mels // int(patch[0])
    if not rows or tokens % rows:
        raise ModelError(
            f"{path.name}: {tokens} positions are no grid of {rows} rows (patches of {patch[0]} in {n_mels} bands)"
        )
    return {
        "dim": dim,
        "hidden": int(state["blocks.0.mlp.fc1.weight"].shape[0]),
        "depth": 1 + max(int(found[1]) for key in state if (found := _BLOCK.match(key))),
        "heads": max(1, dim // HEAD_NEURONS),
        "patch_frequency": int(patch[0]),
        "patch_time": int(patch[1]),
        "n_mels": n_mels,
        "unit_frames": tokens // rows * int(patch[1]),
        "sample_rate": sample_rate,
    }


def _input(path: Path) -> tuple[int, int]:
    """Return mel bands and sample rate that a name states."""
    for name in (path.stem, path.parent.name):
        if found := _INPUT.search(name):
            return int(found[1]), 1000 * int(found[5] or 16)
    return 80, 16000


def _encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's weights without what stands before them; empty where there are none."""
    for prefix in INSIDE:
        if all(f"{prefix}{key}" in state for key in _FIRST):
            inside = {key.removeprefix(prefix): one for key, one in state.items() if key.startswith(prefix)}
            return {key: one for key, one in inside.items() if _OWN.match(key)}
    return {}


def _taken(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> set[str]:
    return {f"{prefix}{key}" for prefix in INSIDE for key in own} & state.keys()


def _statistics(kept: Tensor | None, data: Any) -> tuple[float, float]:
    """Return mean and std of the input."""
    stated = kept if kept is not None else data.get("norm_stats") if isinstance(data, Mapping) else None
    if isinstance(stated, Tensor):
        stated = stated.flatten().tolist()
    if isinstance(stated, Sequence) and len(stated) == 2:
        return float(stated[0]), float(stated[1])
    return MEAN, STD


def _filled(
    state: Mapping[str, Tensor], options: dict[str, int], stats: tuple[float, float], what: str
) -> AudioModel:
    model = build((), **options)  # type: ignore[arg-type]
    load_strictly(model.net, state, what)
    for name, value in zip(("mean", "std"), stats):
        model.front_end.get_buffer(name).copy_(torch.tensor(value))
    return model


M2D = Reader("an M2D encoder (a vision transformer on log-mel spectrograms)", is_m2d, read)
