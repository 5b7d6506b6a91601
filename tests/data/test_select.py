"""Which rows --folds, --split and --limit ask for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.data.select import chosen_rows, parse_folds
from otoscope.errors import EmptyDataError, InputError

TABLE = pl.DataFrame(
    {"fold": [1, 1, 2, 2, 3, 3], "split": ["train", "test", "train", None, "train", "test"]},
    schema={"fold": pl.Int64, "split": pl.String},
)


def rows(**asked: object) -> list[int] | None:
    chosen = chosen_rows(
        TABLE, **{"folds": None, "split": None, "limit": None, "seed": None, "spec": "csv:t.csv"} | asked
    )
    return None if chosen is None else chosen.tolist()


@pytest.mark.parametrize(
    ("text", "folds"),
    [
        ("1", (1,)),
        ("1-4", (1, 2, 3, 4)),
        ("5,1-2", (1, 2, 5)),
        (" 1 - 2 , 2 ", (1, 2)),
        ("0", (0,)),
        ("10-11", (10, 11)),
    ],
)
def test_folds_are_numbers_and_ranges(text: str, folds: tuple[int, ...]) -> None:
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["", "a", "4-1", "1-", "-1", "1,,2", "1.5", "1-2-3"])
def test_other_folds_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"such as 1-4 or 1,3-5; got"):
        parse_folds(text)


def test_nothing_asked_is_everything() -> None:
    assert rows() is None


def test_folds_and_splits() -> None:
    assert rows(folds="1-2") == [0, 1, 2, 3]
    assert rows(folds=[3, 1]) == [0, 1, 4, 5]
    assert rows(folds=2) == [2, 3]
    assert rows(split="test") == [1, 5]
    assert rows(split="test,train") == [0, 1, 2, 4, 5]
    assert rows(folds="2-3", split=["train"]) == [2, 4]


def test_limit_is_spread_over_the_table() -> None:
    assert rows(limit=3) == [0, 2, 4]
    assert rows(limit=100) == [0, 1, 2, 3, 4, 5]
    assert rows(limit=1, folds="3") == [4]


def test_limit_with_a_seed_is_drawn_and_repeatable() -> None:
    drawn = {tuple(rows(limit=3, seed=seed) or ()) for seed in range(20)}
    assert len(drawn) > 5
    assert all(list(one) == sorted(set(one)) for one in drawn)
    assert rows(limit=3, seed=7) == rows(limit=3, seed=7)


def test_unknown_fold_lists_the_folds() -> None:
    with pytest.raises(InputError, match=r"csv:t\.csv has no fold 4, 7; it has 1, 2, 3"):
        rows(folds="3-4,7")


def test_unknown_split_lists_the_splits() -> None:
    with pytest.raises(InputError, match=r"has no split valid; it has test, train"):
        rows(split="valid")


def test_no_folds_at_all() -> None:
    bare = TABLE.with_columns(fold=pl.lit(None, pl.Int64))
    with pytest.raises(InputError, match="has no folds: its fold column is empty"):
        chosen_rows(bare, folds="1", split=None, limit=None, seed=None, spec="folder:x")


def test_nothing_left() -> None:
    with pytest.raises(EmptyDataError, match=r"in folds 2 and split test at once \(6 clips in all\)"):
        rows(folds="2", split="test")


def test_limit_below_one() -> None:
    with pytest.raises(InputError, match="at least 1, got 0"):
        rows(limit=0)


def test_every_row_can_be_drawn() -> None:
    seen = np.unique(np.concatenate([rows(limit=2, seed=seed) for seed in range(60)]))
    assert seen.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match=r"a seed is a whole number of 0 or more, got -3"):
        rows(limit=2, seed=-3)
