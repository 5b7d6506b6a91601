"""The layer's marginal: block by block, and without one neuron."""

from __future__ import annotations

import math

import numpy as np
import torch

from otoscope.describe.prior import Prior


def gathered(likelihoods: torch.Tensor, block: int) -> Prior:
    prior = Prior.empty(likelihoods.shape[1], likelihoods)
    for some in likelihoods.split(block):
        prior = prior.add(some)
    return prior


def test_value_is_the_mean_likelihood() -> None:
    likelihoods = 30 * torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    copy = likelihoods.clone()
    for block in (1, 7, 50):
        assert torch.allclose(
            gathered(likelihoods, block).value(), torch.logsumexp(likelihoods, 0) - math.log(50)
        )
    assert torch.equal(likelihoods, copy)


def test_without_one_neuron_also_where_it_is_nearly_the_whole_sum() -> None:
    likelihoods = 60 * torch.randn(20, 5, dtype=torch.float32, generator=torch.Generator().manual_seed(1))
    likelihoods[3] = likelihoods[7]  # twins, both at the top somewhere
    likelihoods[[3, 7], 0] = 500.0
    found = gathered(likelihoods, 6).without(likelihoods)
    for neuron in range(20):
        rest = np.delete(likelihoods.double().numpy(), neuron, axis=0)
        expected = np.log(np.exp(rest - rest.max(0)).mean(0)) + rest.max(0)
        assert np.allclose(found[neuron], expected, atol=1e-3)


def test_dead_neurons_take_no_part() -> None:
    likelihoods = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    with_dead = torch.cat([likelihoods, torch.full((2, 3), torch.nan)])
    assert torch.allclose(gathered(with_dead, 4).value(), gathered(likelihoods, 4).value())
    assert gathered(with_dead, 4).n_neurons == 8


def test_a_layer_of_one_or_none() -> None:
    one = torch.randn(1, 3)
    assert torch.equal(gathered(one, 1).value(), one[0])
    assert (gathered(one, 1).without(one) == 0).all()
    assert gathered(torch.full((2, 3), torch.nan), 1).value().isnan().all()
