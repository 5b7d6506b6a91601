"""What L2I can be told, and its published protocols.

``l2i-2022``                the authors', one class a clip (ESC-50): losses, schedule, selection of five components
``l2i-2022-sonyc``          the authors', several labels a clip (SONYC-UST)
``l2i-speechbrain``         the recipe for CNN14: one weight a frame, fidelity averaged over classes, the last epoch
``l2i-speechbrain-conv2d``  the recipe for Conv2D, whose head is a cosine: temperature 0.01
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from otoscope.explain.nmf_recipe import NmfRecipeConfig
from otoscope.explain.recipe import RecipeConfig


class L2IConfig(RecipeConfig):
    """Options of L2I.

    Attributes
    ----------
    dictionary : str or None
        Folder or ``.npy`` of the dictionary; None: one is learnt from the training sound.
    n_components, dictionary_sparsity, dictionary_iterations, dictionary_frames, per_class
        Of a dictionary that is learnt, see :class:`otoscope.explain.nmf_recipe.NmfRecipeConfig`.
    layers : tuple of str or None
        Whose maps Psi reads, in its order; None: those of the published network for a published Psi, all declared
        layers that have maps for ``compact``.
    psi : str
        A name of :data:`otoscope.explain.l2i_psi.PSIS`.
    width : int
        Of ``compact`` Psi.
    pooling : str
        A name of :data:`otoscope.explain.l2i_theta.POOLINGS`.
    dropout : float
        See the pooling.
    activation : {"softmax", "sigmoid"}
        One class a clip, or several labels: what makes probabilities of the network's output. Where it is not given,
        what the network was trained to be.
    reconstruction, sparsity : float
        Weights of the losses, which are means over bins and activations.
    fidelity, later_fidelity : float
        Weight of the copy's loss at first, and from epoch ``later_from`` on (counted from 1).
    over_classes : {"sum", "mean"}
        Whether the copy's loss is summed over classes (softmax).
    temperature : float
        Of the network's output in that loss.
    metric, better
        What chooses the best epoch: the copy's loss on the validation part, which moves where agreement on a few dozen
        clips stands still. As published: agreement.
    normaliser, threshold, top, empty
        Which components are kept, see :mod:`otoscope.explain.l2i_relevance`.
    relevance_pooling : {"trained", "max"}
        What z is when components are chosen: Theta's own pooling, or the largest value in time, as the authors'
        measure of faithfulness for one class a clip has it whatever Theta was trained with.
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
    relevance_pooling: Literal["trained", "max"] = "trained"
    eps: float = Field(1e-6, gt=0)
    epochs: int = Field(30, ge=1)
    batch_size: int = Field(16, ge=1)
    metric: str | None = "valid_disagreement"
    better: Literal["higher", "lower"] = "lower"

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
    "metric": "valid_fidelity",
    "better": "higher",
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

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
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
"""Protocol -> options that stand in for the defaults."""
