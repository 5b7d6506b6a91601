"""Where are a network's activations strong? Activation-map thresholding, without training and without a target.

    norm        relevance of a position = Euclidean norm over the layer's neurons
                (FocalNet: the modulator, output of the last block's ``modulation.projection_context``)
    attention   relevance of a position = attention that the special tokens pay to it in the last layer, mean over heads
                (CLS in ViT and AST; a network without special tokens: mean over all tokens)

The map is placed on the spectrogram and thresholded at its 0.9-quantile (:mod:`otoscope.explain.maps`). AMT does not
look at the class: it shows what is strong inside, which is often what is loud, so it is read beside ``loudest``.

Reference: SpeechBrain's ESC-50 interpretability recipes (FocalNet and ViT, 2024), and C. Subakan et al. (2024) on
focal modulation for interpretable sound classification. *Where we differ* (preset ``amt-speechbrain`` =
``placement="stretch", threshold="as-published"``): rows of a mel map are placed at their frequencies, not stretched;
a silent clip explains nothing rather than everything; AST's distillation token is a special token like CLS.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from otoscope.errors import ModelError
from otoscope.explain.explanation import Explanation
from otoscope.explain.layer_map import LayerMap, layer_map
from otoscope.explain.maps import mask_of, placed
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target
from otoscope.models import vit
from otoscope.models.audio_model import AudioModel, unwrap
from otoscope.models.geometry import Geometry
from otoscope.models.transformer import Attention
from otoscope.record.hooks import capturing, lent
from otoscope.record.layers import Layer, modules_of
from otoscope.stage_config import StageConfig


class ActivationMap(StageConfig):
    """Activation-map thresholding.

    Attributes
    ----------
    kind : {"norm", "attention"}
        What is mapped.
    layer : str or None
        Whose activations (``norm``), or whose grid the tokens have (``attention``); None: the last with a grid.
    quantile : float
        Share of bins that is left out.
    placement : {"geometry", "stretch"}
    threshold : {"quantile", "as-published", "soft"}
        See :mod:`otoscope.explain.maps`.
    """

    kind: Literal["norm", "attention"] = "norm"
    layer: str | None = None
    quantile: float = Field(0.9, ge=0, lt=1)
    placement: Literal["geometry", "stretch"] = "geometry"
    threshold: Literal["quantile", "as-published", "soft"] = "quantile"

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation; the target is not used."""
        on = Spectrogram.of(model)
        with lent(model), torch.no_grad():
            found = layer_map(model, waveform, self.layer)
            grid = norms(found) if self.kind == "norm" else attention_map(model, waveform, found)
        n_frames = on.n_frames(waveform.shape[-1])
        relevance = placed(grid, found.geometry, on, n_frames, self.placement)
        rule = partial(mask_of, threshold=self.threshold, quantile=self.quantile)
        mask = rule(relevance)
        return Explanation(mask, on, ranking=relevance, rule=rule, facts=found.facts)


def norms(found: LayerMap) -> Tensor:
    """Return the Euclidean norm over neurons at each position, ``(clip, row, column)``."""
    return found.geometry.grid(found.activation).square().sum(1).sqrt()


def attention_map(model: AudioModel, waveform: Tensor, found: LayerMap) -> Tensor:
    """Return the attention that special tokens pay to each position, ``(clip, row, column)``, mean over heads.

    Raises
    ------
    ModelError
        If the network has no attention layer whose weights can be seen, or its tokens are not those of ``found``.
    """
    weights = attention_weights(model, waveform)  # (clip, head, query, key)
    geometry = found.geometry
    n_prefix = weights.shape[-1] - geometry.n_positions
    if n_prefix < 0:
        raise ModelError(
            f"{weights.shape[-1]} tokens attend to one another, the grid of {found.name} has "
            f"{geometry.n_positions} positions: name the layer whose grid they have"
        )
    return cls_map(weights, _tokens(geometry, n_prefix))


def cls_map(weights: Tensor, geometry: Geometry) -> Tensor:
    """Return the mean over heads and special queries of attention ``(clip, head, query, key)`` on the token grid."""
    heads = weights.mean(1)  # (clip, query, key)
    asking = heads[:, : geometry.n_prefix] if geometry.n_prefix else heads
    return geometry.grid(asking.mean(1)[:, :, None])[:, 0]


def _tokens(geometry: Geometry, n_prefix: int) -> Geometry:
    order = geometry.order if "N" in geometry.axes else "frequency-major"
    return Geometry("BNC", n_prefix, geometry.n_frequency, geometry.n_time, order)


def attention_weights(model: AudioModel, waveform: Tensor) -> Tensor:
    """Return the attention of the last layer, ``(clip, head, query, key)``, rows sum to 1.

    Networks of transformers are switched to their explicit attention for this pass and back; our own transformer's
    weights are computed from its queries and keys.
    """
    seen: list[Tensor] = []

    def listen(layer: Layer, output: Any) -> None:
        if layer.module in heads:
            seen.append(_of_qkv(output, heads[str(layer.module)]))
        elif isinstance(output, tuple | list):
            seen.extend(one for one in output if _is_attention(one))

    modules = modules_of(model)
    ours = {f"{name}.qkv": one for name, one in modules.items() if isinstance(one, Attention | vit.Attention)}
    heads = {name: one.heads for name, one in ours.items()}
    layers = [Layer(name, name) for name in (heads or modules)]
    with _explicit(unwrap(model.net)), capturing(modules, layers, listen):
        model(waveform)
    if not seen:
        raise ModelError(
            f"no attention weights are to be seen in {model.spec or 'this network'}; use kind='norm'"
        )
    most = min((one.unit_tokens for one in ours.values() if isinstance(one, vit.Attention)), default=None)
    if most is not None and seen[-1].shape[-1] > most:
        raise ModelError(
            f"{model.spec or 'this network'} hears {waveform.shape[-1] / model.sample_rate:g} s in units that do not "
            "attend to one another: open it with ?length_s of one unit (6.08 s where published)"
        )
    return seen[-1]


def _is_attention(one: Any) -> bool:
    return isinstance(one, Tensor) and one.ndim == 4 and one.shape[-1] == one.shape[-2]


def _of_qkv(output: Tensor, heads: int) -> Tensor:
    clips, tokens, width = output.shape
    query, key, _ = output.reshape(clips, tokens, 3, heads, width // (3 * heads)).permute(2, 0, 3, 1, 4)
    return torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, -1)


class _explicit:
    """Let a network of transformers compute its attention weights while the block runs."""

    def __init__(self, net: nn.Module) -> None:
        self._net, self._before = net, getattr(getattr(net, "config", None), "_attn_implementation", None)

    def __enter__(self) -> None:
        if self._before is not None:
            self._net.set_attn_implementation("eager")  # type: ignore[operator]

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            self._net.set_attn_implementation(self._before)  # type: ignore[operator]
