"""Top clips: the order of floats, ties by seed, ties at the cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.describe import ranked
from otoscope.describe.ranked import tie_order, tied_at_cut, top_ranked


def test_same_as_sorting() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [rng.normal(size=(300, 40)), [[0.0] * 40, [-np.float32(1e-45)] * 40, [1e38] * 40]]
    )
    activations = torch.from_numpy(values.astype(np.float32))
    found = top_ranked(activations, 50, tie_order(len(values), 0))
    expected = np.sort(values.astype(np.float32), axis=0)[::-1][:50].T
    assert np.array_equal(np.take_along_axis(activations.numpy().T, found.long().numpy(), axis=1), expected)


def test_ties_follow_the_order() -> None:
    order = torch.tensor([2, 0, 3, 1])
    assert top_ranked(torch.zeros(4, 1), 4, order).tolist() == [[1, 3, 0, 2]]
    assert top_ranked(torch.tensor([[0.0], [-0.0], [0.0], [-0.0]]), 4, order).tolist() == [[1, 3, 0, 2]]


def test_small_steps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    activations = torch.randn(64, 70, generator=torch.Generator().manual_seed(0))
    whole = top_ranked(activations, 5, tie_order(64, 1))
    monkeypatch.setattr(ranked, "_KEYS_AT_ONCE", 1)
    assert torch.equal(top_ranked(activations, 5, tie_order(64, 1)), whole)


def test_which_neurons_were_cut_in_a_tie() -> None:
    activations = torch.tensor([[3.0, 1.0, 0.0], [2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
    found = top_ranked(activations, 2, tie_order(4, 0))
    assert tied_at_cut(activations, found).tolist() == [False, True, True]
    assert tied_at_cut(activations, found[:, :0]).tolist() == [False] * 3
