"""How explanations are scored, and what is refused."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import CONTROLS, REMOVALS
from otoscope.explain.cases import PREDICTED
from otoscope.explain.curve import SHARES
from otoscope.registry import known
from otoscope.stage_config import Seed, StageConfig


class ScoreConfig(StageConfig):
    """How explanations are scored.

    Attributes
    ----------
    target : str
        Explained class, see :mod:`otoscope.explain.cases`.
    controls : tuple of str
        Rows of :data:`otoscope.explain.CONTROLS`.
    removals : tuple of str
        Rows of :data:`otoscope.explain.REMOVALS`.
    entry : {"sound", "magnitude"}
        How masked spectrograms re-enter; ``magnitude`` only with the removal ``zero``.
    activation : {"softmax", "sigmoid"}
        From outputs to probabilities; where it is not given, sigmoid for a network that was trained on several labels.
    curves : bool
        Also insertion and deletion.
    shares : tuple of float
        Of bins, where the curves are heard.
    batch_size : int
        Clips explained at a time, and sounds a forward pass.
    seed : int
        Of controls and fillings.
    """

    target: str = PREDICTED
    controls: tuple[str, ...] = tuple(CONTROLS)
    removals: tuple[str, ...] = tuple(REMOVALS)
    entry: Literal["sound", "magnitude"] = "sound"
    activation: Literal["softmax", "sigmoid"] = "softmax"
    curves: bool = False
    shares: tuple[float, ...] = SHARES
    batch_size: int = Field(16, ge=1)
    seed: Seed = 0

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for kind, given, table in (
            ("control", self.controls, CONTROLS),
            ("removal", self.removals, REMOVALS),
        ):
            names = known(table, f"{kind}s")
            for name in given:
                if name not in names:
                    raise UnknownNameError.of(kind, name, names)
        if not self.removals:
            raise InputError(f"name at least one removal of {', '.join(REMOVALS)}")
        if self.entry == "magnitude" and self.removals != ("zero",):
            raise InputError("entry='magnitude' carries no phase: it goes with removals=('zero',) only")
        if self.curves and self.removals[0] == "background":
            raise InputError("curves stand beside the first removal, which is zero or noise-floor for them")
        return self
