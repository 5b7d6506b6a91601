"""How well does a network name the clips of a set?

A clip's logits are the mean over its windows, each weighted by the seconds it answers for. The interval of the
accuracy is a percentile bootstrap over groups: the groups of the set are drawn with replacement, with all their
clips, because clips of one recording stand or fall together.

Reference: A. C. Davison and D. V. Hinkley (1997), Bootstrap methods and their application, sections 3.8 and 5.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import EmptyDataError, Failure
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track


def clip_logits(
    model: AudioModel, clips: Clips, *, batch_size: int = 32, workers: int = 0, device: str = "cpu"
) -> tuple[NDArray[np.float32], tuple[Failure, ...]]:
    """Return the logits ``(clip, class)`` of each clip, NaN where it could not be decoded, and the failures.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode.
    clips : Clips
        What to hear.
    batch_size : int
        Windows a forward pass.
    workers : int
        Worker processes that decode.
    device : str
        Where the model is.
    """
    return clip_vectors(
        model, model, clips, batch_size=batch_size, workers=workers, device=device, what="testing"
    )


def clip_vectors(
    forward: Callable[[Tensor, Tensor], Tensor],
    model: AudioModel,
    clips: Clips,
    *,
    batch_size: int,
    workers: int,
    device: str,
    what: str,
) -> tuple[NDArray[np.float32], tuple[Failure, ...]]:
    """Return one vector a clip, the mean over its windows by seconds, NaN where it could not be decoded.

    Parameters
    ----------
    forward : callable
        ``(waveform (clip, channel, time), lengths (clip,)) -> (clip, value)``, called without gradients.
    model : AudioModel
        Whose rate and clip length are used.
    clips, batch_size, workers, device
        As in :func:`clip_logits`.
    what : str
        For the progress display.

    Raises
    ------
    EmptyDataError
        If none of the clips can be decoded.
    """
    decoding = Decoding(model.sample_rate, length=model.clip_length)
    total: NDArray[np.float64] | None = None
    seconds = np.zeros(len(clips))
    failures: list[Failure] = []
    stream = batches(clips, decoding, batch_size=batch_size, workers=workers)
    for batch in track(stream, None, what):
        failures.extend(batch.failures)
        if not len(batch):
            continue
        vectors = _forward(forward, batch.waveforms, batch.lengths, device)
        total = np.zeros((len(clips), vectors.shape[1])) if total is None else total
        share = batch.keep_s[:, 1] - batch.keep_s[:, 0]
        np.add.at(total, batch.rows, vectors * share[:, None])
        np.add.at(seconds, batch.rows, share)
    if total is None:
        raise EmptyDataError(f"none of the {len(clips)} clips of {clips.spec} can be decoded")
    with np.errstate(invalid="ignore"):
        mean = total / seconds[:, None]
    return mean.astype(np.float32), tuple(failures)


def _forward(
    forward: Callable[[Tensor, Tensor], Tensor],
    waveforms: NDArray[np.float32],
    lengths: NDArray[np.int64],
    device: str,
) -> NDArray[np.float64]:
    with torch.no_grad():
        heard = torch.from_numpy(np.ascontiguousarray(waveforms)).to(device)
        vectors = forward(heard, torch.from_numpy(lengths).to(device))
    exact: NDArray[np.float64] = vectors.double().cpu().numpy()
    return exact


def scores(
    logits: NDArray[Any], targets: NDArray[np.int64], groups: Sequence[str], classes: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return accuracy with its interval, class-wise accuracy and confusion, as a JSON-able dict.

    Parameters
    ----------
    logits : float (clip, class)
        Finite.
    targets : int64 (clip,)
        Class indices.
    groups : sequence of str
        The group of each clip.
    classes : sequence of str
        Class names.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``n_clips``, ``n_groups``, ``accuracy``, ``accuracy_95`` (low, high), ``class_accuracy`` (name -> share or
        None where the class has no clip), ``confusion`` (rows: true class, columns: named class, counts).
    """
    named = logits.argmax(1)
    n_classes = len(classes)
    confusion = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(confusion, (targets, named), 1)
    per_class = {
        name: (float(confusion[index, index] / confusion[index].sum()) if confusion[index].sum() else None)
        for index, name in enumerate(classes)
    }
    right = named == targets
    return {
        "n_clips": len(targets),
        "n_groups": len(set(groups)),
        "accuracy": float(right.mean()),
        "accuracy_95": group_interval(right, groups, seed),
        "class_accuracy": per_class,
        "confusion": confusion.tolist(),
    }


def group_interval(
    values: NDArray[Any], groups: Sequence[str], seed: int, *, n_draws: int = 2000, level: float = 0.95
) -> list[float]:
    """Return the percentile interval [low, high] of the mean of ``values`` (clip,) under resampled groups.

    One group alone gives no interval: both ends are then the mean. Cost O(draws x groups).
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(member, weights=np.asarray(values, np.float64))
    sizes = np.bincount(member)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(sums), (n_draws, len(sums)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]
