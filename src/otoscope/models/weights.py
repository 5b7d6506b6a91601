"""Is this the network that was recorded? One hash over its weights and its front end.

The hash is the sha256 over, for each tensor of the net and of the front end in the order of their names:
the name, the kind of number, the shape and the bytes (little-endian, row-major); then over the front
end's description as canonical JSON. Names are those inside wrappers, so compiling a network does not
change its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from otoscope.models.audio_model import AudioModel, unwrap
from otoscope.store.hashing import canonical_json


def hash_weights(model: AudioModel) -> str:
    """Return the sha256 (64 hexadecimal digits) of the model's weights and front end. Cost O(bytes)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(_named_tensors(model)):
        digest.update(canonical_json([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(_bytes(tensor))
    digest.update(canonical_json(describe_front_end(model)).encode())
    return digest.hexdigest()


def describe_front_end(model: AudioModel) -> dict[str, Any]:
    """Return what the front end computes (its ``description``, or its class) and the sample rate."""
    front_end = unwrap(model.front_end)
    described = getattr(front_end, "description", None)
    if not isinstance(described, Mapping):
        described = {"class": type(front_end).__qualname__}
    return {"sample_rate": model.sample_rate, **described}


def _named_tensors(model: AudioModel) -> Iterator[tuple[str, Tensor]]:
    parts: tuple[tuple[str, nn.Module], ...] = (("front_end", model.front_end), ("net", model.net))
    for part, module in parts:
        for name, tensor in unwrap(module).state_dict().items():
            if isinstance(tensor, Tensor):
                yield f"{part}.{name}", tensor


def _bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()
