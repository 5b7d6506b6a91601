"""Which bins keep the decision when alone, and take it away when missing? L-MAC: a decoder learns the mask.

    mask M = sigmoid(decoder(hidden maps))      decoder: otoscope.explain.decoder, on all declared maps
    loss   = mean over clips of  decision + regulariser,  or, where guidance is on and its gate open,
                                 decision + w_g guided            terms: otoscope.explain.lmac_losses

The class is the one that the network names, so the mask is of that decision whatever target is asked for later.
Fine-tuning goes on from a trained L-MAC (``start_from``) on contaminated sound: the network hears the mixture, and
guidance draws masks that already pass the clean sound towards it.

Reference: F. Paissan, M. Ravanelli, C. Subakan (2024), Listenable Maps for Audio Classifiers, ICML. *Where we differ*
from SpeechBrain's recipe (preset ``lmac-2024``; fine-tuned ``lmac-2024-finetuned``): any network's maps and all
frames (``architecture="any"``); masked sound is resynthesised before the network hears it; the mask-out term is
bounded, and both it and the size weigh more; each clip is regularised alone, so that the strength does not depend on
the batch; masks multiply the magnitude (``domain="linear"``), so that explanation and remainder add up; the epoch of
least validation loss is kept, not the last one. In the preset, frames that the published decoder leaves out are
silent; there they are cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from otoscope.errors import InputError
from otoscope.explain import lmac_losses, trained
from otoscope.explain.decoder import Canvas, MapDecoder, deepest_first
from otoscope.explain.decoder_published import PublishedLmac
from otoscope.explain.explanation import Domain, Explanation
from otoscope.explain.mask_lesson import SPEECHBRAIN, Example, MaskConfig, MaskLesson
from otoscope.explain.masked_hearing import bins_of, measures
from otoscope.explain.recipe import Recipe, RecipeConfig
from otoscope.explain.setting import Setting
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent

N_PUBLISHED = 4
"""Maps that the published decoder takes: CNN14's blocks 6, 5, 4, 3."""


class LmacConfig(MaskConfig):
    """Options of L-MAC; others are :class:`otoscope.explain.mask_lesson.MaskConfig`'s. ``published`` fits CNN14 alone.

    Attributes
    ----------
    layers : tuple of str or None
        Whose maps the decoder sees, deepest first; None: all declared ones (``published``: the deepest four).
    mask_in, mask_out : float
        Weights of the decision's terms.
    out_term : {"bounded", "as-published"}
    sparsity, smoothness : float
        Weights of size and variation.
    regulariser : {"per-clip", "as-published"}
        See :mod:`otoscope.explain.lmac_losses`.
    start_from : str or None
        Folder of a trained L-MAC of the same network whose weights training begins with.
    guidance : {"binary", "mse"} or None
        Needs ``start_from``.
    guidance_weight : float
    gate : float
        Resemblance from which a clip is guided.
    correlation : {"dotp", "conv"}
    """

    layers: tuple[str, ...] | None = None
    mask_in: float = Field(4.0, ge=0)
    mask_out: float = Field(2.0, ge=0)
    out_term: lmac_losses.OutTerm = "bounded"
    sparsity: float = Field(3.0, ge=0)
    smoothness: float = Field(0.0, ge=0)
    regulariser: Literal["per-clip", "as-published"] = "per-clip"
    start_from: str | None = None
    guidance: lmac_losses.Guidance | None = None
    guidance_weight: float = Field(4.0, ge=0)
    gate: float = Field(0.6, ge=-1, le=1)
    correlation: lmac_losses.Correlation = "dotp"
    epochs: int = Field(10, ge=1)
    learning_rate: float = Field(3e-3, gt=0)


PUBLISHED: Mapping[str, Any] = MappingProxyType(
    {
        **SPEECHBRAIN,
        "architecture": "published",
        "mask_out": 0.2,
        "sparsity": 0.4,
        "out_term": "as-published",
        "regulariser": "as-published",
    }
)
"""SpeechBrain's recipe; other networks than CNN14 take it with ``architecture="any"``."""


@dataclass(frozen=True)
class LmacExplainer:
    """A trained L-MAC; the target is not used, the mask is of the decision that the network makes.

    Attributes
    ----------
    net : MapDecoder or PublishedLmac
    canvas : Canvas
        For sounds of the length it was trained on; another length gets its own.
    on : Spectrogram
    domain : {"linear", "log1p"}
    """

    net: nn.Module
    canvas: Canvas
    on: Spectrogram
    domain: Domain

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation of each clip; arguments as in :class:`otoscope.explain.explanation.Explainer`."""
        canvas = self.canvas
        if waveform.shape[-1] != canvas.n_samples:
            layers = canvas.hidden.layers
            canvas = Canvas.of(model, layers, waveform.shape[-1], self.on, doublings_of(self.net))
        with lent(model), torch.no_grad():
            mask = mask_of(self.net, canvas, canvas.hidden(model, waveform).maps)
        facts = {"layers": list(canvas.hidden.layers), "target_used": False}
        return Explanation(mask, self.on, self.domain, facts=facts)


def mask_of(net: nn.Module, canvas: Canvas, maps: tuple[Tensor, ...]) -> Tensor:
    """Return the mask ``(clip, frequency, frame)`` that a decoder makes of the maps, deepest first."""
    if isinstance(net, PublishedLmac):
        picture = net([one.mT for one in maps]).mT
    else:
        picture = net(maps)
    placed: Tensor = canvas.placement(picture)
    return placed[:, 0].sigmoid()


def doublings_of(net: nn.Module) -> int | None:
    """Return how often a decoder doubles the last map's grid; None: it paints the spectrogram's own rows."""
    return net.doublings if isinstance(net, MapDecoder) else None


class LmacLesson(MaskLesson[LmacConfig]):
    """One training of L-MAC."""

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch of training examples."""
        example = self.example(self.setting.train, batch, generator)
        mask = mask_of(self.learner, self.canvas, example.heard.maps)
        decided = self._decision(example.heard.output, *self.hearing(example.bins, mask))
        gate, guided = self._guidance(mask, example)
        return decided.mean() + self._regulariser(mask, gate) + (gate * guided).mean()

    def measured(self, example: Example) -> Mapping[str, Tensor]:
        """Return fidelity, faithfulness, gain and size of the masks, the loss, and which gates are open."""
        output = example.heard.output
        mask = mask_of(self.learner, self.canvas, example.heard.maps)
        kept, left = self.hearing(example.bins, mask)
        gate, guided = self._guidance(mask, example)
        loss = self._decision(output, kept, left) + torch.where(gate, guided, self._regular(mask))
        found = {**measures(output, kept, left, mask), "loss": loss}
        return {**found, "gated": gate.to(loss)} if self.config.guidance else found

    def _decision(self, output: Tensor, kept: Tensor, left: Tensor) -> Tensor:
        how = self.config
        weights = {"mask_in": how.mask_in, "mask_out": how.mask_out, "out_term": how.out_term}
        return lmac_losses.decision(kept, left, output.argmax(1), **weights)  # type: ignore[arg-type]

    def _guidance(self, mask: Tensor, example: Example) -> tuple[Tensor, Tensor]:
        """Return which clips are guided, bool ``(clip,)``, and the weighted term of each."""
        how = self.config
        if how.guidance is None:
            return torch.zeros(len(mask), dtype=torch.bool, device=mask.device), mask.new_zeros(len(mask))
        wanted, noisy = bins_of(example.clean, self.setting.on).features, example.bins.features
        alike = lmac_losses.resemblance(wanted, mask.detach() * noisy, how.correlation)
        return alike >= how.gate, how.guidance_weight * lmac_losses.guided(mask, wanted, noisy, how.guidance)

    def _regulariser(self, mask: Tensor, gate: Tensor) -> Tensor:
        how = self.config
        if how.regulariser == "as-published":
            return lmac_losses.published_regulariser(mask, gate, how.sparsity, how.smoothness)
        return (self._regular(mask) * ~gate).mean()

    def _regular(self, mask: Tensor) -> Tensor:
        how = self.config
        return how.sparsity * lmac_losses.size(mask) + how.smoothness * lmac_losses.variation(mask)


class LmacRecipe(Recipe):
    """L-MAC, and its fine-tuning."""

    name: ClassVar[str] = "lmac"
    config: ClassVar[type[RecipeConfig]] = LmacConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {"lmac-2024": PUBLISHED, "lmac-2024-finetuned": {**PUBLISHED, "guidance": "binary"}}
    )

    def prepare(self, setting: Setting, config: LmacConfig) -> LmacLesson:
        """Return the lesson."""
        if config.guidance is not None and config.start_from is None:
            raise InputError(
                "guidance draws masks that already resemble the clean sound: name a trained L-MAC by start_from "
                "(--from DIR)"
            )
        hidden = deepest_first(setting.model, config.layers, setting.n_samples)
        layers = hidden.layers[:N_PUBLISHED] if config.architecture == "published" else hidden.layers
        net = _net(config, hidden.shapes[: len(layers)])
        _check_fit(net, hidden.shapes[: len(layers)])
        canvas = Canvas.of(setting.model, layers, setting.n_samples, setting.on, doublings_of(net))
        if config.start_from is not None:
            _take_over(net, config.start_from, setting.model, layers)
        return LmacLesson(net, setting, config, canvas)

    def build(self, model: AudioModel, facts: Mapping[str, Any]) -> nn.Module:
        """Return the untrained decoder."""
        return _net(LmacConfig.of(facts["config"]), [tuple(one) for one in facts["net"]["shapes"]])

    def explainer(self, net: nn.Module, model: AudioModel, facts: Mapping[str, Any]) -> LmacExplainer:
        """Return what explains with a trained decoder."""
        on = Spectrogram.from_json(facts["spectrogram"])
        canvas = Canvas.of(model, facts["net"]["layers"], facts["n_samples"], on, doublings_of(net))
        return LmacExplainer(net, canvas, on, facts["config"]["domain"])

    def variant(self, facts: Mapping[str, Any]) -> str:
        """Return the name in tables; a fine-tuned one is a method of its own."""
        return self.name if facts["config"].get("guidance") is None else f"{self.name}-finetuned"


RECIPE = LmacRecipe()


def _net(config: LmacConfig, shapes: Any) -> nn.Module:
    if config.architecture == "any":
        return MapDecoder(shapes, config.width, config.doublings)
    widths = [shape[0] for shape in shapes]
    if len(widths) != N_PUBLISHED or any(one * 2**i != widths[0] for i, one in enumerate(widths)):
        raise InputError(
            f"the published decoder takes four maps, each half as wide as the one before, got widths {widths}: those "
            "of CNN14's blocks 6, 5, 4 and 3; use architecture='any' for another network"
        )
    return PublishedLmac(widths[0])


def _check_fit(net: nn.Module, shapes: Any) -> None:
    """Raise if the published decoder's kernels do not fit maps of these shapes."""
    if not isinstance(net, PublishedLmac):
        return
    try:
        with torch.no_grad():
            net([torch.zeros(1, neurons, columns, rows) for neurons, rows, columns in shapes])
    except RuntimeError as error:
        raise InputError(
            f"the published decoder's kernels do not fit maps {[tuple(one) for one in shapes]} (neuron, frequency, "
            "frame): they are made for CNN14 on 80 mel bands and 32 n + 8 to 32 n + 15 frames; use architecture='any'"
        ) from error


def _take_over(net: nn.Module, folder: str, model: AudioModel, layers: tuple[str, ...]) -> None:
    """Load the weights of a trained L-MAC of the same network and maps."""
    place = Path(folder)
    content = trained.read_explainer(place)
    trained.check(content, model, folder)
    there = tuple(content["net"].get("layers", ()))
    if content["method"] != LmacRecipe.name or there != tuple(layers):
        raise InputError(
            f"{folder} is a {content['method']} on {', '.join(there) or 'no layers'}; fine-tuning goes on from an lmac "
            f"on {', '.join(layers)}"
        )
    trained.load(net, place, content)
