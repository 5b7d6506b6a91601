"""What an explainer is trained on: a frozen network, and the sound of the clips that train and choose.

Every clip is heard through the network's own windows (:mod:`otoscope.audio.windows`); each window is an *example*. All
examples have the same length. A network that takes whole clips is trained on windows of the clips' median length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.audio import windows
from otoscope.audio.windows import ClipLength, Window
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.audio_model import AudioModel
from otoscope.models.lesson import typical_length_s
from otoscope.models.sound_cache import SoundCache, decode_all
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of

Contamination = Callable[[Tensor, NDArray[np.int64], torch.Generator], Tensor]
"""``(waveforms (example, 1, time), rows of their clips, generator) -> waveforms``: noise or other clips mixed in."""


@dataclass(frozen=True)
class Part:
    """The examples of one purpose.

    Attributes
    ----------
    model : AudioModel
        The classifier, frozen and in evaluation mode.
    cache : SoundCache
        Decoded clips, at the classifier's rate.
    examples : tuple of (int, Window)
        Clip of the cache, and the window of it.
    short : {"pad", "repeat"}
        How short clips are filled.
    """

    model: AudioModel
    cache: SoundCache
    examples: tuple[tuple[int, Window], ...]
    short: str

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row of each example's clip in the collection, ``(example,)``."""
        return self.cache.rows[[clip for clip, _ in self.examples]]

    def sound(self, chosen: Tensor | Sequence[int]) -> Tensor:
        """Return waveforms ``(example, 1, time)`` of the chosen examples, on the classifier's device."""
        picked = [self.examples[int(one)] for one in chosen]
        cut = [windows.cut(self.cache.waveform(clip), window, self.short) for clip, window in picked]
        return torch.from_numpy(np.stack(cut)[:, None]).to(device_of(self.model))

    @cached_property
    def output(self) -> Tensor:
        """The classifier's output ``(example, class)`` for the clean sound, on its device; heard once."""
        with lent(self.model), torch.no_grad():
            parts = [self.model(self.sound(some)) for some in torch.arange(len(self)).split(32)]  # type: ignore[no-untyped-call]
        return torch.cat(parts)

    @property
    def predicted(self) -> Tensor:
        """The class that the network names for each example, int64 ``(example,)``."""
        return self.output.argmax(1)


@dataclass(frozen=True)
class Setting:
    """What a recipe is given.

    Attributes
    ----------
    model : AudioModel
        The classifier: evaluation mode, no parameter requires a gradient.
    on : Spectrogram
        What masks lie on.
    clips : Clips
        The whole collection.
    train, valid : Part
        Examples that teach, and examples that choose the epoch; no group is in both.
    contamination : callable or None
        Applied to training sound by recipes that train on contaminated sound.
    """

    model: AudioModel
    on: Spectrogram
    clips: Clips
    train: Part
    valid: Part
    contamination: Contamination | None = None

    @property
    def n_samples(self) -> int:
        """Length of every example."""
        return self.train.examples[0][1].n_samples

    @property
    def n_frames(self) -> int:
        """Frames of the spectrogram of every example."""
        return self.on.n_frames(self.n_samples)

    @property
    def device(self) -> torch.device:
        """Where the classifier is."""
        return device_of(self.model)

    def labels(self, part: Part, label_set: str | None = None) -> NDArray[np.int64] | NDArray[np.bool_]:
        """Return the labels of a part's examples: indices ``(example,)`` or membership ``(example, class)``."""
        return self.clips.targets(label_set)[part.rows]


@contextmanager
def listening(
    model: AudioModel, clips: Clips, rows: NDArray[np.int64], workers: int = 0, n_samples: int | None = None
) -> Iterator[Part]:
    """Give the examples of some clips; their sound is decoded once and dropped at the end.

    Parameters
    ----------
    model : AudioModel
        The classifier.
    clips : Clips
        The collection.
    rows : int64 (clip,)
        Which of them.
    workers : int
        Processes that decode.
    n_samples : int, optional
        Length of every example; None: the network's, or the clips' median where it takes whole clips.
    """
    with closing(decode_all(clips, rows, Decoding(model.sample_rate), workers)) as cache:
        policy = model.clip_length
        if policy.length_s is None:
            length_s = typical_length_s(cache.durations_s(model.sample_rate))
            policy = replace(policy, length_s=n_samples / model.sample_rate if n_samples else length_s)
        yield Part(model, cache, tuple(_examples(cache, model.sample_rate, policy)), policy.short)


def _examples(cache: SoundCache, sample_rate: int, policy: ClipLength) -> Iterator[tuple[int, Window]]:
    for clip, size in enumerate(np.diff(cache.starts)):
        for window in windows.plan(int(size), sample_rate, policy):
            yield clip, window
