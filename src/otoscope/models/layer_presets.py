"""Which layers does a published protocol listen to, and under which names does it print them?

``and-2024`` (Audio Network Dissection): the linears of every block, before activation and residual sum, and the
classifier, each as one token:

===========================  ===============================  ============================================
published name               AST of transformers from 5.9     before
===========================  ===============================  ============================================
``layerN_attention_output``  ``layers.N.attention.o_proj``    ``encoder.layer.N.attention.output.dense``
``layerN_intermediate``      ``layers.N.mlp.fc1``             ``encoder.layer.N.intermediate.dense``
``layerN_output``            ``layers.N.mlp.fc2``             ``encoder.layer.N.output.dense``
``fc``                       ``logits``                       ``logits``
===========================  ===============================  ============================================

BEATs: ``layerN_1`` is ``encoder.layers.N.fc1``, ``layerN_2`` is ``encoder.layers.N.fc2``, ``fc`` is
``predictor``, whose first token is the logits of the first patch alone. Our ``transformer``, which the release does not
know and which has no special token, gets AST's names and ``first``.

Pooling, as published though called an average: the CLS token of AST (its distillation token is ignored), the first
patch of BEATs (the lowest 16 bands of the first 0.16 s). The default pooling of a recording is the mean instead.

``aape-2026`` (class-selective neurons): the hidden neurons of every block's MLP after their activation, in every kind
of transformer that is known here (:data:`ACTIVATED`); published as ``blocks.N.mlp.act``. Its protocol counts positive
positions and pools nothing, so the pooling is the mean of a recording. EVAR, on which it runs, pads short clips with
zeros, and LAPE's sum, from which it comes, is over all tokens: so padding and special tokens are counted.

Published names are for display: what is written to disk are the layers' own.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models", ICML
2024, and its release; T. Kawamura, D. Niizumi, N. Ono (2026), What do neurons listen to?, arXiv 2602.15307.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from otoscope.errors import ModelError
from otoscope.models.audio_model import LOGITS, AudioModel, unwrap
from otoscope.registry import lookup


@dataclass(frozen=True)
class LayerPreset:
    """What a protocol records of one network.

    Attributes
    ----------
    aliases : mapping of str to str
        Published name -> layer, in the network's order.
    pooling : str
        How positions become one value a clip.
    with_logits : bool
        Whether a recording keeps the network's output beside them, where it has one.
    counting : mapping of str to str
        Options of a recording that say which positions are counted, where they are not the default.
    """

    aliases: Mapping[str, str]
    pooling: Literal["cls", "first", "mean"]
    with_logits: bool = True
    counting: Mapping[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers to record."""
        return tuple(self.aliases.values())

    def published(self, layer: str) -> str:
        """Return the published name of a layer, the layer itself where it has none."""
        return next((name for name, one in self.aliases.items() if one == layer), layer)


@dataclass(frozen=True)
class Family:
    """How one kind of network names what a protocol listens to.

    Attributes
    ----------
    parts : tuple of (str, str)
        Published name with ``{}`` for the block's number, and the layer's path with ``{}``, block by block.
    classifier : str
        Layer of the published ``fc``.
    pooling : str
        As published.
    """

    parts: tuple[tuple[str, str], ...]
    classifier: str
    pooling: Literal["cls", "first"]


_AST = ("layer{}_attention_output", "layer{}_intermediate", "layer{}_output")
AND_2024: dict[str, Family] = {
    "ast": Family(
        tuple(zip(_AST, ("layers.{}.attention.o_proj", "layers.{}.mlp.fc1", "layers.{}.mlp.fc2"))),
        LOGITS,
        "cls",
    ),
    "ast before 5.9": Family(
        tuple(
            zip(
                _AST,
                (
                    "encoder.layer.{}.attention.output.dense",
                    "encoder.layer.{}.intermediate.dense",
                    "encoder.layer.{}.output.dense",
                ),
            )
        ),
        LOGITS,
        "cls",
    ),
    "beats": Family(
        (("layer{}_1", "encoder.layers.{}.fc1"), ("layer{}_2", "encoder.layers.{}.fc2")), "predictor", "first"
    ),
    "transformer": Family(
        tuple(zip(_AST, ("blocks.{}.attention.output", "blocks.{}.mlp.fc1", "blocks.{}.mlp.fc2"))),
        LOGITS,
        "first",
    ),
}

#: protocol -> function ``model -> LayerPreset``
LAYER_PRESETS: dict[str, str] = {
    "and-2024": "otoscope.models.layer_presets:and_2024",
    "aape-2026": "otoscope.models.layer_presets:aape_2026",
}

#: where an MLP's hidden neurons lie after their activation, by kind of block; ``{}`` is the block's number
ACTIVATED = (
    "blocks.{}.mlp.act",  # vit, m2d, transformer
    "encoder.layers.{}.activation_fn",  # BEATs
    "layers.{}.mlp.activation_fn",  # AST and ViT of transformers from 5.9
    "encoder.layer.{}.intermediate",  # before
    "layers.{}.feed_forward.intermediate_act_fn",  # wav2vec2, HuBERT, WavLM
    "layers.{}.activation_fn",  # Whisper
    "stages.{}.layers.{}.mlp.activation",  # FocalNet
    "layers.{}.blocks.{}.intermediate",  # CLAP
)


def layer_preset(name: str, model: AudioModel) -> LayerPreset:
    """Return what the protocol ``name`` records of ``model``.

    Raises
    ------
    UnknownNameError
        If there is no such protocol.
    ModelError
        If the network is of a kind that the protocol does not know.
    """
    preset: Callable[[AudioModel], LayerPreset] = lookup(
        LAYER_PRESETS, name, room="presets", kind="layer preset"
    )
    return preset(model)


def and_2024(model: AudioModel) -> LayerPreset:
    """Return the linears and the classifier of an AST, a BEATs or our ``transformer``.

    Raises
    ------
    ModelError
        If the network is none of these.
    """
    names = [name for name, _ in unwrap(model.net).named_modules()]
    for family in AND_2024.values():
        found = _blocks(family, names)
        if found:
            has_classifier = model.has_logits and (family.classifier == LOGITS or family.classifier in names)
            return LayerPreset(found | ({"fc": family.classifier} if has_classifier else {}), family.pooling)
    raise ModelError(
        f"and-2024 knows the layers of AST, BEATs and transformer; {model.spec or 'this network'} is none of them: "
        "name layers by --layers"
    )


def aape_2026(model: AudioModel) -> LayerPreset:
    """Return the MLP's hidden neurons after their activation, of every block.

    Raises
    ------
    ModelError
        If the network has no such blocks.
    """
    names = [name for name, _ in unwrap(model.net).named_modules()]
    for path in ACTIVATED:
        expression = re.compile(r"(?:.*\.)??" + re.escape(path).replace(r"\{\}", r"\d+"))
        found = [name for name in names if expression.fullmatch(name)]
        if found:
            aliases = {f"blocks.{at}.mlp.act": name for at, name in enumerate(found)}
            return LayerPreset(aliases, "mean", False, {"padding": "include", "special_tokens": "include"})
    raise ModelError(
        f"aape-2026 listens to the MLPs of transformers; {model.spec or 'this network'} has none that are known: name "
        "layers by --layers"
    )


def module_path(published: str) -> tuple[str, str] | None:
    """Return (family, layer) of a published name: paths of AST (>= 5.9, without its prefix) and of BEATs; else None.

    Examples
    --------
    >>> module_path("layer3_intermediate")
    ('ast', 'layers.3.mlp.fc1')
    >>> module_path("layer0_2")
    ('beats', 'encoder.layers.0.fc2')
    """
    for kind in ("ast", "beats"):
        for name, layer in AND_2024[kind].parts:
            found = re.fullmatch(name.format(r"(\d+)"), published)
            if found:
                return kind, layer.format(found[1])
    return None


def _blocks(family: Family, names: Iterable[str]) -> dict[str, str]:
    """Return published name -> module path of all blocks in order; empty unless every block has every part."""
    expressions = [
        (name, re.compile(r"(?:.*\.)??" + re.escape(path).replace(r"\{\}", r"(\d+)")))
        for name, path in family.parts
    ]
    found: dict[int, dict[str, str]] = {}
    for module in names:
        for name, expression in expressions:
            matched = expression.fullmatch(module)
            if matched:
                found.setdefault(int(matched[1]), {})[name.format(matched[1])] = module
    if any(len(block) != len(family.parts) for block in found.values()):
        return {}
    order = [[name.format(number) for name, _ in family.parts] for number in sorted(found)]
    return {name: found[number][name] for number, block in zip(sorted(found), order) for name in block}
