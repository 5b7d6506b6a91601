"""How training clips are varied."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.models.augment import mixup, spec_augment, vary


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_short_clip_is_padded_and_rolled_whole():
    wave = np.array([1.0, 2.0, 3.0], np.float32)
    for seed in range(20):
        varied = vary(wave, 8, 8, 0.0, np.random.default_rng(seed))
        assert varied.dtype == np.float32 and sorted(varied) == [0, 0, 0, 0, 0, 1, 2, 3]
        start = int(np.flatnonzero(varied == 1.0)[0])
        assert [varied[(start + step) % 8] for step in range(3)] == [1, 2, 3]


def test_a_long_clip_is_cropped_everywhere_and_gain_stays_in_its_range():
    wave = np.arange(1, 11, dtype=np.float32)
    starts = {int(vary(wave, 4, 0, 0.0, np.random.default_rng(seed))[0]) for seed in range(200)}
    assert starts == {1, 2, 3, 4, 5, 6, 7}
    gains = [vary(np.ones(4, np.float32), 4, 0, 6.0, np.random.default_rng(seed))[0] for seed in range(300)]
    assert 10 ** (-6 / 20) <= min(gains) < 0.55 and 1.8 < max(gains) <= 10 ** (6 / 20)


def test_mixup_mixes_features_and_labels_alike():
    features = torch.eye(6).reshape(6, 1, 6, 1)
    targets = torch.eye(6)
    mixed, labels = mixup(features, targets, 0.4, generator())
    torch.testing.assert_close(mixed.reshape(6, 6), labels)  # clip i's feature was its own label
    torch.testing.assert_close(labels.sum(1), torch.ones(6))
    assert (labels.diagonal() >= 0.5).all() and (labels.diagonal() < 1).any()


def test_mixup_of_nothing_changes_nothing():
    features, targets = torch.randn(3, 1, 4, 5), torch.eye(3)
    mixed, labels = mixup(features, targets, 0.0, generator())
    assert mixed is features and labels is targets


def test_masks_are_bands_and_stretches_within_their_limits():
    features = torch.ones(50, 1, 20, 30)
    masked = spec_augment(features, 1, 6, 9, generator())
    assert torch.equal(features, torch.ones(50, 1, 20, 30))
    rows = (masked.sum((1, 3)) == 0).sum(1)
    frames = (masked.sum((1, 2)) == 0).sum(1)
    assert rows.max() == 6 and frames.max() == 9 and rows.min() == 0
    kept = masked[:, 0].sum((1, 2))
    torch.testing.assert_close(kept, ((20 - rows) * (30 - frames)).float())
    assert torch.equal(masked, spec_augment(features, 1, 6, 9, generator()))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 3, 2)])
def test_masks_wider_than_the_map_are_no_error(shape):
    masked = spec_augment(torch.ones(shape), 2, 8, 8, generator())
    assert masked.shape == shape and set(masked.unique().tolist()) <= {0.0, 1.0}
