"""Parts that share no group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips, LabelSet
from otoscope.data.source import FileSource
from otoscope.data.splits import split_by_group
from otoscope.data.table import assemble
from otoscope.errors import InputError


def made(groups: list[str], labels: list[str] | None = None) -> Clips:
    columns = {"path": [f"{i}.wav" for i in range(len(groups))], "group": groups}
    sets = []
    if labels is not None:
        columns["label"] = labels
        sets = [LabelSet("label", tuple(sorted(set(labels))))]
    return assemble(
        pl.DataFrame(columns),
        sets,
        FileSource(Path(".")),
        name="x",
        spec="x:y",
        expected="",
        group_declared=True,
    )


def check(clips: Clips, parts: dict[str, np.ndarray]) -> None:
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(clips)))
    groups = [set(clips.table["group"].to_numpy()[rows]) for rows in parts.values()]
    assert sum(map(len, groups)) == clips.table["group"].n_unique()  # no group in two parts
    assert all(len(rows) for rows in parts.values())


def test_by_hand() -> None:
    parts = split_by_group(made(["a", "a", "b", "b"]), {"train": 0.5, "valid": 0.5}, seed=0)
    assert sorted(map(tuple, parts.values())) == [(0, 1), (2, 3)]


@pytest.mark.parametrize("seed", range(5))
def test_shares_and_classes_are_met(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = [f"g{one}" for one in rng.integers(0, 80, 400)]
    of_group = {name: f"c{rng.integers(0, 4)}" for name in sorted(set(groups))}
    clips = made(groups, [of_group[one] for one in groups])
    parts = split_by_group(clips, {"train": 0.7, "valid": 0.1, "test": 0.2}, seed)
    check(clips, parts)
    counts = {name: np.bincount(clips.targets()[rows], minlength=4) for name, rows in parts.items()}
    total = sum(counts.values())
    for name, share in (("train", 0.7), ("valid", 0.1), ("test", 0.2)):
        assert abs(len(parts[name]) - 400 * share) <= 8
        assert (abs(counts[name] - total * share) <= 10).all()


def test_seeds() -> None:
    clips = made([f"g{i // 3}" for i in range(60)])
    same = [split_by_group(clips, {"a": 0.5, "b": 0.5}, 1)["a"].tolist() for _ in range(2)]
    assert same[0] == same[1] != split_by_group(clips, {"a": 0.5, "b": 0.5}, 2)["a"].tolist()


def test_no_part_is_left_empty() -> None:
    clips = made(["big"] * 50 + ["small"])
    check(clips, split_by_group(clips, {"train": 0.9, "valid": 0.1}, 0))
    one_each = made(["a", "b", "c"])
    check(one_each, split_by_group(one_each, {"x": 0.98, "y": 0.01, "z": 0.01}, 3))


def test_another_label_set_and_several_labels(tmp_path: Path) -> None:
    rows = "".join(f"{i}.wav,{'x;y' if i % 2 else 'y'},{i % 4}\n" for i in range(40))
    (tmp_path / "t.csv").write_text("path,tags,kind\n" + rows)
    clips = open_data(f"csv:{tmp_path / 't.csv'}", labels="tags,kind", multi=";")
    parts = split_by_group(clips, {"a": 0.5, "b": 0.5}, 0, stratify="kind")
    check(clips, parts)
    assert np.array_equal(clips.targets("kind")[parts["a"]].sum(0), [5, 5, 5, 5])


def test_too_few_groups() -> None:
    with pytest.raises(InputError, match=r"x:y has 1 group\(s\), too few for the 2 parts train, valid"):
        split_by_group(made(["a", "a"]), {"train": 0.5, "valid": 0.5}, 0)


@pytest.mark.parametrize("fractions", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 0.5, "b": 0.6}])
def test_shares_that_do_not_add_up(fractions: dict[str, float]) -> None:
    with pytest.raises(InputError, match="positive and add up to 1"):
        split_by_group(made(["a", "b"]), fractions, 0)


@pytest.mark.real
def test_real_esc10(test_data: Path) -> None:
    clips = open_data(f"esc50:{test_data / 'esc10'}").select(folds="1-4")
    parts = split_by_group(clips, {"train": 0.875, "valid": 0.125}, 0)
    check(clips, parts)
    assert abs(len(parts["valid"]) - 40) <= 3
    assert (np.bincount(clips.targets()[parts["valid"]], minlength=10) >= 2).all()


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match=r"a seed is a whole number of 0 or more, got -1"):
        split_by_group(made(["a", "b"]), {"train": 0.5, "valid": 0.5}, seed=-1)
