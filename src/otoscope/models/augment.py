"""How is a training clip varied so that a small set teaches more?

* Time shift: a clip longer than the network's input is cropped at random; then the window is rolled by up to
  ``time_shift_s``, what leaves one end enters at the other.
* Gain: multiplied by a random number of decibels in +-``gain_db``.
* Mixup (H. Zhang et al., 2018, mixup: beyond empirical risk minimization, ICLR): x = a x_i + (1 - a) x_j and
  the same for the labels, a ~ Beta(alpha, alpha) and at least 1/2, for features and one a per clip.
* SpecAugment (D. Park et al., 2019, Interspeech): bands of up to F mel rows and up to T frames are set to
  the training set's mean, 0 after standardisation (the batch's mean where features are not standardised); without
  time warping.

All randomness comes from the generator that is passed in.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def vary(
    waveform: NDArray[np.float32],
    n_samples: int,
    shift_samples: int,
    gain_db: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return a random crop of ``n_samples`` (zeros after a shorter clip), rolled and with a random gain.

    Parameters
    ----------
    waveform : float32 (time,)
        The whole clip.
    n_samples : int
        What the network takes.
    shift_samples : int
        Largest roll to either side.
    gain_db : float
        Largest gain to either side.
    rng : numpy.random.Generator
        Draws crop, roll and gain.

    Returns
    -------
    float32 (n_samples,)
    """
    spare = waveform.size - n_samples
    start = int(rng.integers(0, spare + 1)) if spare > 0 else 0
    window = np.zeros(n_samples, np.float32)
    part = waveform[start : start + n_samples]
    window[: part.size] = part
    shifted = np.roll(window, int(rng.integers(-shift_samples, shift_samples + 1)))
    gain = np.float32(10.0 ** (rng.uniform(-gain_db, gain_db) / 20.0))
    louder: NDArray[np.float32] = shifted * gain
    return louder


def mixup(
    features: Tensor, targets: Tensor, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return mixed features and targets; unchanged where ``alpha`` is 0.

    Parameters
    ----------
    features : Tensor (clip, ...)
        What the net takes.
    targets : Tensor (clip, class)
        Shares of the classes.
    alpha : float
        Of the Beta distribution; 0.2 mixes little, 1 evenly.
    generator : torch.Generator
        On the CPU.
    """
    if alpha == 0.0:
        return features, targets
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    share = rng.beta(alpha, alpha, len(features))
    larger = torch.as_tensor(np.maximum(share, 1 - share), dtype=features.dtype, device=features.device)
    order = torch.randperm(len(features), generator=generator).to(features.device)
    a = larger.reshape(-1, *[1] * (features.ndim - 1))  # (clip, 1, ...)
    mixed_targets = larger[:, None] * targets + (1 - larger[:, None]) * targets[order]
    return a * features + (1 - a) * features[order], mixed_targets


def spec_augment(
    features: Tensor, n_masks: int, most_rows: int, most_frames: int, generator: torch.Generator
) -> Tensor:
    """Return features ``(clip, 1, mel, frame)`` with random bands and stretches set to 0.

    Parameters
    ----------
    features : Tensor
        Standardised spectrograms; not changed.
    n_masks : int
        Bands per clip and as many stretches.
    most_rows, most_frames : int
        Widest band and longest stretch; widths are uniform from 0.
    generator : torch.Generator
        On the CPU.
    """
    keep = torch.ones(len(features), 1, *features.shape[2:], dtype=torch.bool)
    for axis, most in ((2, most_rows), (3, most_frames)):
        size = features.shape[axis]
        for _ in range(n_masks):
            width = torch.randint(0, min(most, size) + 1, (len(features), 1), generator=generator)
            start = (torch.rand(len(features), 1, generator=generator) * (size - width + 1)).long()
            places = torch.arange(size)[None]  # (1, size)
            outside = (places < start) | (places >= start + width)  # (clip, size)
            keep &= outside.reshape(len(features), 1, *((size, 1) if axis == 2 else (1, size)))
    return features * keep.to(features)
