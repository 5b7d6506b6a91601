"""Released BEATs: the authors' checkpoints, and the wrapper of Audio Network Dissection.

==========  =====================================================================================
authors'    ``{"cfg": {...}, "model": {key: tensor}}``; fine-tuned ones with ``predictor.*`` and, where they have it,
            ``label_dict`` ``{neuron: label}``. The configuration is the file's own.
wrapper     keys ``beats.<key>`` and ``fc.weight``, ``fc.bias``, bare or under ``state_dict`` or ``model``; no
            configuration: sizes are read from the shapes, the rest is that of the published base network. Its
            logits average all tokens, padding included.
==========  =====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from otoscope.errors import ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.models.beats.build import build
from otoscope.models.published.reader import Content, Reader, Released
from otoscope.models.published.states import load_strictly, weights

#: key of the released configuration -> our option
OPTIONS = {
    "encoder_embed_dim": "dim",
    "encoder_ffn_embed_dim": "hidden",
    "encoder_layers": "depth",
    "encoder_attention_heads": "heads",
    "input_patch_size": "patch",
    "embed_dim": "patch_dim",
    "conv_pos": "conv_pos",
    "conv_pos_groups": "conv_groups",
    "num_buckets": "n_buckets",
    "max_distance": "max_distance",
    "deep_norm": "deep_norm",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "encoder_layerdrop": "layer_drop",
}
#: what the released code could also build and no released network is
REQUIRED = {
    "layer_norm_first": False,
    "conv_bias": False,
    "activation_fn": "gelu",
    "relative_position_embedding": True,
    "gru_rel_pos": True,
}
_PATCHES, _WRAPPED = "patch_embedding.weight", "beats.patch_embedding.weight"
_LAYER = re.compile(r"^encoder\.layers\.(\d+)\.")


def is_beats(content: Content) -> bool:
    """Return whether this is a checkpoint as the authors release them."""
    return _PATCHES in weights(content.data) and isinstance(content.data.get("cfg"), Mapping)


def is_wrapped(content: Content) -> bool:
    """Return whether this is a BEATs inside the wrapper with a linear ``fc``."""
    return _WRAPPED in weights(content.data)


def read(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the network of an authors' checkpoint; class names are its ``label_dict`` where none are given.

    Raises
    ------
    ModelError
        If its configuration is of a network that is not built here, or keys and shapes do not fit.
    """
    cfg = dict(content.data["cfg"])
    for key, wanted in REQUIRED.items():
        if cfg.get(key, wanted) != wanted:
            raise ModelError(f"{content.path.name}: {key} = {cfg[key]!r}; only {wanted!r} is built here")
    options = {ours: cfg[theirs] for theirs, ours in OPTIONS.items() if theirs in cfg}
    state = weights(content.data)
    names = classes or _labels(content.data.get("label_dict"), state)
    return Released(model=_filled(state, names, options, content.path.name), notes={"cfg": _plain(cfg)})


def read_wrapped(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the network of a wrapper's checkpoint; errors as :func:`read`."""
    state = {_unwrapped(key): one for key, one in weights(content.data).items()}
    options = {**sizes(state), "average": "all"}
    return Released(model=_filled(state, classes, options, content.path.name))


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the options that follow from the shapes of the weights; ``max_distance`` does not.

    Raises
    ------
    ModelError
        If a weight that tells a size is missing.
    """
    first = "encoder.layers.0."
    try:
        kernel, patches = state["encoder.pos_conv.0.weight_v"], state[_PATCHES]
        hidden, dim = state[f"{first}fc1.weight"].shape
        table = state[f"{first}self_attn.relative_attention_bias.weight"]
    except KeyError as error:
        raise ModelError(
            f"the checkpoint has no {error.args[0]}, so the size of its network is unknown"
        ) from None
    return {
        "dim": int(dim),
        "hidden": int(hidden),
        "depth": 1 + max(int(found[1]) for key in state if (found := _LAYER.match(key))),
        "heads": int(table.shape[1]),
        "n_buckets": int(table.shape[0]),
        "patch": int(patches.shape[2]),
        "patch_dim": int(patches.shape[0]),
        "conv_pos": int(kernel.shape[2]),
        "conv_groups": int(dim // kernel.shape[1]),
    }


def _unwrapped(key: str) -> str:
    return key.removeprefix("beats.") if key.startswith("beats.") else key.replace("fc.", "predictor.", 1)


def _filled(
    state: Mapping[str, Tensor], classes: tuple[str, ...], options: dict[str, Any], what: str
) -> AudioModel:
    count = int(state["predictor.bias"].shape[0]) if "predictor.bias" in state else 0
    if classes and len(classes) != count:
        raise ModelError(f"{what} has {count} output neurons; {len(classes)} class names were given")
    model = build(classes, n_classes=None if classes else count, **options)
    load_strictly(model.net, state, what)
    return model


def _labels(labels: Any, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    if not isinstance(labels, Mapping) or "predictor.bias" not in state:
        return ()
    by_neuron = {int(neuron): str(label) for neuron, label in labels.items()}
    wanted = range(state["predictor.bias"].shape[0])
    return tuple(by_neuron[neuron] for neuron in wanted) if by_neuron.keys() == set(wanted) else ()


def _plain(cfg: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): one for key, one in cfg.items() if isinstance(one, bool | int | float | str)}


BEATS = Reader("a BEATs checkpoint of its authors", is_beats, read)
WRAPPED = Reader(
    "a BEATs with a linear classifier, as Audio Network Dissection keeps it", is_wrapped, read_wrapped
)
