from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from otoscope.store.hashing import hash8, sha256_json, sha256_json_table

ROWS = [['ä/"b".wav', -1, None, 0.5, ["x", "y"]], ["", 2**53, 0.25, None, []], ["🔔", 0, None, None, None]]


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []])
@pytest.mark.parametrize("head", [[], ["label"], {"b": 1, "a": [2]}])
def test_a_table_row_by_row_has_the_hash_of_the_whole(head: Any, rows: list[list[Any]]) -> None:
    taken = []

    def one_by_one() -> Iterator[list[Any]]:
        for row in rows:
            taken.append(row)
            yield row

    assert sha256_json_table(head, one_by_one()) == sha256_json([head, rows])
    assert taken == rows


def test_a_hash_is_of_the_canonical_text() -> None:
    assert sha256_json({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()
    assert hash8([1]) == sha256_json([1])[:8]


def test_nan_has_no_hash() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        sha256_json_table([], [[float("nan")]])
