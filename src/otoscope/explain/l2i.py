"""Which components of the sound does the decision rest on, learnt from the network's hidden maps? Listen to Interpret.

    maps of chosen layers -> Psi -> H (clip, component, frame) -> Theta -> a copy of the network's output
    log1p|X| ~ W H, W a fixed dictionary; relevance r of each component for the explained class; L the relevant ones
    mask  M = (W_L H_L) / (W H + eps),  one array,     explanation = expm1(M log1p|X|) with the input's phase

A class is explained by what its components say (:mod:`otoscope.explain.l2i_relevance`), any other number of the
output by the same number of its copy. *Presets*: ``l2i-2022``, the authors' losses, schedule and selection;
``l2i-speechbrain``, the recipe's. Their faults that decide published numbers are options here: the relevance that flips
its sign, one weight a frame in place of attention, a fidelity that is weaker by the number of classes. Defaults are
corrected: relevance is not flipped, an empty set is empty, any length of sound, the best epoch by the copy's loss on
clips held out by group (the release takes the test clips, the recipe the last epoch).

References: J. Parekh, S. Parekh, P. Mozharovskyi, F. d'Alche-Buc, G. Richard (2022), Listen to Interpret: Post-hoc
Interpretability for Audio Networks with NMF, NeurIPS; SpeechBrain's ESC-50 interpretability recipes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from otoscope.explain.components import Components
from otoscope.explain.dictionary import Dictionary
from otoscope.explain.dictionary_source import open_dictionary
from otoscope.explain.explanation import Explainer, Explanation
from otoscope.explain.hidden import HiddenMaps
from otoscope.explain.l2i_config import PRESETS, L2IConfig
from otoscope.explain.l2i_lesson import L2ILesson
from otoscope.explain.l2i_net import L2INet
from otoscope.explain.l2i_psi import LAYERS
from otoscope.explain.l2i_relevance import contributions, kept, normalised
from otoscope.explain.nmf_recipe import dictionary_of_updates
from otoscope.explain.recipe import Recipe, RecipeConfig
from otoscope.explain.setting import Setting
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Goal, Target, chosen
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent
from otoscope.store.hashing import sha256_json


class L2IRecipe(Recipe):
    """Listen to Interpret."""

    name: ClassVar[str] = "l2i"
    config: ClassVar[type[RecipeConfig]] = L2IConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    def prepare(self, setting: Setting, config: L2IConfig) -> L2ILesson:
        """Open or learn the dictionary, build Psi and Theta."""
        if config.dictionary is None:
            dictionary = dictionary_of_updates(setting, config.dictionary_config())
        else:
            dictionary = open_dictionary(config.dictionary, setting.on)
        maps = HiddenMaps.of(setting.model, layers_of(config), setting.n_samples)
        facts = {
            "layers": list(maps.layers),
            "shapes": [list(one) for one in maps.shapes],
            "n_frequencies": setting.on.settings.n_frequencies,
            "n_components": dictionary.n_components,
            "n_classes": int(setting.valid.output.shape[1]),
            "n_frames": setting.n_frames,
            "domain": dictionary.domain,
            "labels": None if dictionary.labels is None else list(dictionary.labels),
            "dictionary": dict(dictionary.origin),
        }
        net = _net(config, facts)
        net.spectra.copy_(dictionary.spectra)
        return L2ILesson(net, setting, config, facts, dictionary=dictionary, maps=maps)

    def inputs(self, config: L2IConfig, on: Spectrogram) -> Mapping[str, Any]:
        """Return the hash of the dictionary's spectra."""
        if config.dictionary is None:
            return {}
        found = open_dictionary(config.dictionary, on).spectra
        return {"dictionary": sha256_json([list(found.shape), found.numpy().tobytes().hex()])}

    def build(self, model: AudioModel, facts: Mapping[str, Any]) -> nn.Module:
        """Return the untrained net."""
        return _net(L2IConfig.of(facts["config"]), facts["net"])

    def explainer(self, net: nn.Module, model: AudioModel, facts: Mapping[str, Any]) -> Explainer:
        """Return what explains with a trained net."""
        about, on = facts["net"], Spectrogram.of(model)
        labels = None if about["labels"] is None else tuple(about["labels"])
        made = cast(L2INet, net)
        dictionary = Dictionary(made.spectra.detach().cpu(), on, about["domain"], labels, about["dictionary"])
        maps = HiddenMaps.of(model, about["layers"], facts["n_samples"])
        return ListenToInterpret(made, dictionary, maps, L2IConfig.of(facts["config"]))


class ListenToInterpret:
    """A trained L2I.

    Parameters
    ----------
    net : L2INet
        In evaluation mode, on the classifier's device.
    dictionary : Dictionary
        Its spectra.
    maps : HiddenMaps
        Of the classifier.
    config : L2IConfig
        Normaliser, threshold, top, empty, eps.
    """

    def __init__(self, net: L2INet, dictionary: Dictionary, maps: HiddenMaps, config: L2IConfig) -> None:
        self.net, self.dictionary, self.maps, self.config = net, dictionary, maps, config

    def __call__(self, model: AudioModel, waveform: Tensor, target: Target = None) -> Explanation:
        """Return the explanation of each clip; arguments as in :class:`otoscope.explain.explanation.Explainer`."""
        how = self.config
        with lent(model), torch.no_grad():
            heard = self.maps(model, waveform)
            n_frames = self.dictionary.spectrogram.n_frames(waveform.shape[-1])
            activations = self.net.activations(heard.maps, n_frames)
            relevance = self.relevance(activations, chosen(model, heard.output, target))
            which = self.choice(relevance, activations)
            mask = self.dictionary.mask(activations, which, how.eps).clamp(0, 1)
        parts = Components(self.dictionary, activations, relevance, which)
        facts = {
            "components": which.sum(1).tolist(),
            "threshold": how.threshold,
            "normaliser": how.normaliser,
        }
        return Explanation(
            mask, self.dictionary.spectrogram, self.dictionary.domain, parts=parts, facts=facts
        )

    def relevance(self, activations: Tensor, goal: Goal) -> Tensor:
        """Return the relevance ``(clip, component)`` of activations ``(clip, component, frame)`` for a target."""
        largest = self.config.relevance_pooling == "max"
        pooled = activations.amax(2) if largest else self.net.theta.pooled(activations)
        return normalised(contributions(pooled, self.net.theta.head.weight, goal), self.config.normaliser)

    def choice(self, relevance: Tensor, activations: Tensor) -> Tensor:
        """Return which components are kept, bool ``(clip, component)``."""
        how = self.config
        return kept(relevance, how.threshold, how.top, how.empty)

    def copied(self, model: AudioModel, waveform: Tensor) -> Tensor:
        """Return Theta's copy of the network's output, ``(clip, class)``."""
        logits: Tensor = self.net.theta.head(self._pooled(model, waveform))
        return logits

    def shuffled(self, model: AudioModel, waveform: Tensor, seed: int) -> Tensor:
        """Return what the copy says when each clip's components change places at random: its control."""
        pooled = self._pooled(model, waveform)
        generator = torch.Generator().manual_seed(seed)
        order = torch.rand(pooled.shape, generator=generator).argsort(1).to(pooled.device)
        logits: Tensor = self.net.theta.head(pooled.gather(1, order))
        return logits

    def _pooled(self, model: AudioModel, waveform: Tensor) -> Tensor:
        n_frames = self.dictionary.spectrogram.n_frames(waveform.shape[-1])
        with lent(model), torch.no_grad():
            return self.net.theta.pooled(self.net.activations(self.maps(model, waveform).maps, n_frames))

    def told(self, **options: Any) -> ListenToInterpret:
        """Return the same explainer with other options of its config that act when explaining."""
        config = L2IConfig.of({**self.config.model_dump(), **options})
        return ListenToInterpret(self.net, self.dictionary, self.maps, config)


class RandomComponents(ListenToInterpret):
    """The control of a trained L2I: as many components as it keeps, drawn from all of them.

    Parameters
    ----------
    explainer : ListenToInterpret
        Whose number of components is taken.
    n : int, optional
        This many for every clip instead; 7 of 100 as published for one class a clip.
    seed : int
        With the clip's own activations it decides the draw, whatever the batch.
    """

    def __init__(self, explainer: ListenToInterpret, n: int | None = None, seed: int = 0) -> None:
        super().__init__(explainer.net, explainer.dictionary, explainer.maps, explainer.config)
        self.n, self.seed = n, seed

    def choice(self, relevance: Tensor, activations: Tensor) -> Tensor:
        """Return which components are kept, bool ``(clip, component)``."""
        counts = super().choice(relevance, activations).sum(1)
        if self.n is not None:
            counts = torch.full_like(counts, self.n)
        return torch.stack([self._drawn(*one) for one in zip(activations, counts, strict=True)])

    def _drawn(self, activations: Tensor, count: Tensor) -> Tensor:
        own = zlib.crc32(activations.double().sum(1).float().cpu().numpy().round(3).tobytes())
        generator = torch.Generator().manual_seed((self.seed << 32) + own)
        order = torch.randperm(len(activations), generator=generator)
        which = torch.zeros(len(activations), dtype=torch.bool)
        which[order[: int(count)]] = True
        return which.to(activations.device)


def layers_of(config: L2IConfig) -> tuple[str, ...] | None:
    """Return the layers whose maps Psi reads: those named, those of a published Psi, or None for all that have maps."""
    return config.layers if config.layers is not None else LAYERS.get(config.psi)


def _net(config: L2IConfig, facts: Mapping[str, Any]) -> L2INet:
    shapes = [tuple(one) for one in facts["shapes"]]
    empty = torch.zeros(facts["n_frequencies"], facts["n_components"])
    sizes = (facts["n_classes"], facts["n_frames"])
    return L2INet(config.psi, config.pooling, shapes, empty, *sizes, config.dropout, config.width)


RECIPE = L2IRecipe()
