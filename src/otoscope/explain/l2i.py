"""Which components of the sound does the decision rest on, learnt from the network's hidden maps? Listen to Interpret.

    maps of chosen layers -> Psi -> H (clip, component, frame) -> Theta -> a copy of the network's output
    log1p|X| ~ W H, W a fixed dictionary; relevance r of each component for the explained class; L the relevant ones
    mask  M = (W_L H_L) / (W H + eps),  one array,     explanation = expm1(M log1p|X|) with the input's phase

A class is explained by what its components say (:mod:`otoscope.explain.l2i_relevance`), any other number of the
output by the same number of its copy. *Presets*: ``l2i-2022``, the authors' losses, schedule and selection;
``l2i-speechbrain``, the recipe's. Their faults that decide published numbers are options here: the relevance that flips
its sign, one weight a frame in place of attention, a fidelity that is weaker by the number of classes. Defaults are
corrected: relevance is not flipped, an empty set is empty, any length of sound, the best epoch by agreement with the
network on clips held out by group (the release takes the test clips, the recipe the last epoch).

References: J. Parekh, S. Parekh, P. Mozharovskyi, F. d'Alche-Buc, G. Richard (2022), Listen to Interpret: Post-hoc
Interpretability for Audio Networks with NMF, NeurIPS; SpeechBrain's ESC-50 interpretability recipes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from otoscope.explain.components import Components
from otoscope.explain.dictionary import Dictionary
from otoscope.explain.dictionary_source import open_dictionary
from otoscope.explain.explanation import Explainer, Explanation
from otoscope.explain.hidden import HiddenMaps
from otoscope.explain.l2i_lesson import L2ILesson
from otoscope.explain.l2i_net import L2INet
from otoscope.explain.l2i_relevance import contributions, kept, normalised
from otoscope.explain.nmf_recipe import NmfRecipeConfig, dictionary_of_updates
from otoscope.explain.recipe import Recipe, RecipeConfig
from otoscope.explain.setting import Setting
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.target import Target, chosen
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent
from otoscope.store.hashing import sha256_json


class L2IConfig(RecipeConfig):
    """Options of L2I.

    Attributes
    ----------
    dictionary : str or None
        Folder or ``.npy`` of the dictionary; None: one is learnt from the training sound.
    n_components, dictionary_sparsity, dictionary_iterations, dictionary_frames, per_class
        Of a dictionary that is learnt, see :class:`otoscope.explain.nmf_recipe.NmfRecipeConfig`.
    layers : tuple of str or None
        Whose maps Psi reads, in its order; None: all declared layers that have maps.
    psi : str
        A name of :data:`otoscope.explain.l2i_psi.PSIS`.
    width : int
        Of ``compact`` Psi.
    pooling : str
        A name of :data:`otoscope.explain.l2i_theta.POOLINGS`.
    dropout : float
        See the pooling.
    activation : {"softmax", "sigmoid"}
        One class a clip, or several labels: what makes probabilities of the network's output.
    reconstruction, sparsity : float
        Weights of the losses, which are means over bins and activations.
    fidelity, later_fidelity : float
        Weight of the copy's loss at first, and from epoch ``later_from`` on (counted from 1).
    over_classes : {"sum", "mean"}
        Whether the copy's loss is summed over classes (softmax).
    temperature : float
        Of the network's output in that loss.
    normaliser, threshold, top, empty
        Which components are kept, see :mod:`otoscope.explain.l2i_relevance`.
    eps : float
        Of the mask's denominator.
    """

    dictionary: str | None = None
    n_components: int = Field(50, ge=1)
    dictionary_sparsity: float = Field(0.8, ge=0)
    dictionary_iterations: int = Field(100, ge=1)
    dictionary_frames: int | None = Field(8000, ge=1)
    per_class: bool = False
    layers: tuple[str, ...] | None = None
    psi: str = "compact"
    width: int = Field(64, ge=1)
    pooling: str = "attention"
    dropout: float = Field(0.1, ge=0, lt=1)
    activation: Literal["softmax", "sigmoid"] = "softmax"
    reconstruction: float = Field(5.0, ge=0)
    sparsity: float = Field(0.4, ge=0)
    fidelity: float = Field(1.0, ge=0)
    later_fidelity: float = Field(1.0, ge=0)
    later_from: int = Field(1, ge=1)
    over_classes: Literal["sum", "mean"] = "sum"
    temperature: float = Field(1.0, gt=0)
    normaliser: Literal["positive", "absmax", "max"] = "positive"
    threshold: float = Field(0.2, ge=0, lt=1)
    top: int | None = Field(None, ge=1)
    empty: Literal["nothing", "largest"] = "nothing"
    eps: float = Field(1e-6, gt=0)
    epochs: int = Field(30, ge=1)
    batch_size: int = Field(16, ge=1)

    def dictionary_config(self) -> NmfRecipeConfig:
        """Return the options of a dictionary that is learnt here."""
        return NmfRecipeConfig(
            n_components=self.n_components,
            sparsity=self.dictionary_sparsity,
            iterations=self.dictionary_iterations,
            n_frames=self.dictionary_frames,
            per_class=self.per_class,
            label_set=self.label_set,
            seed=self.seed,
        )


_AUTHORS: dict[str, Any] = {
    "psi": "authors",
    "n_components": 100,
    "reconstruction": 5.0,
    "sparsity": 0.4,
    "fidelity": 0.5,
    "later_fidelity": 1.0,
    "later_from": 20,
    "normaliser": "max",
    "top": 5,
    "dropout": 0.4,
    "epochs": 35,
    "batch_size": 32,
    "learning_rate": 2e-4,
    "weight_decay": 0.0,
    "optimiser": "adam",
    "schedule": "constant",
    "warmup": 0.0,
    "clip_norm": None,
}
_SPEECHBRAIN: dict[str, Any] = {
    "n_components": 100,
    "pooling": "frame-weights",
    "dropout": 0.0,
    "reconstruction": 10.0,
    "sparsity": 0.8,
    "over_classes": "mean",
    "normaliser": "absmax",
    "eps": 1e-10,
    "epochs": 200,
    "optimiser": "adam",
    "schedule": "constant",
    "warmup": 0.0,
    "clip_norm": None,
    "metric": None,
}


class L2IRecipe(Recipe):
    """Listen to Interpret."""

    name: ClassVar[str] = "l2i"
    config: ClassVar[type[RecipeConfig]] = L2IConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "l2i-2022": _AUTHORS,
            "l2i-2022-sonyc": {
                **_AUTHORS,
                "n_components": 80,
                "activation": "sigmoid",
                "learning_rate": 5e-4,
                "epochs": 21,
                "dropout": 0.0,
                "threshold": 0.3,
            },
            "l2i-speechbrain": {
                **_SPEECHBRAIN,
                "psi": "cnn14",
                "batch_size": 2,
                "learning_rate": 1e-4,
                "weight_decay": 2e-6,
            },
            "l2i-speechbrain-conv2d": {
                **_SPEECHBRAIN,
                "psi": "conv2d",
                "batch_size": 16,
                "learning_rate": 2e-5,
                "weight_decay": 1e-4,
                "temperature": 0.01,
            },
        }
    )

    def prepare(self, setting: Setting, config: L2IConfig) -> L2ILesson:
        """Open or learn the dictionary, build Psi and Theta."""
        if config.dictionary is None:
            dictionary = dictionary_of_updates(setting, config.dictionary_config())
        else:
            dictionary = open_dictionary(config.dictionary, setting.on)
        maps = HiddenMaps.of(setting.model, config.layers, setting.n_samples)
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
        how, on = self.config, self.dictionary.spectrogram
        with lent(model), torch.no_grad():
            heard = self.maps(model, waveform)
            goal = chosen(model, heard.output, target)
            activations = self.net.activations(heard.maps, on.n_frames(waveform.shape[-1]))
            contribution = contributions(self.net.theta.pooled(activations), self.net.theta.head.weight, goal)
            relevance = normalised(contribution, how.normaliser)
            which = kept(relevance, how.threshold, how.top, how.empty)
            mask = self.dictionary.mask(activations, which, how.eps).clamp(0, 1)
        parts = Components(self.dictionary, activations, relevance, which)
        facts = {
            "components": which.sum(1).tolist(),
            "threshold": how.threshold,
            "normaliser": how.normaliser,
        }
        return Explanation(mask, on, self.dictionary.domain, parts=parts, facts=facts)

    def copied(self, model: AudioModel, waveform: Tensor) -> Tensor:
        """Return Theta's copy of the network's output, ``(clip, class)``."""
        with lent(model), torch.no_grad():
            heard = self.maps(model, waveform)
            logits: Tensor = self.net(heard.maps, self.dictionary.spectrogram.n_frames(waveform.shape[-1]))[1]
        return logits

    def told(self, **options: Any) -> ListenToInterpret:
        """Return the same explainer with other options of its config that act when explaining."""
        config = L2IConfig.of({**self.config.model_dump(), **options})
        return ListenToInterpret(self.net, self.dictionary, self.maps, config)


def _net(config: L2IConfig, facts: Mapping[str, Any]) -> L2INet:
    shapes = [tuple(one) for one in facts["shapes"]]
    empty = torch.zeros(facts["n_frequencies"], facts["n_components"])
    sizes = (facts["n_classes"], facts["n_frames"])
    return L2INet(config.psi, config.pooling, shapes, empty, *sizes, config.dropout, config.width)


RECIPE = L2IRecipe()
