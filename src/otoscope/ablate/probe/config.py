"""What a probe is: every choice that changes what it learns or how it is judged."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from otoscope.ablate.probe import FITTERS
from otoscope.errors import UnknownNameError
from otoscope.registry import known
from otoscope.stage_config import Seed, StageConfig


class ProbeConfig(StageConfig):
    """Options of a linear probe; unknown keys are refused.

    Attributes
    ----------
    method : str
        A row of :data:`otoscope.ablate.probe.FITTERS`.
    label_set : str or None
        What to read; None: the primary labels.
    layer : str or None
        A recorded layer, its mean over positions; None: what the network's head takes.
    test_folds, test_split : str or None
        The part that is heard once, at the end.
    test_share : float
        Share of the groups for the test where neither is named.
    valid_split : str or None
        Split that is the validation part, where the collection has it.
    valid : float
        Share of the other clips for the validation part, where it has none.
    hold_out : {"group", "random"}
        How that share is drawn: whole groups, or clips at random with every class among them.
    group : str
        Column that is kept whole and resampled whole; ``row``: every clip alone.
    strengths : tuple of float
        ``logistic``: C (inverse regularisation) among which the validation part chooses.
    learning_rate, weight_decay, batch_size, epochs, patience
        ``linear``: of Adam, see :class:`otoscope.fit.config.FitConfig`.
    seeds : tuple of int
        One probe each; the first one judges ablations.
    controls : int
        Probes trained on labels dealt to other groups.
    replicates : int
        Of the bootstrap over groups.
    seed : int
        Of parts, deals and bootstrap.
    batch_windows, workers : int
        Of hearing. Not part of the identity.
    """

    method: str = "logistic"
    label_set: str | None = None
    layer: str | None = None
    test_folds: str | None = None
    test_split: str | None = None
    test_share: float = Field(0.25, gt=0, lt=1)
    valid_split: str | None = "valid"
    valid: float = Field(0.2, gt=0, lt=1)
    hold_out: Literal["group", "random"] = "group"
    group: str = "group"
    strengths: tuple[float, ...] = Field((0.001, 0.01, 0.1, 1.0, 10.0), min_length=1)
    learning_rate: float = Field(3e-5, gt=0)
    weight_decay: float = Field(1e-8, ge=0)
    batch_size: int = Field(200, ge=1)
    epochs: int = Field(200, ge=1)
    patience: int = Field(20, ge=1)
    seeds: tuple[Seed, ...] = Field((0,), min_length=1)
    controls: int = Field(5, ge=0)
    replicates: int = Field(1000, ge=2)
    seed: Seed = 0
    batch_windows: int = Field(32, ge=1)
    workers: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _known_method(self) -> Self:
        if self.method not in known(FITTERS, "probes"):
            raise UnknownNameError.of("probe", self.method, known(FITTERS, "probes"))
        return self

    def identity(self) -> dict[str, Any]:
        """Return the choices that change a number, JSON-able."""
        return self.model_dump(mode="json", exclude={"batch_windows", "workers"})
