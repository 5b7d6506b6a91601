"""Mixtures of a few logarithms: the error is what it says, and few nodes suffice."""

from __future__ import annotations

import numpy as np
import pytest

from otoscope.describe.mixture import mixture


@pytest.mark.parametrize(("start", "end"), [(0.998, 0.97), (0.99, 0.9), (1.0, 0.5), (0.5, 0.001), (0.9, 0.9)])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1e-5, 0.06), (2e-4, 5e-3), (0.1, 0.1)])
def test_the_error_is_bounded(start: float, end: float, low: float, high: float) -> None:
    p = start - np.arange(100) / 100 * (start - end)
    offsets = (1 - p + 1e-7) / p
    found = mixture(offsets, low, high, 5e-5)
    values = np.concatenate([[low], np.geomspace(max(low, 1e-12), high, 2000)])[:, None]
    mixed = np.log(values + found.nodes) @ found.shares.T + found.constants
    error = np.abs(mixed - np.log(values + offsets)).max(axis=0).sum()
    assert error < 1e-4
    assert found.error <= 5e-5


def test_published_weights_need_few_nodes() -> None:
    p = 0.998 - np.arange(100) / 100 * 0.028
    assert len(mixture((1 - p) / p, 1e-5, 0.1, 5e-5).nodes) <= 8


def test_equal_offsets_share_one_table_without_error() -> None:
    found = mixture(np.full(28, 1e-7), 0.0, 1.0, 1e-12)
    assert found.nodes.tolist() == [1e-7]
    assert (found.shares == 1).all()
    assert found.error == 0.0


def test_an_impossible_bound_gives_the_offsets_themselves() -> None:
    offsets = np.geomspace(1e-7, 1e3, 40)[::-1]
    found = mixture(offsets, 0.0, 1.0, 1e-12)
    assert np.array_equal(found.shares @ found.nodes, offsets)
    assert (found.constants == 0).all()
