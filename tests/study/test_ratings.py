from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.errors import EmptyDataError
from otoscope.report.rating.answers import Ratings
from otoscope.study.ratings import rating_study


def made(n: int = 12, raters: tuple[str, ...] = ("Ada", "Bo"), better: float = 2.0, seed: int = 0) -> Ratings:
    """Return ratings of one method whose descriptions get ``better`` points more than their control."""
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    for item in range(n):
        level = rng.integers(1, 4)
        place = {"item": item, "neuron": item, "layer": "a", "index": item, "pole": "high"}
        for rater in raters:
            texts.append({"rater": rater, **place, "own_words": f"sound {item}"})
            for option, control in enumerate((False, True)):
                rating = int(np.clip(level + (0 if control else better) + rng.integers(0, 2), 1, 5))
                text = f"sound {(item + 1) % n}" if control else f"sound {item}"
                rows.append(
                    {
                        "rater": rater,
                        **place,
                        "option": option,
                        "rating": rating,
                        "text": text,
                        "table": "db-1",
                        "control": control,
                    }
                )
    return Ratings(pl.DataFrame(rows), pl.DataFrame(texts))


def test_means_are_of_neurons_and_the_difference_has_an_interval() -> None:
    found = made()
    result = rating_study(found)
    row = result.methods.row(0, named=True)
    own = (
        found.ratings.filter(~pl.col("control"))
        .group_by("item")
        .agg(pl.col("rating").mean())["rating"]
        .mean()
    )
    assert row["description"] == pytest.approx(own) and row["n_neurons"] == 12
    assert row["difference"] == pytest.approx(row["description"] - row["control"])
    assert 0 < row["difference_low"] < row["difference"] < row["difference_high"]
    assert (result.n_raters, result.n_ratings) == (2, 48)
    assert 0.3 < result.alpha < 1


def test_a_rater_who_rates_more_neurons_weighs_no_more_within_one() -> None:
    found = made(3)
    uneven = found.ratings.filter(~((pl.col("rater") == "Bo") & (pl.col("item") > 0)))
    row = rating_study(Ratings(uneven, found.texts)).methods.row(0, named=True)
    per_item = uneven.filter(~pl.col("control")).group_by("item").agg(pl.col("rating").mean())["rating"]
    assert row["description"] == pytest.approx(per_item.mean())


def test_own_words_are_compared_with_description_and_control() -> None:
    asked = []

    def encode(texts):
        asked.append(list(texts))
        return np.eye(20)[[int(one.split()[1]) for one in texts]]

    result = rating_study(made(), encode=encode, encode_tokens=lambda texts: [encode([one]) for one in texts])
    rows = {row["measure"]: row for row in result.methods.iter_rows(named=True)}
    assert rows["cosine"]["description"] == 1 and rows["cosine"]["control"] == 0
    assert rows["bert_f1"]["difference"] == 1
    assert len(asked[0]) == len(set(asked[0])) == 12, "each text is encoded once"


def test_single_rater_no_control_nothing() -> None:
    alone = made(raters=("Ada",))
    result = rating_study(Ratings(alone.ratings.filter(~pl.col("control")), alone.texts))
    row = result.methods.row(0, named=True)
    assert np.isnan(result.alpha) and row["control"] is None and row["difference"] is None
    with pytest.raises(EmptyDataError, match="nothing was rated"):
        rating_study(Ratings(alone.ratings.head(0), alone.texts))
