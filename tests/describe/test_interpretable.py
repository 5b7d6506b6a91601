"""Clusters, uninterpretable neurons and their chance; statistics of words; the exact rank test."""

from __future__ import annotations

from itertools import permutations
from math import comb
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import kendalltau

from otoscope.describe.interpret import InterpretConfig, interpret
from otoscope.describe.interpretable import (
    best_count,
    clarity,
    clarity_by_chance,
    hub_strata,
    permuted_counts,
    random_sets,
    sentence_clusters,
)
from otoscope.describe.word_statistics import block_of, histogram, per_block, per_layer, trend
from otoscope.errors import EmptyDataError, InputError, UnknownNameError
from otoscope.language import text_encoder
from otoscope.store import run as runs

from .test_stage import WORDS, make_run


def test_best_count_by_hand() -> None:
    membership = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=bool)
    top = np.array([[0, 1, 2], [3, 3, 2], [0, 1, -1]])
    assert best_count(top, membership).tolist() == [2, 1, 2]


def test_clusters_are_the_kinds_of_sentences() -> None:
    captions = [f"{word}. Sure, here is more." for word in WORDS for _ in range(4)]
    found = sentence_clusters(captions, text_encoder("lexical"), n_clusters=6)
    assert found.n_sentences == 24 and (found.membership.sum(axis=1) == 1).all()
    assert (found.membership.sum(axis=0) == 4).all() and sorted(found.examples) == sorted(
        f"{w}." for w in WORDS
    )
    chosen = sentence_clusters(captions, text_encoder("lexical"), n_clusters=None)
    assert chosen.membership.shape[1] == max(chosen.silhouettes, key=chosen.silhouettes.get)
    with pytest.raises(InputError, match="7 clusters of 6 different sentences"):
        sentence_clusters(captions, text_encoder("lexical"), n_clusters=7)
    with pytest.raises(EmptyDataError, match="none of 2 captions has a sentence"):
        sentence_clusters(["...", "?"], text_encoder("lexical"))


def test_random_sets_give_the_binomial_share() -> None:
    membership = np.zeros((1000, 1), dtype=bool)
    membership[:300] = True
    drawn = random_sets(np.arange(1000), 5, 4000, distinct_groups=True, seed=0)
    assert all(len(set(row)) == 5 for row in drawn)
    expected = sum(comb(5, x) * 0.3**x * 0.7 ** (5 - x) for x in range(3))
    assert np.isclose((best_count(drawn, membership) < 3).mean(), expected, atol=0.02)
    few = random_sets(np.array([0, 0, 1, 1]), 3, 10, distinct_groups=True, seed=0)
    assert (few[:, 2] == -1).all() and (few[:, :2] // 2 != few[:, 1::-1] // 2).all()


def test_strata_hold_groups_of_like_hubness() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(64), 2)
    top = rng.integers(0, 32, (500, 5))
    strata = hub_strata(top, groups)
    assert len(np.unique(strata)) == 4 and all(len(set(strata[groups == one])) == 1 for one in range(64))
    appearances = np.bincount(top.ravel(), minlength=128)
    assert appearances[strata == 3].min() > 0 and appearances[strata == 0].max() == 0


def test_hubs_do_not_look_like_chance() -> None:
    """All neurons share five hub clips of one cluster: interpretable against random sets, but that is one fact."""
    rng = np.random.default_rng(1)
    groups = np.arange(160)
    membership = np.zeros((160, 4), dtype=bool)
    membership[np.arange(160), rng.integers(0, 4, 160)] = True
    membership[:5], membership[:5, 0] = False, True
    top = np.tile(np.arange(5), (50, 1))
    assert (best_count(top, membership) == 5).all()
    permuted = permuted_counts(top, membership, groups, 50, seed=0)
    assert permuted.shape == (50, 50) and (permuted == permuted[:, :1]).all()
    assert (permuted.max(axis=1) >= 3).mean() > 0.1  # chance alone reaches it for all neurons together


def test_clarity_by_hand() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    top = np.array([[0, 1, -1], [0, 1, 2], [2, -1, -1]])
    assert np.allclose(clarity(top, vectors), [1.0, 1 / 3, np.nan], equal_nan=True)
    assert clarity_by_chance(np.array([0, 0, 1]), vectors) == 0
    assert clarity_by_chance(np.array([0, 1, 2]), vectors) == pytest.approx(1 / 3)
    assert np.isnan(clarity_by_chance(np.zeros(3), vectors))


def test_the_stage(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    config = InterpretConfig(captions="words", n_clusters=6, draws=2000, permutations=40)
    found = interpret(run, config)
    logits = found.layers.filter(layer="logits", pole="high", least=4).row(0, named=True)
    assert logits["uninterpretable"] < logits["permuted_low"] <= logits["permuted_high"]
    assert logits["random"] > 0.5 and logits["p"] == pytest.approx(1 / 41) and logits["clarity"] > 0.2
    shares = found.layers.filter(layer="logits", pole="high").sort("least")["uninterpretable"]
    assert shares.is_sorted() and found.layers.filter(layer="net.0")["block"][0] == 0
    assert found.neurons.height == 21 and found.neurons["best_count"].is_between(1, 5).all()
    marker = runs.read_stage(run, f"interpret-{found.name}")
    assert len(marker["outputs"]) == 2 and marker["notes"]["n_clusters"] == 6
    again = interpret(make_run(tmp_path / "again"), config)
    assert again.name == found.name and again.layers.equals(found.layers)
    with pytest.raises(InputError, match="vectors_id"):
        interpret(run, config, vectors=np.eye(60, dtype=np.float32))


def made(counts: dict[str, list[int]], tokens: dict[str, list[int]]) -> pl.DataFrame:
    rows = [
        {
            "neuron": n,
            "layer": layer,
            "pole": "high",
            "open_concepts": ["loud", *"abcdefgh"][:count],
            "n_tokens": t,
        }
        for layer in counts
        for n, (count, t) in enumerate(zip(counts[layer], tokens[layer]))
    ]
    return pl.DataFrame(rows, schema_overrides={"open_concepts": pl.List(pl.String)})


def test_histogram_and_means() -> None:
    table = made(
        {"blocks.0": [1, 2], "blocks.1": [0, 3], "logits": [1, 1]},
        {x: [10, 10] for x in ("blocks.0", "blocks.1", "logits")},
    )
    assert histogram(table).row(0) == ("loud", 5, pytest.approx(5 / 6))
    assert per_layer(table)["adjectives"].to_list() == [1.5, 1.5, 1.0]
    assert per_block(table)["block"].to_list() == [0, 1]
    with pytest.raises(UnknownNameError, match="unknown column of the descriptions 'adjectifs'"):
        histogram(table, "adjectifs")
    with pytest.raises(EmptyDataError):
        per_layer(table.clear())


def test_length_is_adjusted_for() -> None:
    """Longer summaries deeper down hold more adjectives; per token nothing changes."""
    lengths = {f"blocks.{b}": [10 + 10 * b, 20 + 10 * b] for b in range(4)}
    table = made({one: [length // 10 for length in both] for one, both in lengths.items()}, lengths)
    means = per_block(table)
    assert means["adjectives"].is_sorted() and np.ptp(means["adjusted"].to_numpy()) < 1e-9


@pytest.mark.parametrize("values", [[1.0, 3, 2, 4, 5], [5.0, 4, 3, 2, 1, 0], [2.0, 1, 3]])
def test_the_rank_test_is_exact(values: list[float]) -> None:
    found, other = trend(values), kendalltau(np.arange(len(values)), values, method="exact")
    assert found.tau == pytest.approx(other.statistic) and found.p == pytest.approx(other.pvalue)


def test_ties_are_enumerated() -> None:
    values = [1.0, 1.0, 2.0, 3.0]
    score = lambda order: abs(sum(np.sign(b - a) for i, a in enumerate(order) for b in order[i + 1 :]))  # noqa: E731
    expected = np.mean([score(one) >= score(values) for one in permutations(values)])
    assert trend(values).p == pytest.approx(expected)
    assert np.isnan(trend([1.0, 1.0]).p) and np.isnan(trend([1.0]).tau)
    many = trend([1.0, 1.0, 2, 3, 4, 5, 6, 7, 8, 9])
    assert many.p < 0.001 and many.smallest_p < 1e-5


@pytest.mark.parametrize(
    ("layer", "block"),
    [
        ("blocks.3", 3),
        ("encoder.layer.11.output.dense", 11),
        ("layer5_intermediate", 5),
        ("logits", None),
        ("fc", None),
    ],
)
def test_blocks(layer: str, block: int | None) -> None:
    assert block_of(layer) == block
