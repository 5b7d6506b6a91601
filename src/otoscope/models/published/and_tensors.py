"""Saved activations of Audio Network Dissection: one tensor a file, and a name that says what it is.

======================================== ==========================================================
``target_<dataset>_<network>_<layer>.pt``  activations (clip, neuron) of one layer, one token a clip
``audio_<dataset>.pt``                     embeddings (clip, dimension) of the probing clips
``text_<concepts>.pt``                     embeddings (concept, dimension) of the concept strings
======================================== ==========================================================

The safetensors file holds ``activations`` or ``embeddings`` as float32; its note holds what the name said, the layer
as our path (``family``, ``layer``; see :mod:`otoscope.models.published.and_results`). Rows are in the order of the
dataset, which is not in the file.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from otoscope.models.layer_presets import module_path
from otoscope.models.published.reader import Content, Reader, Released

_LAYER = re.compile(r"^(?P<where>.+)_(?P<layer>layer\d+_\w+|fc)$")


def is_activations(content: Content) -> bool:
    """Return whether this is one table of numbers."""
    data = content.data
    return isinstance(data, Tensor) and data.ndim == 2 and data.is_floating_point()


def read(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the numbers with what the file's name says of them."""
    what, _, rest = content.path.stem.partition("_")
    name = "embeddings" if what in ("audio", "text") else "activations"
    return Released(arrays={name: content.data.to(torch.float32)}, notes=_said(what, rest))


def _said(what: str, rest: str) -> dict[str, Any]:
    if what in ("audio", "text"):
        return {"of": what, "name": rest}
    found = _LAYER.match(rest) if what == "target" else None
    if found is None:
        return {"of": "target", "name": rest}
    family, layer = module_path(found["layer"]) or (None, found["layer"])
    return {"of": "target", "name": found["where"], "family": family, "layer": layer}


ACTIVATIONS = Reader("saved activations of Audio Network Dissection", is_activations, read)
