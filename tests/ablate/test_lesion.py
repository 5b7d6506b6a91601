"""Many sets at once give what each gives alone; what is planted is what is lost; nothing is left behind."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from otoscope.ablate.hearing import Hearing, Window
from otoscope.ablate.interventions import GAIN, MEAN, RESAMPLE, ZERO, Material, intervention
from otoscope.ablate.lesion import Lesion
from otoscope.ablate.places import Place, masks_of
from otoscope.audio.synthesis import catalogue, render
from otoscope.errors import EmptyDataError, InputError, ModelError, UnknownNameError
from otoscope.models import cnn, planted
from otoscope.record.hooks import lent
from otoscope.record.layers import Layer
from tests.ablate.conftest import make_clips, make_model

FIRST = Place(Layer("first", "first"), 0, 6, "BCT")
ACT = Place(Layer("act", "act"), 6, 6, "BCT")


def window_of(model, waveform: np.ndarray, row: int = 0) -> Window:
    features = model.features(torch.from_numpy(waveform))
    parts = features if isinstance(features, tuple) else (features,)
    return Window(row, 1.0, tuple(one.detach() for one in parts))


def sound(row: int = 0) -> np.ndarray:
    clips = make_clips()
    return clips.source.read(clips.record(row))[0][None]


def masks(n: int, *sets: list[int]) -> Tensor:
    return masks_of([np.array(one, dtype=np.int64) for one in sets], n)


def test_known_network_loses_exactly_what_is_ablated(model) -> None:
    window = window_of(model, sound(0))
    logits = Lesion(model, (FIRST, ACT), ZERO).logits(window, masks(12, [], [6, 7], [6], [8, 9], [0, 1]))
    whole = model.net(*window.features).detach()[0]
    assert torch.equal(logits[0], whole)
    assert logits[1, 0] == 0 and torch.equal(logits[1, 1:], whole[1:])
    assert logits[2, 0] == pytest.approx(float(whole[0]) / 3, rel=1e-5)
    assert torch.equal(logits[3, [0, 2]], whole[[0, 2]]) and logits[3, 1] == 0
    assert torch.equal(logits[4], logits[1])  # before the ReLU or after it: zero is zero


def test_mean_gain_and_resample(model) -> None:
    window, other = window_of(model, sound(0)), window_of(model, sound(1), row=1)
    whole, lent_by = (model.net(*one.features).detach()[0] for one in (window, other))
    means = torch.arange(12.0)
    mean = Lesion(model, (FIRST, ACT), MEAN, means=means).logits(window, masks(12, [6, 7]))[0]
    assert mean[0] == pytest.approx(6 + 7) and torch.equal(mean[1:], whole[1:])
    gain = Lesion(model, (FIRST, ACT), GAIN, gain=3.0).logits(window, masks(12, [6, 7]))[0]
    assert gain[0] == pytest.approx(3 * float(whole[0]), rel=1e-5)
    borrowed = Lesion(model, (FIRST, ACT), RESAMPLE, donors=lambda one: other)
    found = borrowed.logits(window, masks(12, [], [6, 7], [6, 7, 8, 9, 10, 11]))
    assert torch.equal(found[0], whole) and found[1, 0] == pytest.approx(float(lent_by[0]), rel=1e-5)
    assert torch.allclose(found[2], lent_by, rtol=1e-5)


def test_planted_neurons_are_lost_alone() -> None:
    """The output of a planted network is its neurons' means, so each ablation changes one known number."""
    network = planted.build(
        planted.PlantedOptions(rules=("onset", "noisy"), strengths=(1.0,), distractors=4)
    ).eval()
    n = planted.truth(network).height
    place = Place(Layer("neurons", "neurons"), 0, n, "BCT")
    waveform = render(catalogue(1, 5)[0], network.sample_rate)
    window = window_of(network, np.asarray(waveform, np.float32).reshape(1, 1, -1))
    whole = network.net(*window.features).detach()[0]
    found = Lesion(network, (place,), ZERO, sets_at_once=3).logits(window, torch.eye(n, dtype=torch.bool))
    expected = whole.repeat(n, 1).masked_fill(torch.eye(n, dtype=torch.bool), 0.0)
    assert torch.equal(found, expected)
    fixed = Lesion(network, (place,), MEAN, means=torch.full((n,), 0.25)).logits(window, masks(n, [1, 2]))[0]
    assert torch.allclose(fixed[[1, 2]], torch.tensor(0.25)) and torch.equal(fixed[3:], whole[3:])


@pytest.mark.parametrize("how", ["zero", "mean", "gain"])
def test_many_sets_at_once_are_each_alone(how: str) -> None:
    network = cnn.build(("a", "b", "c"), width=3, n_mels=16, clip_s=1.0, seed=1).eval()
    places = tuple(
        Place(Layer(f"blocks.{b}", f"blocks.{b}"), first, 3 * 2**b, "BCFT")
        for b, first in enumerate((0, 3, 9, 21))
    )
    rng = np.random.default_rng(0)
    window = window_of(network, rng.standard_normal((1, 1, 16000)).astype(np.float32))
    sets = torch.from_numpy(rng.random((11, 45)) < 0.3)
    sets[4] = False
    means = torch.from_numpy(rng.random(45)).float()
    many = Lesion(network, places, intervention(how), gain=0.3, means=means, sets_at_once=4)
    alone = Lesion(network, places, intervention(how), gain=0.3, means=means, sets_at_once=1)
    found = many.logits(window, sets)
    assert many.widens is True
    expected = torch.cat([alone.logits(window, one[None]) for one in sets])
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found[0], found[4])


class Joined(nn.Module):
    """Joins the input with what was ablated, so one clip and many sets do not fit."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.head = nn.Linear(20, 3)

    def forward(self, frames: Tensor) -> Tensor:
        return self.head(torch.cat([frames, self.act(frames)], dim=1).mean(dim=2))


def test_a_network_that_cannot_be_widened_is_given_repeated_clips() -> None:
    model = make_model(Joined())
    place = Place(Layer("act", "act"), 0, 10, "BCT")
    window, sets = window_of(model, sound()), masks(10, [], [0, 3], [1])
    lesion = Lesion(model, (place,), ZERO)
    found = lesion.logits(window, sets)
    assert lesion.widens is False
    expected = torch.cat(
        [Lesion(model, (place,), ZERO, sets_at_once=1).logits(window, one[None]) for one in sets]
    )
    assert torch.allclose(found, expected, atol=1e-6)


class TimeFirst(nn.Module):
    """A layer that gives ``(time, clip, neuron)``."""

    def __init__(self) -> None:
        super().__init__()
        self.turned = nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        return self.turned(frames.permute(2, 0, 1)).mean(dim=0)[:, :3]


def test_time_may_come_first() -> None:
    model = make_model(TimeFirst())
    place = Place(Layer("turned", "turned"), 0, 10, "TBC")
    window = window_of(model, sound())
    whole = model.net(*window.features)[0]
    found = Lesion(model, (place,), MEAN, means=torch.full((10,), 7.0)).logits(
        window, masks(10, [], [1], [0, 2])
    )
    assert torch.equal(found[0], whole) and found[1].tolist() == [whole[0], pytest.approx(7.0), whole[2]]
    assert found[2, 1] == whole[1] and found[2, 0] == pytest.approx(7.0)


def test_embeddings_hear_the_ablation(model) -> None:
    window = window_of(model, sound())
    logits, embedding = Lesion(model, (FIRST, ACT), ZERO).embeddings(window, masks(12, [], [6]), ACT)
    assert logits.shape == (2, 3) and embedding.shape == (2, 6)
    assert embedding[1, 0] == 0 and torch.equal(embedding[0, 1:], embedding[1, 1:]) and embedding[0, 0] > 0


class Explosive(nn.Module):
    """Raises when its sixth value is silent."""

    def forward(self, x: Tensor) -> Tensor:
        if bool((x[:, 5] == 0).all()):
            raise RuntimeError("boom")
        return x


def state_of(model: nn.Module) -> tuple:
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
    return (
        weights,
        modes,
        hooks,
        [p.requires_grad for p in model.parameters()],
        [p.grad for p in model.parameters()],
    )


def test_the_model_is_given_back_as_it_was_lent_also_after_an_exception() -> None:
    model = make_model()
    model.net.last = Explosive()
    model.net.forward = lambda x: model.net.head(model.net.last(model.net.act(model.net.first(x))).mean(2))
    model.train()
    model.net.head.eval()
    model.net.first.weight.requires_grad_(False)
    before = copy.deepcopy(state_of(model))
    window = window_of(model, sound(2))
    lesion = Lesion(model, (FIRST, ACT), ZERO)
    with lent(model):
        whole = model.net(*window.features).detach()
        lesion.logits(window, masks(12, [6], [7]))
    with pytest.raises(ModelError, match="while ablated: RuntimeError: boom"), lent(model):
        lesion.logits(window, masks(12, [11, 5], [11]))
    after = state_of(model)
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    assert before[1:] == after[1:]
    assert torch.equal(model.net(*window.features), whole)


def test_interventions_by_name() -> None:
    assert intervention("zero") is ZERO and RESAMPLE.needs == "donors"
    with pytest.raises(UnknownNameError, match="mean"):
        intervention("men")
    with pytest.raises(TypeError, match="mean"):
        MEAN.apply(torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool), Material())
    with pytest.raises(InputError, match="reference clips"):
        Lesion(make_model(), (ACT,), RESAMPLE).logits(window_of(make_model(), sound()), masks(12, [6]))


def test_infinite_activations_outside_the_set_stay() -> None:
    x = torch.tensor([[float("inf"), 1.0]])
    assert ZERO.apply(x, torch.tensor([[False, True]]), Material()).tolist() == [[float("inf"), 0.0]]


def test_clips_are_decoded_once_while_they_fit(model) -> None:
    clips = make_clips(6, broken=(2,))
    kept = Hearing(model, clips, [0, 2, 4, 5], memory_bytes=2**20)
    first, again = list(kept), list(kept)
    assert [one.row for one in first] == [0, 4, 5] and kept.passes_decoded == 1 and again == first
    assert [*kept.failures] == [2] and "damaged" in kept.failures[2].reason
    forgotten = Hearing(model, clips, [0, 4, 5], memory_bytes=first[0].n_bytes)
    rows = [one.row for _ in range(2) for one in forgotten]
    assert rows == [0, 4, 5] * 2 and forgotten.passes_decoded == 2
    with pytest.raises(EmptyDataError, match="damaged"):
        list(Hearing(model, clips, [2], memory_bytes=0))
