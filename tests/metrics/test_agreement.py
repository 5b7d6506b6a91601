from __future__ import annotations

import numpy as np
import pytest

from otoscope.errors import InputError, UnknownNameError
from otoscope.metrics.agreement import krippendorff_alpha
from otoscope.metrics.token_agreement import bert_score

nan = np.nan
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
)
"""Four observers and twelve units, with missing ratings: Krippendorff 2011, section D."""


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(level, alpha) -> None:
    assert krippendorff_alpha(PUBLISHED, level) == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_equals_the_definition_pair_by_pair(level) -> None:
    rng = np.random.default_rng(4)
    ratings = rng.integers(1, 6, (3, 15)).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = nan
    units = [column[~np.isnan(column)] for column in ratings.T]
    units = [one for one in units if len(one) > 1]
    pooled = np.concatenate(units)

    def distance(a: float, b: float) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return (a - b) ** 2
        low, high = min(a, b), max(a, b)
        between = ((pooled > low) & (pooled < high)).sum()
        return (
            float(((pooled == low).sum() / 2 + between + (pooled == high).sum() / 2) ** 2) if a != b else 0.0
        )

    observed = sum(
        distance(a, b) / (len(one) - 1)
        for one in units
        for i, a in enumerate(one)
        for j, b in enumerate(one)
        if i != j
    )
    expected = sum(distance(a, b) for i, a in enumerate(pooled) for j, b in enumerate(pooled) if i != j)
    assert krippendorff_alpha(ratings, level) == pytest.approx(1 - observed * (len(pooled) - 1) / expected)


def test_perfect_chance_and_nothing_to_compare() -> None:
    perfect = np.tile(np.array([1.0, 2, 3, 4, 5]), (3, 1))
    assert krippendorff_alpha(perfect) == 1
    random = np.random.default_rng(0).integers(1, 6, (2, 4000)).astype(float)
    assert abs(krippendorff_alpha(random)) < 0.05
    assert np.isnan(krippendorff_alpha(perfect[:1])), "one rater"
    assert np.isnan(krippendorff_alpha(np.full((2, 3), 4.0))), "only ever one rating"
    assert np.isnan(krippendorff_alpha(np.full((2, 3), nan)))
    with pytest.raises(InputError, match="rater, unit"):
        krippendorff_alpha(perfect[0])
    with pytest.raises(UnknownNameError, match="ordinal"):
        krippendorff_alpha(perfect, "ratio")  # type: ignore[arg-type]


def test_bert_score_by_hand_and_by_loops() -> None:
    one, other = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[0.6, 0.8]])
    precision, recall, f1 = bert_score([one, one], [other, np.zeros((0, 2))])
    assert precision.tolist() == [pytest.approx(0.7), 0.0] and recall.tolist() == [pytest.approx(0.8), 0.0]
    assert f1[0] == pytest.approx(2 * 0.7 * 0.8 / 1.5) and f1[1] == 0
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5, 7)), rng.normal(size=(4, 7))
    cos = [[float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for b in y] for a in x]
    p = sum(max(row) for row in cos) / 5
    r = sum(max(cos[i][j] for i in range(5)) for j in range(4)) / 4
    assert [float(v[0]) for v in bert_score([x], [y])] == pytest.approx([p, r, 2 * p * r / (p + r)])
    with pytest.raises(InputError, match="one reference"):
        bert_score([x], [])
    with pytest.raises(InputError, match="token, dimension"):
        bert_score([x[0]], [y])
