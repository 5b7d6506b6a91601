"""Hidden layers from five clips a neuron, as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from otoscope.describe.clipwise import Clipwise
from otoscope.describe.closed import identify
from otoscope.describe.config import DescribeConfig
from otoscope.describe.evidence_clips import name_from_evidence
from otoscope.describe.layer import Layer
from otoscope.describe.presets import preset
from otoscope.errors import InputError
from tests.describe.conftest import World, make_world

FAST = {"replicates": 20, "permutations": 20}


def layer_of(activations: np.ndarray, block: int = 7) -> Layer:
    return Layer(activations, torch.arange(len(activations)), block, torch.float64)


def clipwise(world: World) -> Clipwise:
    names = [f"concept {n}" for n in range(world.affinities.shape[1])]
    return Clipwise(world.affinities, names, world.groups, scoring=world.affinities)


def test_scores_are_those_of_the_five_clips_alone(world: World) -> None:
    config = DescribeConfig(function="cos_cubed", marginal="neuron", evidence_clips=5, n_best=30)
    affinities = world.affinities.astype(np.float64)
    found = name_from_evidence(
        layer_of(world.activations.astype(np.float64)), torch.from_numpy(affinities), config, 5
    )
    for neuron in (0, 9, 23):  # re-derived in plain numpy
        clips = np.argsort(-world.activations[:, neuron])[:5]
        u, v = world.activations[clips, neuron].astype(np.float64), affinities[clips]
        u, v = (u - u.mean()) ** 3, (v - v.mean(axis=0)) ** 3
        scores = u @ v / max(np.linalg.norm(u), 1e-3) / np.maximum(np.linalg.norm(v, axis=0), 1e-3)
        best = np.argsort(-scores)
        assert found.top[neuron].tolist() == best.tolist()
        np.testing.assert_allclose(found.top_scores[neuron], scores[best], rtol=1e-6)
    assert found.null.shape == (0, 24) and not found.dead.any()


@pytest.mark.parametrize(("function", "left"), [("wpmi", 0.4), ("soft_wpmi", 0.0)])
def test_the_marginal_is_the_neuron_itself(world: World, function: str, left: float) -> None:
    given = {"function": function, "parameters": {}, "top_share": 1.0, "n_best": 30}
    config = DescribeConfig(marginal="neuron", evidence_clips=5, **given)
    affinities = torch.from_numpy(world.affinities.astype(np.float64))
    found = name_from_evidence(layer_of(world.activations.astype(np.float64)), affinities, config, 5)
    a, n_ranks = (2.0, 5) if function == "wpmi" else (10.0, 5)
    clips = np.argsort(-world.activations[:, 3])[:n_ranks]
    softmaxed = torch.softmax(a * affinities[clips], dim=1).numpy()
    raw = np.log(softmaxed + 1e-7).sum(axis=0)
    if left:
        np.testing.assert_allclose(found.top_scores[3], left * np.sort(raw)[::-1], rtol=1e-9)
    else:
        assert (found.top_scores == 0).all() and (found.top[:, 0] == 0).all()


def test_hidden_layers_only_and_without_p(world: World) -> None:
    config = preset("and-2024", affinity="cosine", **FAST)
    hidden = identify(world.activations, clipwise(world), config, layer="blocks.0")
    output = identify(world.activations, clipwise(world), config, layer="logits")
    assert set(hidden["n_describe"]) == {5} and set(output["n_describe"]) == {200}
    assert hidden["p"].null_count() == hidden.height and not hidden["testable"].any()
    assert output["p"].null_count() == 0
    assert hidden["heldout_pearson"].null_count() == 0  # scored on all clips
    right = [
        (table["concept"][:12] == [f"concept {n}" for n in range(12)]).mean() for table in (hidden, output)
    ]
    assert right[1] > 0.9 > right[0], "five clips tell less than two hundred"


def test_rank_reorder_has_nothing_to_look_at(world: World) -> None:
    config = preset("and-2024", function="rank_reorder", affinity="cosine", **FAST)
    assert config.parameters == {"variant": "and-2024"}
    found = identify(world.activations, clipwise(world), config, layer="blocks.0")
    assert found["concept"].null_count() == found.height
    assert found["flags"].str.contains("undefined").all()


def test_fewer_clips_than_asked_for_and_dead_neurons() -> None:
    world = make_world(n_groups=2, size=2, n_neurons=3, n_concepts=4, n_true=0)
    world.activations[:, 1] = 7.0
    config = preset("and-2024", function="wpmi", affinity="cosine", **FAST)
    found = identify(world.activations, clipwise(world), config, layer="x")
    assert set(found["n_describe"]) == {4}
    assert found["flags"].str.contains("dead").to_list() == [False, True, False]
    assert found["flags"].str.contains("clamped").all()  # 28 clips wanted


def test_a_marginal_over_the_layer_is_not_defined_here() -> None:
    with pytest.raises(InputError, match="set marginal to 'neuron'"):
        DescribeConfig(evidence_clips=5)
