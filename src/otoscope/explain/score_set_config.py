"""What is scored, beside what, and in which portions: the settings of the score-explanations stage."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from otoscope.data.contaminate import KINDS
from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.score import ScoreConfig


class ScoreSetConfig(ScoreConfig):
    """Which methods are scored, on what.

    Attributes
    ----------
    methods : tuple of str
        As for ``otoscope explain``; empty: those of the folders.
    options : dict
        Options of the methods, by ``method.option``.
    contamination : str or None
        ``white``, ``clip``, ``speech`` or ``noise``: what is added to every clip.
    snr_db : float
        Energy of the clip above that of the contaminant.
    contaminants : str or None
        Collection of speech or noise; for ``clip`` the scored collection itself.
    sanity_clips : int
        Clips of the randomisation check; 0: none.
    label_fidelity : bool
        Also AUPRC fidelity over classes.
    threshold : float
        Above which the network names a class there.
    replicates : int
        Of the bootstrap over groups.
    block : int
        Clips a block: the unit of work that is finished or not, and all that is in memory at a time. Not part of the
        set's identity.
    """

    methods: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    removals: tuple[str, ...] = ("zero",)
    curves: bool = True
    contamination: str | None = None
    snr_db: float = 0.0
    contaminants: str | None = None
    sanity_clips: int = Field(4, ge=0)
    label_fidelity: bool = False
    threshold: float = Field(0.5, ge=0, lt=1)
    replicates: int = Field(1000, ge=2)
    block: int = Field(16, ge=1)
    entry: Literal["sound", "magnitude"] = "sound"

    @model_validator(mode="after")
    def _contamination(self) -> Self:
        if self.contamination is not None and self.contamination not in KINDS:
            raise UnknownNameError.of("contamination", self.contamination, KINDS)
        if self.contamination in ("speech", "noise") and self.contaminants is None:
            raise InputError(
                f"contamination {self.contamination!r} is drawn from a collection: give contaminants, such as fsdd:PATH"
            )
        return self

    def scoring(self) -> ScoreConfig:
        """Return the part that :func:`otoscope.explain.score.scored` takes."""
        return ScoreConfig(**{name: getattr(self, name) for name in ScoreConfig.model_fields})
