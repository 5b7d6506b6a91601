"""What the post-hoc reproduction can be told, and what is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from otoscope.data.contaminate import KINDS
from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import CONTROLS, TRAINABLE
from otoscope.stage_config import Seed, StageConfig

FINETUNED = "lmac-finetuned"
"""A training of its own here: L-MAC's, from the L-MAC of the same seed, under guidance."""
TRAININGS = (*TRAINABLE, FINETUNED)
MIXTURES, PUBLISHED_VALID = "mixtures", "4"
"""The recipes' contamination, and the folds that its upper clips are of."""


class PosthocConfig(StageConfig):
    """What the reproduction is given; unknown keys are refused.

    Attributes
    ----------
    networks : tuple of str
        Further classifiers of the same classes, for the rows of other networks.
    explainers : tuple of str
        Folders of trained explainers of any of the networks, and dictionaries.
    methods : tuple of str
        Untrained methods that every network is explained by.
    train : tuple of str
        What is trained for every network where no folder is given: ``nmf``, ``l2i``, ``piq``, ``lmac``,
        ``lmac-finetuned``. The dictionary that L2I needs is that of ``nmf``, trained once a seed.
    train_settings : dict of str to dict
        Options by training, in place of the recipe's: ``{"lmac": {"width": 48}}``; entries may be given one by one
        (``lmac.width``). Beside the recipe's own: ``preset``, a published protocol, and ``contamination``,
        ``contaminants``, ``snr_db`` of training sound.
    seeds : tuple of int
        Of trained explainers: one training each; the table says how far they differ.
    epochs : int or None
        Of a training by gradient steps; None: the recipe's. ``train_settings`` come before it.
    valid_folds : str or None
        Folds that choose the epoch; published: 4. None: a share of the groups outside ``folds``.
    folds : str or None
        The clips that everything is judged on; published: 5. Explainers are trained on the others.
    clips : int or None
        At most so many of them, spread evenly; None: all.
    contamination : str
        ``clip``, ``white``, ``speech`` or ``noise``, or ``mixtures``, the recipes' own protocol: clips of
        ``valid_folds`` (4 where none are given) with clips of ``folds`` under them, two samples each
        (:mod:`otoscope.data.contaminated`). The published table does not say which.
    contaminants : str or None
        Collection of speech or noise.
    snr_db : float
        Published mixtures: 12.04 dB.
    located : int
        Mixtures of the judged clips with known onsets and parts, for localisation; 0: none.
    controls : tuple of str
    curves : bool
        Also insertion and deletion.
    replicates : int
    batch_size : int
    seed : int
    """

    networks: tuple[str, ...] = ()
    explainers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("amt", "saliency", "integrated-gradients", "grad-cam", "occlusion")
    train: tuple[str, ...] = ()
    train_settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seeds: tuple[Seed, ...] = (0,)
    epochs: int | None = Field(None, ge=1)
    valid_folds: str | None = None
    folds: str | None = "5"
    clips: int | None = Field(None, ge=2)
    contamination: str = "clip"
    contaminants: str | None = None
    snr_db: float = 12.04
    located: int = Field(40, ge=0)
    controls: tuple[str, ...] = tuple(CONTROLS)
    curves: bool = True
    replicates: int = Field(1000, ge=2)
    batch_size: int = Field(16, ge=1)
    seed: Seed = 0

    @field_validator("train_settings", mode="before")
    @classmethod
    def _nested(cls, given: Any) -> Any:
        """Return the settings by training; an entry ``lmac.width`` is one of ``lmac``."""
        if not isinstance(given, Mapping):
            return given
        found: dict[str, Any] = {}
        for key, value in given.items():
            training, dot, option = str(key).partition(".")
            inner = {option: value} if dot else value
            found[training] = {**found.get(training, {}), **inner} if isinstance(inner, Mapping) else inner
        return found

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for name in (*self.train, *self.train_settings):
            if name not in TRAININGS:
                raise UnknownNameError.of("training", name, TRAININGS)
        known = (*KINDS, MIXTURES)
        if self.contamination not in known:
            raise UnknownNameError.of("contamination", self.contamination, known)
        if self.contamination in ("speech", "noise") and self.contaminants is None:
            raise InputError(
                f"contamination {self.contamination!r} is drawn from a collection: give contaminants, such as fsdd:PATH"
            )
        return self
