"""Description-based identification on arrays: columns, truth recovered, poles, flags, presets, errors."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.describe.clipwise import Clipwise
from otoscope.describe.closed import identify, with_q
from otoscope.describe.config import DescribeConfig
from otoscope.describe.halves import halves
from otoscope.describe.presets import preset
from otoscope.errors import EmptyDataError, InputError
from tests.describe.conftest import make_world

COLUMNS = {
    "neuron": pl.Int64,
    "layer": pl.String,
    "index": pl.Int64,
    "pole": pl.String,
    "concept": pl.String,
    "score": pl.Float64,
    "margin": pl.Float64,
    "top_concepts": pl.List(pl.String),
    "top_scores": pl.List(pl.Float32),
    "p": pl.Float64,
    "q": pl.Float64,
    "testable": pl.Boolean,
    "heldout_pearson": pl.Float64,
    "heldout_low": pl.Float64,
    "heldout_high": pl.Float64,
    "heldout_auprc_gain": pl.Float64,
    "heldout_auroc": pl.Float64,
    "control_pearson": pl.Float64,
    "n_describe": pl.Int64,
    "n_score": pl.Int64,
    "flags": pl.String,
}
FAST = {"permutations": 40, "replicates": 50}


def clipwise(world, **changes) -> Clipwise:
    names = [f"concept {number}" for number in range(world.affinities.shape[1])]
    return Clipwise(**{"affinities": world.affinities, "concepts": names, "groups": world.groups, **changes})


def test_columns(world) -> None:
    found = identify(
        world.activations, clipwise(world), DescribeConfig(**FAST), layer="a.b", first_neuron=100
    )
    assert dict(found.schema) == COLUMNS
    assert found["neuron"].to_list() == [100 + number // 2 for number in range(48)]
    assert found["pole"].to_list() == ["high", "low"] * 24
    assert set(found["layer"]) == {"a.b"}
    assert (found["n_describe"] + found["n_score"] == 200).all()
    assert found["top_concepts"].list.len().unique().to_list() == [5]
    assert (found["score"].cast(pl.Float32) == found["top_scores"].list.first()).all()


@pytest.mark.parametrize("function", ["cos", "cos_cubed", "wpmi", "soft_wpmi", "rank_reorder"])
def test_truth_is_recovered(function: str) -> None:
    world = make_world(n_neurons=60, n_groups=200, strength=2.5)
    parameters = {"top_fraction": 0.2} if function == "rank_reorder" else None
    world_affinities = (
        world.affinities - world.affinities.min() if function == "rank_reorder" else world.affinities
    )
    config = DescribeConfig(function=function, parameters=parameters, poles="high", **FAST)
    found = identify(world.activations, clipwise(world, affinities=world_affinities), config)
    true = found.filter(pl.col("index") < 12)
    right = [concept == f"concept {index}" for index, concept in true.select("index", "concept").iter_rows()]
    assert np.mean(right) >= 0.8
    if function != "rank_reorder":
        assert (true["q"] <= 0.05).mean() >= 0.8
    assert true["heldout_pearson"].median() > 0.5
    assert (found.filter(pl.col("index") >= 12)["q"] <= 0.05).mean() <= 0.05


def test_the_low_pole_is_the_high_pole_negated(world) -> None:
    config = DescribeConfig(**FAST)
    found = identify(world.activations, clipwise(world), config)
    mirrored = identify(-world.activations, clipwise(world), config)
    columns = ["index", "concept", "score", "p", "heldout_pearson", "heldout_auprc_gain"]
    low = found.filter(pole="low").select(columns)
    assert low.equals(mirrored.filter(pole="high").select(columns))


def test_only_signed_neurons_have_a_low_pole(world) -> None:
    activations = world.activations.copy()
    activations[:, 1] = np.maximum(activations[:, 1], 0)
    found = identify(activations, clipwise(world), DescribeConfig(**FAST))
    assert found.filter(index=1)["pole"].to_list() == ["high"]
    assert found.height == 47
    told = identify(world.activations, clipwise(world), DescribeConfig(**FAST), signed=np.arange(24) == 5)
    assert told.filter(pole="low")["index"].to_list() == [5]
    none = identify(world.activations, clipwise(world), DescribeConfig(poles="high", **FAST))
    assert set(none["pole"]) == {"high"}


def test_blocks_change_nothing(world) -> None:
    whole = identify(world.activations, clipwise(world), DescribeConfig(**FAST))
    parts = identify(world.activations, clipwise(world), DescribeConfig(block=5, **FAST))
    same = ["concept", "top_concepts", "flags", "testable"]
    assert parts.select(same).equals(whole.select(same))
    for column in (
        "score",
        "margin",
        "p",
        "q",
        "heldout_pearson",
        "heldout_low",
        "heldout_auroc",
        "control_pearson",
    ):
        assert np.allclose(parts[column], whole[column], atol=1e-3), column


def test_describing_and_scoring_clips_are_apart(world) -> None:
    """What happens on the scoring clips cannot change the description, and the other way round."""
    config = DescribeConfig(poles="high", **FAST)
    found = identify(world.activations, clipwise(world), config)
    scoring = halves(world.groups, config.split, config.seed)[1]
    changed = world.activations.copy()
    changed[scoring] = np.random.default_rng(1).normal(size=changed[scoring].shape)
    again = identify(changed, clipwise(world), config)
    same = ["concept", "score", "margin", "top_concepts", "p", "q", "testable"]
    assert again.select(same).equals(found.select(same))
    assert again["heldout_pearson"].abs().max() < found["heldout_pearson"].max()


def test_dead_neurons_and_failed_clips(world) -> None:
    activations, affinities = world.activations.copy(), world.affinities.copy()
    activations[:, 3] = 0.5
    activations[7] = np.nan
    affinities[[11, 12]] = np.nan
    found = identify(
        activations, clipwise(world, affinities=affinities), DescribeConfig(poles="high", **FAST)
    )
    dead = found.row(3, named=True)
    assert dead["concept"] is None and dead["top_concepts"] == [] and not dead["testable"]
    assert dead["flags"].startswith("dead") and dead["p"] is None and dead["heldout_pearson"] is None
    assert found["n_describe"][0] + found["n_score"][0] == 197
    assert found.filter(pl.col("index") != 3)["p"].null_count() == 0


def test_flags(world) -> None:
    few = make_world(n_groups=20)
    relu = np.maximum(few.activations - 3, 0)
    config = DescribeConfig(function="soft_wpmi", top_share=1, poles="high", **FAST)
    flags = identify(relu, clipwise(few, flags=("groups-undeclared",)), config)["flags"]
    assert flags.str.contains("clamped").all()
    assert flags.str.contains("groups-undeclared").all()
    assert flags.str.contains("circular-scorer").all()
    sparse = np.maximum(world.activations - 4, 0)
    tied = identify(sparse, clipwise(world), DescribeConfig(poles="high", **FAST))["flags"]
    assert tied.str.contains("tied").sum() >= 8
    both = identify(world.activations, clipwise(world), DescribeConfig(same_clips=True, poles="high", **FAST))
    assert both["flags"].str.contains("same-clips").all()
    assert both["n_describe"].to_list() == both["n_score"].to_list() == [200] * 24
    other = identify(world.activations, clipwise(world, scoring=world.affinities), DescribeConfig(**FAST))
    assert not other["flags"].str.contains("circular").any()


def test_scoring_affinities_of_another_family_score(world) -> None:
    noise = np.random.default_rng(0).normal(size=world.affinities.shape)
    found = identify(world.activations, clipwise(world, scoring=noise), DescribeConfig(poles="high", **FAST))
    same = identify(world.activations, clipwise(world), DescribeConfig(poles="high", **FAST))
    assert found["concept"].equals(same["concept"])
    assert np.abs(found["heldout_pearson"][:12]).max() < 0.4


def test_one_neuron_judged_against_itself(world) -> None:
    one = world.activations[:, :1]
    config = DescribeConfig(function="soft_wpmi", parameters={}, poles="high", **FAST)
    row = identify(one, clipwise(world), config).row(0, named=True)
    assert row["score"] == 0.0 and row["p"] is None and not row["testable"]
    assert "no-contrast" in row["flags"]
    assert row["concept"] == "concept 0"  # still ordered by likelihood
    wpmi = identify(one, clipwise(world), DescribeConfig(poles="high", **FAST)).row(0, named=True)
    assert wpmi["p"] is not None and "no-contrast" not in wpmi["flags"]


def test_the_published_preset_reproduces_its_degenerate_case(world) -> None:
    softmaxed = np.exp(100 * world.affinities - (100 * world.affinities).max(axis=1, keepdims=True))
    given = clipwise(world, affinities=(softmaxed / softmaxed.sum(axis=1, keepdims=True)).astype(np.float32))
    zero = identify(
        world.activations, given, preset("and-2024", function="soft_wpmi", **FAST), layer="logits"
    )
    assert (zero["score"] == 0).all()
    assert set(zero["concept"]) == {"concept 0"}
    assert not zero["testable"].any()
    cubed = identify(world.activations, given, preset("and-2024", **FAST), layer="logits")
    assert np.mean([row == f"concept {n}" for n, row in enumerate(cubed["concept"][:12])]) > 0.8


def test_concepts_of_few_groups_are_not_testable() -> None:
    """Six speakers: a concept of two of them cannot go below 1/15."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(6), 40)
    female = np.isin(speakers, [0, 1]).astype(float)
    other = rng.normal(size=(240, 3))
    affinities = np.column_stack([female, other]).astype(np.float32)
    activations = np.column_stack([2 * female, 2 * other[:, 0]]) + 0.3 * rng.normal(size=(240, 2))
    given = Clipwise(affinities, ["female voice", "a", "b", "c"], speakers)
    config = DescribeConfig(
        function="cos_cubed", same_clips=True, poles="high", permutations=199, replicates=50
    )
    found = identify(activations, given, config)
    assert found["concept"].to_list() == ["female voice", "a"]
    assert found["testable"].to_list() == [False, True]
    assert found["p"][0] >= 1 / 15 - 1e-9 > found["p"][1]


def test_without_permutations(world) -> None:
    found = identify(world.activations, clipwise(world), DescribeConfig(permutations=0, replicates=20))
    assert found["p"].null_count() == found.height
    assert not found["testable"].any()


def test_undefined_scores(world) -> None:
    config = DescribeConfig(function="rank_reorder", parameters={"top_fraction": 0.001}, poles="high", **FAST)
    found = identify(world.activations, clipwise(world), config)
    assert found["concept"].null_count() == 24
    assert found["flags"].str.contains("undefined").all()


def test_q_is_over_all_rows(world) -> None:
    found = identify(world.activations, clipwise(world), DescribeConfig(**FAST))
    twice = with_q(pl.concat([found, found.with_columns(p=pl.lit(1.0))]))
    assert (twice["q"][:48] >= found["q"]).all()


def test_errors(world) -> None:
    config = DescribeConfig(**FAST)
    with pytest.raises(InputError, match="30 columns of affinities but 2 concepts"):
        identify(world.activations, clipwise(world, concepts=["a", "b"]), config)
    with pytest.raises(InputError, match="one group a clip, got 3 for 200"):
        identify(world.activations, clipwise(world, groups=world.groups[:3]), config)
    with pytest.raises(InputError, match=r"scoring affinities must be of the same clips and concepts"):
        identify(world.activations, clipwise(world, scoring=world.affinities[:, :2]), config)
    with pytest.raises(InputError, match=r"cannot be split into describing and scoring"):
        identify(world.activations, clipwise(world, groups=np.zeros(200)), config)
    with pytest.raises(EmptyDataError, match="have a NaN"):
        identify(np.full((200, 3), np.nan), clipwise(world), config)
