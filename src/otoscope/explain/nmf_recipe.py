"""Learn a dictionary of spectra from the training sound: what is behind ``otoscope train-explainer nmf``.

``multiplicative``  sparse updates with unit columns (:mod:`otoscope.explain.nmf`), over frames drawn evenly from all
                    training clips, jointly or class by class
``sklearn``         coordinate descent without a penalty
``amortised``       gradient steps on W and an encoder that gives H at once (:mod:`otoscope.explain.amortised`)::

                        loss = mean (S - W H)^2 + penalty mean H,   H = encoder(S),   S = log1p|X|

                    by default W has unit columns and ``penalty`` is ``sparsity / n_frequencies`` (the objective of the
                    updates, per bin); the preset ``speechbrain`` has neither, begins with W in [0, 0.1] and is brought
                    to unit columns at the end, W H unchanged

A dictionary belongs to the spectrogram inside the classifier's front end, and knows nothing else of the classifier.
A killed training goes on: gradient steps from the last epoch, updates from the last hundred.

Reference of the preset: SpeechBrain's ESC-50 NMF recipe (batches of 2, 300 epochs). *Where we differ*: it learns at
44.1 kHz what it uses at 16 kHz; here both are the classifier's rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from otoscope.arrays import to_tensor
from otoscope.errors import InputError, StageError
from otoscope.explain.amortised import AmortisedEncoder
from otoscope.explain.amortised import loss as mean_squared_error
from otoscope.explain.dictionary import Dictionary, drawn, joined
from otoscope.explain.nmf import Factors, NmfConfig, activations_of, factorise, unit
from otoscope.explain.recipe import Learning, Lesson, RecipeConfig, Trainable
from otoscope.explain.setting import Part, Setting
from otoscope.progress import track
from otoscope.store import tensors

_KEPT = "updates.safetensors"


class NmfRecipeConfig(RecipeConfig):
    """Options of a dictionary.

    Attributes
    ----------
    solver : {"multiplicative", "sklearn", "amortised"}
        See the module.
    n_components : int
        Spectra; with ``per_class`` of each class.
    per_class : bool
        Learn each class's spectra from its clips alone; one class a clip.
    sparsity, iterations, tolerance
        See :class:`otoscope.explain.nmf.NmfConfig`.
    n_frames : int or None
        Frames that are factorised at a time, drawn evenly from the clips; None: all.
    unit_columns : bool
        Of ``amortised``: whether W has unit columns while it is learnt.
    penalty : float or None
        Of ``amortised``; None: ``sparsity / n_frequencies``.
    hidden : tuple of int
        Widths of the encoder.
    """

    solver: Literal["multiplicative", "sklearn", "amortised"] = "multiplicative"
    n_components: int = Field(50, ge=1)
    per_class: bool = False
    sparsity: float = Field(0.8, ge=0)
    iterations: int = Field(200, ge=1)
    tolerance: float = Field(1e-4, ge=0)
    n_frames: int | None = Field(20000, ge=1)
    unit_columns: bool = True
    penalty: float | None = Field(None, ge=0)
    hidden: tuple[int, ...] = (256, 128)
    epochs: int = Field(30, ge=1)
    batch_size: int = Field(8, ge=1)
    metric: str | None = "valid_error"
    better: Literal["higher", "lower"] = "lower"

    def nmf(self) -> NmfConfig:
        """Return the options of the updates."""
        solver: Any = "sklearn" if self.solver == "sklearn" else "multiplicative"
        names = ("n_components", "sparsity", "iterations", "tolerance", "seed")
        return NmfConfig(solver=solver, **{name: getattr(self, name) for name in names})


class Spectra(nn.Module):
    """W as a module: the learner of a dictionary.

    Parameters
    ----------
    spectra : Tensor, shape (frequency, component)
    encoder : AmortisedEncoder, optional
    unit_columns : bool
        Whether :meth:`columns` are brought to unit length.
    """

    def __init__(
        self, spectra: Tensor, encoder: AmortisedEncoder | None = None, unit_columns: bool = True
    ) -> None:
        super().__init__()
        self.spectra = nn.Parameter(spectra, requires_grad=encoder is not None)
        self.encoder: AmortisedEncoder | None = encoder
        self.unit_columns = unit_columns

    def columns(self) -> Tensor:
        """Return W, not negative."""
        positive = functional.relu(self.spectra)
        return unit(positive) if self.unit_columns else positive


def frames_by_class(setting: Setting, config: NmfRecipeConfig) -> dict[str | None, Tensor]:
    """Return what is factorised: frames ``(frequency, frame)`` of each class, or of all clips under None.

    Examples are decoded one at a time; each gives an equal share of the ``n_frames``, drawn by the seed.
    """
    owners = _owners(setting, config)
    counts = {name: owners.count(name) for name in dict.fromkeys(owners)}
    found: dict[str | None, list[Tensor]] = {name: [] for name in counts}
    for example, name in enumerate(track(owners, len(owners), "hearing frames")):
        magnitude = setting.on.spectrum(setting.train.sound([example]).mean(1)).abs()
        share = None if config.n_frames is None else -(-config.n_frames // counts[name])
        found[name].append(drawn(magnitude.log1p(), share, config.seed + example))
    return {name: torch.cat(parts, 1) for name, parts in found.items()}


def _owners(setting: Setting, config: NmfRecipeConfig) -> list[str | None]:
    if not config.per_class:
        return [None] * len(setting.train)
    labels = setting.clips.label_set(config.label_set)
    if labels.kind != "single":
        raise InputError(f"a dictionary per class needs one class a clip; {labels.name!r} has several")
    index = setting.labels(setting.train, config.label_set)
    if (index < 0).any():
        raise InputError(
            f"{int((index < 0).sum())} training clips carry no {labels.name}: a dictionary per class needs one"
        )
    return [labels.classes[int(one)] for one in index]


class UpdatesLesson(Learning[NmfRecipeConfig]):
    """Multiplicative updates (or scikit-learn) in place of gradient steps."""

    learner: Spectra

    def measures(self, part: Part) -> Mapping[str, Tensor]:
        """Return ``error``, the squared error of each example over its squared features, activations by updates."""
        return {"error": _errors(part, self.setting, self.learner.columns(), None)}

    def train(self, out: Path, identity: Mapping[str, Any]) -> Mapping[str, Any]:
        """Learn the spectra of every class; what is finished is kept in ``out``."""
        kept = _Kept(out / _KEPT, dict(identity))
        blocks, objectives, names = [], {}, []
        for name, frames in frames_by_class(self.setting, self.config).items():
            found = kept.factorised(str(name), frames, self.config.nmf())
            blocks.append(found.spectra)
            objectives[str(name)] = list(found.objective)
            names += [name] * found.spectra.shape[1]
        self.learner.spectra = nn.Parameter(torch.cat(blocks, 1), requires_grad=False)
        self.facts = {**self.facts, "labels": None if None in names else [str(one) for one in names]}
        with torch.no_grad():
            valid = self.validate()
        return {"objective": objectives, "best": dict(valid)}


class _Kept:
    """Finished blocks and the state of the running one, in a file."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path, self.identity = path, identity
        self.arrays: dict[str, Any] = {}
        self.trails: dict[str, tuple[float, ...]] = {}
        self.finished: list[str] = []
        if path.is_file():
            self.arrays, note = tensors.read_with_note(path)
            if note["identity"] != identity:
                raise StageError(
                    f"{path.parent} holds another training. Give another --out, or remove the folder"
                )
            self.trails = {name: tuple(one) for name, one in note["objectives"].items()}
            self.finished = note["finished"]

    def factorised(self, name: str, frames: Tensor, how: NmfConfig) -> Factors:
        """Return the factors of a block: finished before, gone on with, or new."""
        start = self._state(name)
        if start is not None and name in self.finished:
            return start
        found = factorise(frames, how, start=start, keep=lambda state: self._keep(name, state, False))
        self._keep(name, found, True)
        return found

    def _state(self, name: str) -> Factors | None:
        if name not in self.trails:
            return None
        spectra, activations = (
            to_tensor(self.arrays[f"{kind}.{name}"]) for kind in ("spectra", "activations")
        )
        return Factors(spectra, activations, self.trails[name])

    def _keep(self, name: str, state: Factors, finished: bool) -> None:
        if not finished and len(state.objective) % 10:
            return  # every hundredth update
        self.trails[name] = state.objective
        self.arrays[f"spectra.{name}"] = state.spectra.cpu().numpy()
        self.arrays[f"activations.{name}"] = state.activations.cpu().numpy()
        self.finished = [*self.finished, name] if finished else self.finished
        note = {"identity": self.identity, "objectives": self.trails, "finished": self.finished}
        tensors.write(self.path, self.arrays, note)


class AmortisedLesson(Lesson[NmfRecipeConfig]):
    """Gradient steps on W and the encoder."""

    learner: Spectra

    @property
    def encoder(self) -> AmortisedEncoder:
        """The encoder of the learner."""
        return cast(AmortisedEncoder, self.learner.encoder)

    def loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean squared error, and the penalty on the activations."""
        features = _features(self.setting, self.setting.train, batch)
        activations = self.encoder(features)
        error = mean_squared_error(features, self.learner.columns() @ activations)
        penalty = self.config.penalty
        weight = self.config.sparsity / features.shape[1] if penalty is None else penalty
        total: Tensor = error + weight * activations.mean()
        return total

    def measures(self, part: Part) -> Mapping[str, Tensor]:
        """Return ``error``, the squared error of each example over its squared features."""
        return {"error": _errors(part, self.setting, self.learner.columns(), self.encoder)}


def _features(setting: Setting, part: Part, chosen: Any) -> Tensor:
    return setting.on.spectrum(part.sound(chosen).mean(1)).abs().log1p()


def _errors(part: Part, setting: Setting, spectra: Tensor, encoder: AmortisedEncoder | None) -> Tensor:
    def of(some: Tensor) -> Tensor:
        features = _features(setting, part, some)
        found = activations_of(features, spectra) if encoder is None else encoder(features)
        wrong: Tensor = (features - spectra @ found).square().sum((1, 2))
        return wrong / features.square().sum((1, 2)).clamp_min(1e-12)

    return torch.cat([of(some) for some in _some(len(part))])


def _some(n: int) -> Iterator[Tensor]:
    yield from torch.arange(n).split(8)  # type: ignore[no-untyped-call]


class NmfRecipe(Trainable):
    """Dictionaries of spectra."""

    name: ClassVar[str] = "nmf"
    config: ClassVar[type[RecipeConfig]] = NmfRecipeConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "l2i-2022": {"solver": "multiplicative", "n_components": 100, "sparsity": 0.8},
            "speechbrain": {
                "solver": "amortised",
                "n_components": 100,
                "unit_columns": False,
                "penalty": 0.0,
                "epochs": 300,
                "batch_size": 2,
                "learning_rate": 5e-5,
                "weight_decay": 2e-6,
                "optimiser": "adam",
                "schedule": "constant",
                "warmup": 0.0,
                "clip_norm": None,
            },
        }
    )

    def prepare(self, setting: Setting, config: NmfRecipeConfig) -> Learning[Any]:
        """Return the lesson of the solver."""
        size = (setting.on.settings.n_frequencies, config.n_components)
        if config.solver != "amortised":
            return UpdatesLesson(Spectra(torch.zeros(size)), setting, config)
        if config.per_class:
            raise InputError("per_class goes with solver='multiplicative' or 'sklearn'; the encoder is joint")
        first = 0.1 * torch.rand(size)
        if config.unit_columns:
            first = unit(first)
        net = Spectra(first, AmortisedEncoder(*size, config.hidden), config.unit_columns)
        return AmortisedLesson(net, setting, config)

    def save(self, lesson: Learning[Any], folder: Path, content: Mapping[str, Any]) -> None:
        """Write the dictionary."""
        dictionary_of(lesson, dict(content)).save(folder)


def dictionary_of_updates(setting: Setting, config: NmfRecipeConfig) -> Dictionary:
    """Return a dictionary that is learnt at once by updates from the training sound."""
    found, names = [], []
    for name, frames in frames_by_class(setting, config).items():
        found.append(factorise(frames.cpu(), config.nmf()).spectra)
        names.append(name)
    return joined(found, names, setting.on, "log1p", {"nmf": config.nmf().model_dump(mode="json")})


def dictionary_of(lesson: Learning[Any], content: Mapping[str, Any]) -> Dictionary:
    """Return what a lesson of this recipe learnt; components without a positive value are left out and counted."""
    net: Any = lesson.learner
    spectra = net.columns().detach().cpu()
    lengths = spectra.norm(dim=0)
    alive = lengths > 1e-8
    origin = {"training": content["training"], "config": content["config"], "n_dead": int((~alive).sum())}
    labels = lesson.facts.get("labels")
    names = [None] * spectra.shape[1] if labels is None else labels
    found = joined(
        [unit(spectra[:, k : k + 1]) for k in alive.nonzero()[:, 0].tolist()],
        [names[k] for k in alive.nonzero()[:, 0].tolist()],
        lesson.setting.on,
        "log1p",
        origin,
    )
    return found if net.encoder is None else replace(found, encoder=_cut(net.encoder, lengths, alive))


def _cut(encoder: AmortisedEncoder, lengths: Tensor, alive: Tensor) -> AmortisedEncoder:
    """Return the encoder of the living components, its activations times the columns' lengths."""
    weights = {name: one.detach().cpu().clone() for name, one in encoder.state_dict().items()}
    last = len(encoder.layers) - 1
    for kind in ("weight", "bias"):
        weights[f"layers.{last}.{kind}"] = weights[f"layers.{last}.{kind}"][alive]
    first: Any = encoder.layers[0]
    made = AmortisedEncoder(first.in_channels, int(alive.sum()), encoder.hidden)
    made.load_state_dict(weights)
    return made.scaled(lengths[alive]).eval().requires_grad_(False)


RECIPE = NmfRecipe()
