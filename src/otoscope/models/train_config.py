"""What can be chosen about the training of a classifier, and what architectures and protocols choose."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from otoscope.errors import InputError
from otoscope.stage_config import Seed, StageConfig

#: variations of sound: none takes place where the encoder is frozen
VARIED = ("time_shift_s", "gain_db", "masks", "noise", "drop_bands", "drop_chunks")
#: options that came later: left out of what a training is known by where they are not used
LATER = (
    "start_from",
    "freeze",
    "valid_folds",
    "optimiser",
    "schedule",
    "noise",
    "noise_snr_db",
    "noise_share",
    "drop_bands",
    "drop_band_width",
    "drop_chunks",
    "drop_chunk_samples",
    "drop_share",
)


class TrainConfig(StageConfig):
    """Options of a training; unknown ones are refused.

    Attributes
    ----------
    label_set : str or None
        What to learn; None is the clips' primary label set.
    test_folds, test_split : str or None
        The part that is heard once at the end: ``"5"``, ``"4-5"``; ``"test"``. None: no test.
    valid : float
        Share of the other groups that chooses the best epoch, in (0, 1).
    valid_folds : str or None
        Folds that choose it instead, as published recipes do; they must not be test folds.
    start_from : str or None
        A network of the same architecture whose weights are taken over.
    freeze : {"encoder"} or None
        Train the head alone; everything before it stays as ``start_from`` has it. Sound is then not varied.
    options : dict
        Options of the architecture (``width``, ``n_mels`` ...). ``clip_s`` is the training clips' median length,
        at most 10 s, where neither config nor ``start_from`` gives it.
    epochs, batch_size, learning_rate, weight_decay, optimiser, schedule, warmup, patience
        See :class:`otoscope.fit.loop.FitConfig`.
    metric : {"valid_cross_entropy", "valid_accuracy", "valid_mean_average_precision"}
        Which value of the validation part chooses the best epoch: accuracy of one class a clip, mean average precision
        of several labels; cross-entropy (of several labels binary) of either.
    mixup : float
        The Beta distribution's alpha; 0 mixes nothing. Targets are mixed as the features are, of several labels too.
    time_shift_s, gain_db : float
        Largest roll and gain to either side.
    masks, mask_mels, mask_s
        SpecAugment: bands and stretches per clip, widest band in mel rows, longest stretch in seconds.
    noise : str or None
        ``"synthetic"``, or a folder of sounds (WHAM!'s ``tr``), of which each clip gets one under it; None: none.
    noise_snr_db : pair of float
        Lowest and highest level of the clip above the noise, uniform between; published recipes: 0, 0.
    noise_share : float
        Share of clips that get noise, in [0, 1].
    drop_bands, drop_band_width : pair of int, float
        Fewest and most bands that are filtered out (DropFreq), and their half-width as a share of half the rate.
    drop_chunks, drop_chunk_samples : pair of int
        Fewest and most stretches set to zero (DropChunk), and their shortest and longest in samples.
    drop_share : float
        Share of clips in which bands and stretches are dropped, in [0, 1].
    label_smoothing : float
        Share of each label that is spread over all classes; of several labels, halfway between present and absent.
    seed : int
        Of split, weights, order and augmentation.
    workers : int
        Worker processes that decode.
    """

    label_set: str | None = None
    test_folds: str | None = None
    test_split: str | None = None
    valid_folds: str | None = None
    valid: float = Field(0.125, gt=0, lt=1)
    start_from: str | None = None
    freeze: Literal["encoder"] | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    optimiser: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    patience: int | None = Field(None, ge=1)
    metric: Literal["valid_accuracy", "valid_cross_entropy", "valid_mean_average_precision"] = (
        "valid_cross_entropy"
    )
    mixup: float = Field(0.3, ge=0)
    time_shift_s: float = Field(1.0, ge=0)
    gain_db: float = Field(6.0, ge=0)
    masks: int = Field(2, ge=0)
    mask_mels: int = Field(8, ge=0)
    mask_s: float = Field(0.4, ge=0)
    noise: str | None = None
    noise_snr_db: tuple[float, float] = (5.0, 20.0)
    noise_share: float = Field(1.0, ge=0, le=1)
    drop_bands: tuple[int, int] = (0, 0)
    drop_band_width: float = Field(0.05, gt=0, lt=0.5)
    drop_chunks: tuple[int, int] = (0, 0)
    drop_chunk_samples: tuple[int, int] = (1000, 2000)
    drop_share: float = Field(0.75, ge=0, le=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    seed: Seed = 0
    workers: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        for name in ("noise_snr_db", "drop_bands", "drop_chunks", "drop_chunk_samples"):
            low, high = getattr(self, name)
            if low > high or (low < 0 and name != "noise_snr_db"):
                raise ValueError(f"{name} is a lowest and a highest number, got {low}, {high}")
        return self

    def identity(self) -> dict[str, Any]:
        """Return what a training is known by, JSON-able; later options only where they are not the default."""
        known = self.model_dump(mode="json", exclude={"workers"})
        return {key: value for key, value in known.items() if key not in LATER or value != _DEFAULTS[key]}


_DEFAULTS = TrainConfig().model_dump(mode="json")


def with_recipe(config: TrainConfig, recipe: dict[str, Any]) -> TrainConfig:
    """Return the config with an architecture's ``RECIPE`` for what it leaves open.

    With a frozen encoder every variation of sound is off.

    Raises
    ------
    InputError
        If there is nothing to freeze, or a variation is asked for beside it.
    """
    left_open = recipe.keys() - config.model_fields_set
    config = config.model_copy(update={key: recipe[key] for key in left_open})
    if config.freeze is None:
        return config
    if config.start_from is None:
        raise InputError("freeze needs a network to start from: name it by start_from (--from MODEL)")
    asked = [name for name in VARIED if name in config.model_fields_set and _on(getattr(config, name))]
    if asked:
        raise InputError(
            f"with a frozen encoder clips are heard once, so sound is not varied: leave out {', '.join(asked)}"
        )
    return config.model_copy(update=dict.fromkeys(("time_shift_s", "gain_db", "masks"), 0))


def _on(value: Any) -> bool:
    return any(value) if isinstance(value, tuple | list) else bool(value)
