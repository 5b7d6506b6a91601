"""Released classifiers of SpeechBrain's ESC-50 recipes and of PIQ-ESC50: an encoder's file and its head's beside it.

``embedding_model.ckpt`` (or ``embedding_modelft.ckpt``) holds the encoder, a Conv2D or a CNN14; ``classifier.ckpt`` (or
``classifierft.ckpt``) in the same folder its head, linear or cosine. Give the encoder's file. Without a head beside it
the network is an encoder, which ``otoscope train ARCH --from`` can train on from. Widths and kinds follow from keys and
shapes; sounds are levelled by their signed maximum, as the recipes load them.

Their explainers' files (PIQ's ``psi_model.ckpt``, the decoders and Theta of L2I and L-MAC, dictionaries) become
safetensors with their own keys; the note says which it is (``explainer``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from otoscope.errors import ModelError
from otoscope.models import cnn14_speechbrain, conv2d
from otoscope.models.audio_model import AudioModel
from otoscope.models.published.reader import Content, Reader, Released
from otoscope.models.published.states import load_strictly, weights

#: what the head's file is called where it lies beside the encoder's
HEADS = ("classifier.ckpt", "classifierft.ckpt", "classifier.pt")
_CONV2D = {"conv1.weight", "bn1.weight", "resblock.block.0.weight"}
_CNN14 = {"conv_block1.norm1.weight", "conv_block6.conv1.weight", "norm0.weight"}
#: explainer -> keys by which its file is known; asked in this order
EXPLAINERS: dict[str, set[str]] = {
    "piq": {"codebook.embedding.weight", "adapter.block.0.weight"},
    "l2i-psi-conv2d": {"decoder.14.weight", "decoder.0.weight"},
    "decoder-cnn14": {"convt1.weight", "convt7.weight"},
    "l2i-theta": {"hard_att.weight", "classifier.0.weight"},
    "nmf-encoder": {"convenc.0.weight", "convenc.4.weight"},
    "nmf-decoder": {"W"},
}


def is_classifier(content: Content) -> bool:
    """Return whether this is the encoder of a classifier."""
    keys = weights(content.data).keys()
    return keys >= _CONV2D or keys >= _CNN14


def is_explainer(content: Content) -> bool:
    """Return whether this is a part of an explainer."""
    return _explainer(weights(content.data)) is not None


def read(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the network, with its head where that lies in the same folder.

    Raises
    ------
    ModelError
        If keys or shapes do not fit, or there are other than as many names as output neurons.
    """
    encoder, found = weights(content.data), _head(content.path)
    head = {} if found is None else found[1]
    count = int(head["weight"].shape[0]) if head else 0
    if classes and len(classes) != count:
        raise ModelError(
            f"{content.path.name} has {count} output neurons{'' if head else ' (no classifier.ckpt beside it)'}; "
            f"{len(classes)} class names were given"
        )
    model = _built(encoder, head, classes, count)
    load_strictly(model.net.get_submodule("encoder"), encoder, content.path.name)
    if head and found is not None:
        load_strictly(model.net.get_submodule("head"), head, found[0].name)
    return Released(model=model, notes={"head": None if found is None else found[0].name})


def read_explainer(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the weights of a part of an explainer, under their own keys."""
    state = weights(content.data)
    return Released(arrays=state, notes={"explainer": _explainer(state)})


def _explainer(state: Mapping[str, Tensor]) -> str | None:
    return next((name for name, keys in EXPLAINERS.items() if keys <= state.keys()), None)


def _head(path: Path) -> tuple[Path, dict[str, Tensor]] | None:
    """Return the head's file in the same folder and its weights; None where there is none."""
    from otoscope.models.published import content

    places = [path.with_name(name) for name in HEADS]
    if path.stem.endswith("ft"):
        places = [places[1], places[0], places[2]]
    for place in places:
        if place.is_file():
            kept = weights(content.read(place).data)
            plain = {key.removeprefix("w."): one for key, one in kept.items()} if "w.weight" in kept else kept
            if "weight" not in plain:
                raise ModelError(f"{place} holds no head: it has the keys {', '.join(sorted(plain)[:4])}")
            return place, plain
    return None


def _built(
    encoder: Mapping[str, Tensor], head: Mapping[str, Tensor], classes: tuple[str, ...], count: int
) -> AudioModel:
    cosine = "blocks.1.w.weight" in head
    options: dict[str, Any] = {"n_classes": None if classes else count, "level": "max"}
    if head:
        scale = "learnt" if "log_scale" in head else "none"
        options |= {"head": "cosine" if cosine else "linear", "scale": scale}
    if encoder.keys() >= _CONV2D:
        return conv2d.build(classes, width=int(encoder["conv1.weight"].shape[0]), **options)
    return cnn14_speechbrain.build(
        classes,
        width=int(encoder["conv_block1.conv1.weight"].shape[0]),
        norm="bn" if "norm0.running_mean" in encoder else "ln",
        n_mels=int(encoder["norm0.weight"].shape[0]),
        **options,
    )


CLASSIFIER = Reader("an encoder of SpeechBrain's ESC-50 recipes (Conv2D or CNN14)", is_classifier, read)
EXPLAINER = Reader("a part of an explainer of SpeechBrain's ESC-50 recipes", is_explainer, read_explainer)
