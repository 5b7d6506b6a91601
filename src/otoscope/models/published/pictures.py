"""Released networks for photographs, as the backbones of ``focalnet`` and ``vit-image``: files of transformers.

``model.safetensors`` or ``pytorch_model.bin`` of a FocalNet (microsoft/focalnet-base) or a ViT
(google/vit-base-patch16-224). Sizes follow from the shapes; the photographs' own head and pooler are left out. The
result is an encoder: ``otoscope train focalnet --from FOLDER`` trains a head on it. Its picture has the side that it
was trained with (ViT: from its positions; FocalNet: 224).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from otoscope.errors import ModelError
from otoscope.models import focalnet, vit_image
from otoscope.models.audio_model import AudioModel
from otoscope.models.published.reader import Content, Reader, Released
from otoscope.models.published.states import load_strictly, weights

_PATCHES = "embeddings.patch_embeddings.projection.weight"
_FOCAL, _VIT = "encoder.stages.0.layers.0.modulation.projection_in.weight", "embeddings.cls_token"
_HEAD_NEURONS = 64
#: names on disk -> names of the modules from transformers 5.9 on
RENAMED = (
    (re.compile(r"^encoder\.layer\.(\d+)\."), r"layers.\1."),
    (re.compile(r"\.attention\.attention\.(query|key|value)\."), r".attention.\1_proj."),
    (re.compile(r"\.attention\.output\.dense\."), ".attention.o_proj."),
    (re.compile(r"\.intermediate\.dense\."), ".mlp.fc1."),
    (re.compile(r"(layers\.\d+)\.output\.dense\."), r"\1.mlp.fc2."),
)
_SHORT = {"query_proj": "q_proj", "key_proj": "k_proj", "value_proj": "v_proj"}


def is_focalnet(content: Content) -> bool:
    """Return whether this is a FocalNet."""
    return _FOCAL in _inside(content.data, "focalnet.")


def is_vit(content: Content) -> bool:
    """Return whether this is a ViT for pictures of three colours."""
    state = _inside(content.data, "vit.")
    return _VIT in state and _PATCHES in state and state[_PATCHES].shape[1] == 3


def read_focalnet(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the backbone of a FocalNet as an encoder.

    Raises
    ------
    ModelError
        If class names are given, or it is of a kind that is not built here.
    """
    state = _inside(content.data, "focalnet.")
    stages: dict[int, int] = {}
    for key in state:
        if found := re.match(r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.", key):
            stages[int(found[1])] = max(stages.get(int(found[1]), 0), 1 + int(found[2]))
    options = {
        "width": int(state[_PATCHES].shape[0]),
        "depths": ",".join(str(stages[at]) for at in sorted(stages)),
        "layerscale": any(key.endswith("gamma_1") for key in state),
        "side": 224,
    }
    return _filled(content, classes, focalnet.build, state, options)


def read_vit(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the backbone of a ViT as an encoder; errors as :func:`read_focalnet`."""
    state = {_renamed(key): one for key, one in _inside(content.data, "vit.").items()}
    width, patch = int(state[_PATCHES].shape[0]), int(state[_PATCHES].shape[2])
    tokens = int(state["embeddings.position_embeddings"].shape[1]) - 1
    options = {
        "width": width,
        "patch": patch,
        "depth": 1 + max(int(found[1]) for key in state if (found := re.match(r"^layers\.(\d+)\.", key))),
        "attention_heads": max(1, width // _HEAD_NEURONS),
        "side": patch * math.isqrt(tokens),
    }
    return _filled(content, classes, vit_image.build, state, options)


def _filled(
    content: Content,
    classes: tuple[str, ...],
    build: Callable[..., AudioModel],
    state: Mapping[str, Tensor],
    options: dict[str, Any],
) -> Released:
    if classes:
        raise ModelError(
            f"{content.path.name} becomes an encoder without classes; {len(classes)} names were given"
        )
    own = {key: one for key, one in state.items() if key.startswith(("embeddings.", "encoder.", "layer"))}
    model = build((), n_classes=0, level="max", **options)
    load_strictly(model.net.get_submodule("backbone"), own, content.path.name)
    everything = weights(content.data)
    left_out = sorted(
        {key.partition(".")[0] for key in everything if not key.startswith(("focalnet.", "vit."))}
    )
    return Released(model=model, notes={"left_out": left_out if len(everything) != len(own) else []})


def _inside(data: Any, prefix: str) -> dict[str, Tensor]:
    """Return the backbone's weights: those after a prefix where there are any, else all."""
    state = weights(data)
    inside = {key.removeprefix(prefix): one for key, one in state.items() if key.startswith(prefix)}
    return inside or state


def _renamed(key: str) -> str:
    for pattern, name in RENAMED:
        key = pattern.sub(name, key)
    for long, short in _SHORT.items():
        key = key.replace(long, short)
    return key


FOCALNET = Reader("a FocalNet for photographs, of transformers", is_focalnet, read_focalnet)
VIT = Reader("a ViT for photographs, of transformers", is_vit, read_vit)
