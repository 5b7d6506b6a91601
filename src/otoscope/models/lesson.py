"""What happens in one epoch of training a classifier: varied batches, their loss, and the validation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from otoscope.audio import windows
from otoscope.data.clips import Clips, LabelSet
from otoscope.data.decode import Decoding
from otoscope.errors import Failure
from otoscope.models import start, training_noise
from otoscope.models.audio_model import AudioModel
from otoscope.models.augment import mixup, spec_augment, vary
from otoscope.models.drops import drop_bands, drop_chunks
from otoscope.models.frozen import FrozenLesson, embed
from otoscope.models.objective import Objective, objective_of
from otoscope.models.parts import Parts
from otoscope.models.sound_cache import SoundCache, decode_all
from otoscope.models.training_noise import Source, under

if TYPE_CHECKING:
    from otoscope.models.train_config import TrainConfig

LONGEST_S = 10.0


@dataclass(frozen=True)
class Lesson:
    """What one training needs in every epoch.

    Attributes
    ----------
    model : AudioModel
        What learns.
    cache : SoundCache
        Sound of the training clips.
    targets : Tensor (clip, class)
        Their labels as shares of the classes, or as the presence of each; NaN: unknown.
    heard : Tensor (window, 1, time)
        The validation clips' windows, at unit full scale.
    owner : Tensor int64 (window,)
        The validation clip of each window.
    seconds : Tensor (window,)
        How much of its clip a window answers for.
    lengths : Tensor int64 (window,)
        Samples of each window that are sound.
    truth : Tensor
        The class of each validation clip, int64 (clip,); of several labels their presence (clip, class).
    failures : tuple of Failure
        Training and validation clips that could not be decoded.
    config : TrainConfig
        The options.
    device : str
        Where the model is.
    objective : Objective
        What is learnt of the labels.
    noise : callable or None
        Draws what lies under a training clip.
    """

    model: AudioModel
    cache: SoundCache
    targets: Tensor
    heard: Tensor
    owner: Tensor
    seconds: Tensor
    lengths: Tensor
    truth: Tensor
    failures: tuple[Failure, ...]
    config: TrainConfig
    device: str
    objective: Objective
    noise: Source | None = None

    @property
    def learner(self) -> nn.Module:
        """What is trained: the whole net."""
        return self.model.net

    @property
    def n_samples(self) -> int:
        """Samples that the network takes."""
        length_s = self.model.clip_length.length_s
        return round((length_s or LONGEST_S) * self.model.sample_rate)

    def batches(self, epoch: int, generator: torch.Generator) -> list[Tensor]:
        """Return the training clips of each batch of an epoch, in random order; a last single clip is left out."""
        order = torch.randperm(len(self.cache), generator=generator)
        parts = order.split(self.config.batch_size)  # type: ignore[no-untyped-call]
        return [part for part in parts if len(part) > 1 or len(order) == 1]

    def loss(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """Return the objective's loss of a batch of varied and mixed clips."""
        config, rate = self.config, self.model.sample_rate
        waveforms = self._varied(chosen, generator)
        with torch.no_grad():
            features = self.model.features(waveforms)
            features, targets = mixup(features, self.targets[chosen].to(self.device), config.mixup, generator)
            features = masked(self.model.front_end, features, config, self.n_samples / rate, generator)
        return self.objective.loss(self.model.net(features), targets)

    def validate(self) -> Mapping[str, float]:
        """Return the objective's measures on the validation clips, their windows merged."""
        n_clips, n_classes = len(self.truth), self.targets.shape[1]
        total, weight = torch.zeros(n_clips, n_classes), torch.zeros(n_clips, 1)
        size = self.config.batch_size
        for first in range(0, len(self.heard), size):
            part = slice(first, first + size)
            logits = self.model(self.heard[part].to(self.device), self.lengths[part].to(self.device)).cpu()
            share = self.seconds[part, None]
            total.index_add_(0, self.owner[part], logits * share)
            weight.index_add_(0, self.owner[part], share)
        return self.objective.measures(total / weight, self.truth)

    def _varied(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        config, rate = self.config, self.model.sample_rate
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        shift = round(config.time_shift_s * rate)
        varied = [
            self._disturbed(
                vary(self.cache.waveform(int(index)), self.n_samples, shift, config.gain_db, rng), rng
            )
            for index in chosen
        ]
        return torch.from_numpy(np.stack(varied)[:, None]).to(self.device)  # (clip, 1, time)

    def _disturbed(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return a clip with noise under it and parts of it dropped, as the config asks."""
        config = self.config
        if self.noise is not None:
            waveform = under(waveform, self.noise, config.noise_snr_db, config.noise_share, rng)
        if (any(config.drop_bands) or any(config.drop_chunks)) and rng.random() < config.drop_share:
            waveform = drop_bands(waveform, config.drop_bands, config.drop_band_width, rng)
            waveform = drop_chunks(waveform, config.drop_chunks, config.drop_chunk_samples, rng)
        return waveform


@contextmanager
def prepare(
    build: Any,
    labels: LabelSet,
    clips: Clips,
    parts: Parts,
    config: TrainConfig,
    device: str,
    source: AudioModel | None = None,
) -> Iterator[Lesson | FrozenLesson]:
    """Decode training and validation clips, build and standardise the network; give the lesson.

    Parameters
    ----------
    build : callable
        ``(classes, **options) -> AudioModel``.
    labels : LabelSet
        The classes.
    clips, parts, config, device
        As in :func:`otoscope.models.train.train`.
    source : AudioModel, optional
        The network to start from.
    """
    options = {**(start.options_of(source) if source else {}), "seed": config.seed, **config.options}
    rate = source.sample_rate if source else build(labels.classes, **options).sample_rate
    objective = objective_of(labels.kind)
    targets = objective.targets(clips, labels.name)
    with (
        closing(decode_all(clips, parts.train, Decoding(rate), config.workers)) as cache,
        closing(decode_all(clips, parts.valid, Decoding(rate), config.workers)) as valid,
    ):
        if options.get("clip_s") is None:
            options["clip_s"] = typical_length_s(cache.durations_s(rate))
        model: AudioModel = build(labels.classes, **options).to(device)
        model.label_kind = labels.kind
        if source is None:
            standardise(model, cache, device)
        else:
            start.take_over(model, source, labels)
        shares = objective.shares(targets[cache.rows], len(labels.classes), config.label_smoothing)
        truth = torch.from_numpy(targets[valid.rows])
        rest = (truth, (*cache.failures, *valid.failures), config, device)
        if config.freeze is None:
            noise = training_noise.source(config.noise, rate) if config.noise else None
            yield Lesson(
                model, cache, shares, *_windows(model, valid), *rest, objective=objective, noise=noise
            )
        else:
            heard = [embed(model, one, config.batch_size, device) for one in (cache, valid)]
            yield FrozenLesson(model, cache, heard[0], shares, heard[1], *rest, objective=objective)


def masked(
    front_end: nn.Module, features: Tensor, config: TrainConfig, seconds: float, generator: torch.Generator
) -> Tensor:
    """Return features with random bands and stretches at their mean; unchanged where they are no spectrogram.

    Parameters
    ----------
    front_end : nn.Module
        Its ``feature_axes`` say how the features lie (``BCFT``, ``BCTF`` or ``BTF``); without them ``BCFT``.
    features : Tensor
        Of a batch.
    config : TrainConfig
        ``masks``, ``mask_mels`` and ``mask_s``.
    seconds : float
        Length of the sound that they were made of.
    generator : torch.Generator
        On the CPU.
    """
    axes = getattr(front_end, "feature_axes", "BCFT")
    if not config.masks or features.ndim != len(axes):
        return features
    time, frequency = axes.index("T"), axes.index("F")
    picture = features.movedim((frequency, time), (-2, -1)).reshape(
        len(features), 1, features.shape[frequency], features.shape[time]
    )
    standardised = hasattr(front_end, "standardise_by")
    centre = torch.zeros(()) if standardised else picture.mean()
    frames = math.ceil(config.mask_s * picture.shape[3] / seconds)
    changed = spec_augment(picture - centre, config.masks, config.mask_mels, frames, generator) + centre
    return changed.reshape_as(features.movedim((frequency, time), (-2, -1))).movedim(
        (-2, -1), (frequency, time)
    )


def typical_length_s(durations_s: NDArray[np.float64]) -> float:
    """Return the median duration in seconds, rounded to 0.1 s, in [0.1, 10]."""
    return float(np.clip(np.round(np.median(durations_s), 1), 0.1, LONGEST_S))


def standardise(model: AudioModel, cache: SoundCache, device: str) -> None:
    """Give the front end the mean and standard deviation of its features per band over the training clips.

    A front end without ``standardise_by`` is left as it is.
    """
    front_end: Any = model.front_end
    if not hasattr(front_end, "standardise_by"):
        return
    count, total, squares = 0, 0.0, 0.0
    with torch.no_grad():
        for index in range(len(cache)):
            waveform = torch.from_numpy(cache.waveform(index))[None, None].to(device)
            bands = front_end(waveform).double()  # (1, 1, mel, frame)
            count += bands.shape[-1]
            total = total + bands.sum((0, 1, 3))
            squares = squares + bands.square().sum((0, 1, 3))
        mean = torch.as_tensor(total / count)
        variance = torch.as_tensor(squares / count) - mean.square()
        front_end.standardise_by(mean.float(), variance.clamp_min(0).sqrt().float())


def _windows(model: AudioModel, cache: SoundCache) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the windows of the clips, the clip of each, the seconds it answers for, and its samples of sound."""
    heard, owner, seconds, lengths = [], [], [], []
    for index in range(len(cache)):
        waveform = cache.waveform(index)
        for window in windows.plan(waveform.size, model.sample_rate, model.clip_length):
            heard.append(windows.cut(waveform, window, model.clip_length.short))
            owner.append(index)
            seconds.append(window.keep_end_s - window.keep_start_s)
            lengths.append(window.n_valid)
    stacked = torch.from_numpy(np.stack(heard)[:, None])  # (window, 1, time)
    return stacked, torch.tensor(owner), torch.tensor(seconds), torch.tensor(lengths)
