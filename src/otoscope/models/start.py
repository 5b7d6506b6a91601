"""Train on from a network that exists: which weights are taken over, and which begin anew.

``start_from`` names a network of the same architecture (``beats:FILE``, ``panns:FILE``, a model folder ...). Its
front end and its net are taken over; the head as well if it names the same classes in the same order, else it begins
anew. Options of the architecture are the source's where the config gives none.

A network can be started from if its net has ``head_name`` (the path of its last linear) and ``embedding``, which
gives what the head takes as one vector a clip.
"""

from __future__ import annotations

from typing import Any

from otoscope.data.clips import LabelSet
from otoscope.errors import InputError, ModelError
from otoscope.models import open_model
from otoscope.models.audio_model import AudioModel
from otoscope.models.published.states import load_strictly
from otoscope.models.weights import hash_weights

#: options that are the new network's own
_OWN = ("n_classes", "seed")


def open_start(arch: str, spec: str, device: str = "cpu") -> AudioModel:
    """Return the network ``spec`` to start from, in evaluation mode.

    Raises
    ------
    ModelError
        If it is of another architecture than ``arch``, or cannot be opened.
    """
    source = open_model(spec, device)
    found = source.config.get("architecture")
    if found != arch:
        kind = f"a {found}" if found else "a network of another maker"
        raise ModelError(
            f"{spec} is {kind}, not a {arch}: train can start from one of its own architectures, given as ARCH"
        )
    return source


def options_of(source: AudioModel) -> dict[str, Any]:
    """Return the options of the source that a network started from it has too."""
    return {key: value for key, value in source.config["options"].items() if key not in _OWN}


def keeps_head(source: AudioModel, labels: LabelSet) -> bool:
    """Return whether the source's head names the same classes."""
    return source.has_logits and tuple(source.classes) == tuple(labels.classes)


def account_of(spec: str, source: AudioModel, labels: LabelSet) -> dict[str, Any]:
    """Return what ``training.json`` says of the start."""
    return {
        "spec": spec,
        "weights_hash": hash_weights(source),
        "head": "kept" if keeps_head(source, labels) else "new",
    }


def take_over(model: AudioModel, source: AudioModel, labels: LabelSet) -> None:
    """Give ``model`` the weights of ``source``.

    Raises
    ------
    ModelError
        If their sizes differ.
    """
    head, kept = head_name(model), keeps_head(source, labels)
    theirs = source.net.state_dict()
    chosen = {key: one for key, one in theirs.items() if kept or not key.startswith(f"{head}.")}
    load_strictly(model.net, {**model.net.state_dict(), **chosen}, f"{source.spec}, to start from")
    model.front_end.load_state_dict(source.front_end.state_dict())


def head_name(model: AudioModel) -> str:
    """Return the path of the net's last linear.

    Raises
    ------
    InputError
        If the net does not say.
    """
    name = getattr(model.net, "head_name", None)
    if not isinstance(name, str):
        raise InputError(
            f"{type(model.net).__name__} does not say which of its layers is the head, so it cannot be frozen"
        )
    return name
