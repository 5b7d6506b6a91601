"""What can be chosen about a training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from otoscope.stage_config import Seed, StageConfig


class FitConfig(StageConfig):
    """Options of the training loop.

    Attributes
    ----------
    epochs : int
        At most so many.
    learning_rate, weight_decay : float
        Of AdamW; biases and normalisation weights (one dimension) do not decay.
    schedule : {"cosine", "linear", "constant"}
        See :mod:`otoscope.fit.schedule`.
    warmup : float
        Share of all steps in which the learning rate rises, in [0, 1).
    clip_norm : float or None
        Largest norm of the gradient.
    patience : int or None
        Stop after so many epochs without a better one; None: never.
    metric : str
        Which value of an epoch's row chooses the best one; None: the last epoch is the result.
    better : {"higher", "lower"}
        Which direction of ``metric`` is better.
    ties : {"earlier", "later"}
        Which of epochs with an equal ``metric`` is the best one.
    optimiser : {"adamw", "adam"}
        AdamW, or Adam with the weight decay added to the gradient (of every parameter) and betas 0.9, 0.999.
    seed : int
        Of everything random.
    """

    epochs: int = Field(40, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    clip_norm: float | None = Field(5.0, gt=0)
    patience: int | None = Field(None, ge=1)
    metric: str | None = None
    better: Literal["higher", "lower"] = "higher"
    ties: Literal["earlier", "later"] = "earlier"
    optimiser: Literal["adamw", "adam"] = "adamw"
    seed: Seed = 0

    def identity(self) -> dict[str, Any]:
        """Return the choices that a training is known by, JSON-able; later options only where they are not default."""
        later = {"ties": "earlier", "optimiser": "adamw"}
        return {key: value for key, value in self.model_dump().items() if later.get(key) != value}
