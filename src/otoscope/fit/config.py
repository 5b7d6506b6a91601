"""What can be chosen about a training."""

from __future__ import annotations

from typing import Literal

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
    seed: Seed = 0
