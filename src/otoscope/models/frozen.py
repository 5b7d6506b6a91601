"""What happens in one epoch of training a head on a frozen network: each clip is heard once, then only vectors move.

The network hears every training and validation clip through its windows, in evaluation mode, without gradients; a
clip's vector is the mean of its windows' :meth:`embedding`, weighted by the seconds that each answers for. The head
learns on these vectors, mixed up as the config says; sound is not varied. For a linear head the logits of a mean are
the mean of the logits, so training, validation and test speak of the same thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from otoscope.audio import windows
from otoscope.errors import Failure
from otoscope.models.audio_model import AudioModel
from otoscope.models.augment import mixup
from otoscope.models.embedding import embedding
from otoscope.models.objective import Objective
from otoscope.models.sound_cache import SoundCache
from otoscope.models.start import head_name
from otoscope.progress import track

if TYPE_CHECKING:
    from otoscope.models.train_config import TrainConfig


@dataclass(frozen=True)
class FrozenLesson:
    """What the training of a head needs in every epoch.

    Attributes
    ----------
    model : AudioModel
        Its head learns, the rest stays.
    cache : SoundCache
        Sound of the training clips.
    embeddings : Tensor (clip, neuron)
        Of the training clips.
    targets : Tensor (clip, class)
        Their labels as shares of the classes, or as the presence of each; NaN: unknown.
    heard : Tensor (clip, neuron)
        Embeddings of the validation clips.
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
    """

    model: AudioModel
    cache: SoundCache
    embeddings: Tensor
    targets: Tensor
    heard: Tensor
    truth: Tensor
    failures: tuple[Failure, ...]
    config: TrainConfig
    device: str
    objective: Objective

    @property
    def learner(self) -> nn.Module:
        """The head."""
        return self.model.net.get_submodule(head_name(self.model))

    def batches(self, epoch: int, generator: torch.Generator) -> list[Tensor]:
        """Return the training clips of each batch of an epoch, in random order."""
        order = torch.randperm(len(self.embeddings), generator=generator)
        return list(order.split(self.config.batch_size))  # type: ignore[no-untyped-call]

    def loss(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """Return the objective's loss of a batch of mixed embeddings."""
        vectors, targets = self.embeddings[chosen].to(self.device), self.targets[chosen].to(self.device)
        vectors, targets = mixup(vectors, targets, self.config.mixup, generator)
        return self.objective.loss(self.learner(vectors), targets)

    def validate(self) -> Mapping[str, float]:
        """Return the objective's measures on the validation clips."""
        return self.objective.measures(self.learner(self.heard.to(self.device)).cpu(), self.truth)


def embed(model: AudioModel, cache: SoundCache, batch_size: int, device: str) -> Tensor:
    """Return the embeddings ``(clip, neuron)`` of the clips of ``cache``, on the CPU.

    Parameters
    ----------
    model : AudioModel
        Put into evaluation mode.
    cache : SoundCache
        Sound at the model's rate.
    batch_size : int
        Windows a forward pass.
    device : str
        Where the model is.
    """
    model.eval()
    total, weight = torch.zeros(0, 0), torch.zeros(len(cache), 1)
    n_batches = -(-sum(1 for _ in _stretches(model, cache)) // batch_size)
    for batch in track(_batched(model, cache, batch_size), n_batches, "listening"):
        owner, seconds, lengths = (torch.tensor(column) for column in zip(*(one[:3] for one in batch)))
        waveforms = torch.from_numpy(np.stack([one[3] for one in batch])[:, None]).to(device)
        with torch.no_grad():
            vectors = embedding(model, waveforms, lengths.to(device)).cpu()
        total = total if total.numel() else torch.zeros(len(cache), vectors.shape[1])
        total.index_add_(0, owner, vectors * seconds[:, None].float())
        weight.index_add_(0, owner, seconds[:, None].float())
    return total / weight


def _stretches(model: AudioModel, cache: SoundCache) -> Iterator[tuple[int, windows.Window]]:
    """Yield the clip and the window of every forward pass."""
    sizes = np.diff(cache.starts)
    for index, size in enumerate(sizes):
        for window in windows.plan(int(size), model.sample_rate, model.clip_length):
            yield index, window


def _batched(
    model: AudioModel, cache: SoundCache, batch_size: int
) -> Iterator[list[tuple[int, float, int, Any]]]:
    """Yield batches of (clip, seconds it answers for, samples of sound, waveform)."""
    batch: list[tuple[int, float, int, Any]] = []
    for index, window in _stretches(model, cache):
        waveform = windows.cut(cache.waveform(index), window, model.clip_length.short)
        batch.append((index, window.keep_end_s - window.keep_start_s, window.n_valid, waveform))
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch
