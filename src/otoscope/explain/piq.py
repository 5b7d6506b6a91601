"""Which loud bins of the sound can be told from the classifier's map in codes of its class? PIQ: posthoc quantisation.

    z = adapter(hidden map), q = nearest codes of the class that the network names (otoscope.explain.quantise)
    ``output="mask"``       M = sigmoid(decoder(q)),   L = BCE(M, [S > 0.35 max S]) + codebook + commitment loss
    ``output="magnitude"``  Y = softplus(decoder(q)),  L = mean (Y - S)^2 + the same;   M = [Y > 0.35 max Y]

S = log1p of the magnitude, max over the clip. There is no term for the decision: the class enters through the codes
alone. So PIQ's mask follows what is loud, and is read beside ``loudest``. The codes are its parts: the mask of a part
is the share of the mask at the positions that are this code.

Reference: C. Subakan et al., Posthoc interpretation via quantization (PIQ), and SpeechBrain's recipe. *Where we differ*
(preset ``piq-speechbrain``): any network's map and all frames (``architecture="any"``; the published decoder leaves 14
of 431 frames without a mask); shared codes are learnt; dead codes are revived; masks multiply the magnitude
(``domain="linear"``); ``max Y`` is of the clip, not of the batch it happens to be in; the epoch of least validation
loss is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import polars as pl
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError
from otoscope.explain.decoder import Canvas, deepest_first
from otoscope.explain.decoder_published import PublishedPiq, stretched
from otoscope.explain.explanation import Explanation
from otoscope.explain.hidden import Heard
from otoscope.explain.lmac_losses import LOUD, binary_cross_entropy
from otoscope.explain.mask_lesson import SPEECHBRAIN, Example, MaskConfig, MaskLesson
from otoscope.explain.masked_hearing import bins_of, measures
from otoscope.explain.piq_codes import Codes, code_names, shares
from otoscope.explain.piq_net import Piq
from otoscope.explain.quantise import Quantised
from otoscope.explain.quantise import Shared as SharedRule
from otoscope.explain.recipe import Recipe, RecipeConfig
from otoscope.explain.remembered import Remembered
from otoscope.explain.setting import Setting
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target, chosen
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent


class PiqConfig(MaskConfig):
    """Options of PIQ; others are :class:`otoscope.explain.mask_lesson.MaskConfig`'s.

    Attributes
    ----------
    layer : str or None
        Whose map is quantised; None: the deepest declared one.
    family : {"cnn", "focalnet", "vit"}
        Which published decoder (``architecture="published"``).
    n_codes, n_shared : int
        All codes, and those of them that every class may use.
    shared : {"allowed", "forbidden-in-training"}
        See :mod:`otoscope.explain.quantise`.
    revive : int or None
        Batches without a use after which a code is set to what the map says now; None: never.
    output : {"mask", "magnitude"}
        See the module.
    peak : {"clip", "batch"}
        Over what max Y is taken; ``batch`` as published.
    """

    layer: str | None = None
    family: Literal["cnn", "focalnet", "vit"] = "cnn"
    n_codes: int = Field(256, ge=1)
    n_shared: int = Field(16, ge=0)
    shared: SharedRule = "allowed"
    revive: int | None = Field(10, ge=1)
    output: Literal["mask", "magnitude"] = "mask"
    peak: Literal["clip", "batch"] = "clip"
    epochs: int = Field(30, ge=1)
    learning_rate: float = Field(2e-3, gt=0)


PUBLISHED: Mapping[str, Any] = MappingProxyType(
    {
        **SPEECHBRAIN,
        "architecture": "published",
        "n_codes": 1024,
        "n_shared": 0,
        "shared": "forbidden-in-training",
        "revive": None,
        "peak": "batch",
    }
)
"""SpeechBrain's recipe for Conv2D; FocalNet and ViT: ``family``, 100 epochs, batches of 6."""


@dataclass(frozen=True)
class Painted:
    """What PIQ's network makes of a map.

    Attributes
    ----------
    picture : Tensor, shape (clip, frequency, frame)
        On the spectrogram, before sigmoid or softplus.
    size : (int, int)
        Rows and columns of the decoder's picture.
    n_covered : int
        Frames that have a picture.
    coded : Tensor, shape (clip, neuron, row, column)
        What was quantised.
    found : Quantised
        Its codes, in the same order of axes.
    """

    picture: Tensor
    size: tuple[int, int]
    n_covered: int
    coded: Tensor
    found: Quantised


def paint(net: nn.Module, canvas: Canvas, maps: Tensor, labels: Tensor) -> Painted:
    """Return what the network makes of maps ``(clip, neuron, frequency, frame)``, labels ``(clip,)`` their classes."""
    published = isinstance(net, PublishedPiq)
    seen = as_published(net, maps) if isinstance(net, PublishedPiq) else maps
    coded: Tensor = net.coded(seen)  # type: ignore[operator]
    found: Quantised = net.codebook(coded, labels)  # type: ignore[operator]
    small: Tensor = net.picture(found.passed)  # type: ignore[operator]
    small = small.mT if published else small
    placed: Tensor = canvas.placement(small)
    n_covered = min(small.shape[3], placed.shape[3]) if published else placed.shape[3]
    return Painted(placed[:, 0], (small.shape[2], small.shape[3]), n_covered, coded, found)


def as_published(net: PublishedPiq, maps: Tensor) -> Tensor:
    """Return maps in the published order, frames before frequencies; FocalNet's at twice their size."""
    turned = maps.mT
    return stretched(turned) if net.family == "focalnet" else turned


def loud(features: Tensor, peak: Tensor | None = None) -> Tensor:
    """Return ``[S > 0.35 max S]`` as 0 and 1, shape of S ``(clip, frequency, frame)``; ``peak`` stands in for max S."""
    top = features.amax((1, 2), keepdim=True) if peak is None else peak
    return (features > LOUD * top).to(features)


def mask_of(picture: Tensor, output: str, peak: str) -> Tensor:
    """Return the mask of a picture ``(clip, frequency, frame)``; arguments as in :class:`PiqConfig`."""
    if output == "mask":
        return picture.sigmoid()
    magnitude = functional.softplus(picture)
    return loud(magnitude, magnitude.amax() if peak == "batch" else None)


@dataclass(frozen=True)
class PiqExplainer:
    """A trained PIQ; the target chooses the class whose codes are used.

    Attributes
    ----------
    net : Piq or PublishedPiq
    canvas : Canvas
        For sounds of the length it was trained on; another length gets its own.
    on : Spectrogram
    config : PiqConfig
    """

    net: nn.Module
    canvas: Canvas
    on: Spectrogram
    config: PiqConfig

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation of each clip; arguments as in :class:`otoscope.explain.explanation.Explainer`."""
        canvas = self.canvas
        if waveform.shape[-1] != canvas.n_samples:
            layers = canvas.hidden.layers
            canvas = Canvas.of(model, layers, waveform.shape[-1], self.on, doublings_of(self.net))
        with lent(model), torch.no_grad():
            heard = canvas.hidden(model, waveform)
            labels = chosen(model, heard.output, target)
            if not isinstance(labels, Tensor):
                raise InputError("PIQ's codes belong to classes: name a class as the target")
            painted = paint(self.net, canvas, heard.maps[0], labels)
            mask = mask_of(painted.picture, self.config.output, self.config.peak)
        return self._explanation(mask, painted, canvas, model.classes)

    def _explanation(
        self, mask: Tensor, painted: Painted, canvas: Canvas, classes: tuple[str, ...]
    ) -> Explanation:
        indices = painted.found.indices
        indices = indices.mT if isinstance(self.net, PublishedPiq) else indices  # (clip, row, column)
        names = code_names(self.net.codebook.owner, classes)  # type: ignore[union-attr, arg-type]
        parts = Codes(names, indices, mask, painted.size, canvas.placement)
        used = [
            {
                names[code]: round(float(one[code]), 4)
                for code in one.argsort(descending=True)
                if one[code] > 0
            }
            for one in parts.relevance
        ]
        facts = {"layers": list(canvas.hidden.layers), "codes_used": used}
        if painted.n_covered < mask.shape[2]:
            facts["frames_without_mask"] = mask.shape[2] - painted.n_covered
        ranking = painted.picture if self.config.output == "magnitude" else None
        return Explanation(mask, self.on, self.config.domain, ranking=ranking, parts=parts, facts=facts)


def doublings_of(net: nn.Module) -> int | None:
    """Return how often the decoder doubles the map's grid; None: it paints the spectrogram's own rows."""
    return net.decoder.doublings if isinstance(net, Piq) else None


class PiqLesson(MaskLesson[PiqConfig]):
    """One training of PIQ."""

    def __init__(self, net: nn.Module, setting: Setting, config: PiqConfig, canvas: Canvas) -> None:
        super().__init__(net, setting, config, canvas)
        features = partial(_features, on=setting.on)
        self.remembered = (
            None if setting.contamination else Remembered(setting.train, canvas.hidden, features)
        )

    def batches(self, epoch: int, generator: torch.Generator) -> list[Tensor]:
        """Return the examples of each batch; idle codes are counted anew in every epoch."""
        self.learner.codebook.forget_idle()  # type: ignore[operator, union-attr]
        return super().batches(epoch, generator)

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch of training examples."""
        heard, features = self._heard(batch, generator)
        labels = heard.output.argmax(1)
        painted = paint(self.learner, self.canvas, heard.maps[0], labels)
        if self.config.revive is not None:
            revive = self.learner.codebook.revive  # type: ignore[union-attr]
            revive(painted.coded, labels, painted.found, self.config.revive, generator)  # type: ignore[operator]
        found = painted.found
        return self._missed(painted, features).mean() + found.codebook_loss + found.commitment_loss

    def measured(self, example: Example) -> Mapping[str, Tensor]:
        """Return fidelity, faithfulness, gain and size of the masks, the loss, and how many codes a clip uses."""
        output = example.heard.output
        painted = paint(self.learner, self.canvas, example.heard.maps[0], output.argmax(1))
        mask = mask_of(painted.picture, self.config.output, self.config.peak)
        kept, left = self.hearing(example.bins, mask)
        apart = (painted.coded - painted.found.codes).square().mean((1, 2, 3))
        loss = self._missed(painted, example.bins.features) + 2 * apart
        used = (shares(painted.found.indices, self._n_codes) > 0).sum(1).to(loss)
        return {**measures(output, kept, left, mask), "loss": loss, "codes": used}

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """Return ``codes``: class, positions and clips of the training part that use each code."""
        generator = torch.Generator().manual_seed(self.config.seed)
        batches = torch.arange(len(self.setting.train)).split(self.config.batch_size)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            uses = torch.cat([self._shares(some, generator) for some in batches])
        names = code_names(self.learner.codebook.owner, self.setting.model.classes)  # type: ignore[union-attr, arg-type]
        columns = {"share": uses.mean(0).tolist(), "n_clips": (uses > 0).sum(0).tolist()}
        return {"codes": pl.DataFrame({"code": range(len(names)), "name": names, **columns})}

    @property
    def _n_codes(self) -> int:
        return self.config.n_codes

    def _heard(self, some: Tensor, generator: torch.Generator) -> tuple[Heard, Tensor]:
        """Return what the network says of training examples, and their features."""
        if self.remembered is not None:
            return self.remembered(some)
        example = self.example(self.setting.train, some, generator)
        return example.heard, example.bins.features

    def _shares(self, some: Tensor, generator: torch.Generator) -> Tensor:
        heard, _ = self._heard(some, generator)
        painted = paint(self.learner, self.canvas, heard.maps[0], heard.output.argmax(1))
        return shares(painted.found.indices, self._n_codes)

    def _missed(self, painted: Painted, features: Tensor) -> Tensor:
        """Return how far the picture is from what is loud, or from S, over the frames that have one, ``(clip,)``."""
        picture, wanted = (one[..., : painted.n_covered] for one in (painted.picture, features))
        if self.config.output == "magnitude":
            return (functional.softplus(picture) - wanted).square().mean((1, 2))
        return binary_cross_entropy(picture.sigmoid(), loud(features)[..., : painted.n_covered])


class PiqRecipe(Recipe):
    """PIQ."""

    name: ClassVar[str] = "piq"
    config: ClassVar[type[RecipeConfig]] = PiqConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({"piq-speechbrain": PUBLISHED})

    def prepare(self, setting: Setting, config: PiqConfig) -> PiqLesson:
        """Return the lesson."""
        named = None if config.layer is None else (config.layer,)
        layers = deepest_first(setting.model, named, setting.n_samples).layers[:1]
        shape = deepest_first(setting.model, layers, setting.n_samples).shapes[0]
        net = _net(config, shape, len(setting.model.classes))
        canvas = Canvas.of(setting.model, layers, setting.n_samples, setting.on, doublings_of(net))
        return PiqLesson(net, setting, config, canvas)

    def build(self, model: AudioModel, facts: Mapping[str, Any]) -> nn.Module:
        """Return the untrained network."""
        neurons, rows, columns = facts["net"]["shapes"][0]
        return _net(PiqConfig.of(facts["config"]), (neurons, rows, columns), len(model.classes))

    def explainer(self, net: nn.Module, model: AudioModel, facts: Mapping[str, Any]) -> PiqExplainer:
        """Return what explains with a trained network."""
        on = Spectrogram.from_json(facts["spectrogram"])
        canvas = Canvas.of(model, facts["net"]["layers"], facts["n_samples"], on, doublings_of(net))
        return PiqExplainer(net, canvas, on, PiqConfig.of(facts["config"]))


RECIPE = PiqRecipe()


def _features(waveform: Tensor, on: Spectrogram) -> Tensor:
    return bins_of(waveform, on).features


def _net(config: PiqConfig, shape: tuple[int, int, int], n_classes: int) -> nn.Module:
    if not n_classes:
        raise InputError("PIQ gives each class codes of its own: the network names no classes")
    codes = (config.n_codes, config.n_shared, config.shared)
    if config.architecture == "any":
        return Piq(shape, n_classes, config.width, *codes, config.doublings)
    return PublishedPiq(config.family, shape[0], codes[0], n_classes, *codes[1:])
