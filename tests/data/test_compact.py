from __future__ import annotations

import datetime

import polars as pl
import pytest

from otoscope.data.compact import Nothing, Numbers, Texts, compact


@pytest.mark.parametrize(
    "values",
    [
        ["rain", "", "Glocke-ä\u0301", "日本", "a" * 300],
        [None, "rain", None],
        [None, None],
        [3, 1, -(2**62)],
        [0.5, float("inf")],
        [0.5, None],
        [True, False],
        [["a", "b"], []],
        [datetime.date(2020, 1, 2), None],
        ["\ud7ff", "\U0001f514"],
    ],
)
def test_values_come_back_as_from_a_list(values: list[object]) -> None:
    column = compact(pl.Series(values, strict=False))
    back = [column[place] for place in range(len(values))]
    assert back == values
    assert [type(one) for one in back] == [type(one) for one in values]


def test_the_small_forms_are_used() -> None:
    assert isinstance(compact(pl.Series(["a", None])), Texts)
    assert isinstance(compact(pl.Series([1, 2])), Numbers)
    assert isinstance(compact(pl.Series([None, None])), Nothing)


def test_a_column_holds_no_more_than_its_letters_and_an_end_each() -> None:
    column = compact(pl.Series([f"sounds/clip-{n:05d}.flac" for n in range(1000)]))
    assert isinstance(column, Texts)
    assert len(column.letters) + column.ends.nbytes == 1000 * (22 + 8)
