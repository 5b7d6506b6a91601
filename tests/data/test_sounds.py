"""Synthetic sounds as data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from otoscope.audio.synthesis import KINDS, catalogue, render
from otoscope.data import open_data
from otoscope.data.sounds import spec_of
from otoscope.errors import InputError, UnknownNameError


def test_table() -> None:
    clips = open_data("sounds:48", seed=3)
    assert len(clips) == 48 and clips.group_declared and clips.spec == "sounds:48?seed=3"
    assert [one.name for one in clips.label_sets] == ["label", "kind"]
    assert clips.label_sets[1].classes == tuple(KINDS)
    assert clips.table["id"].n_unique() == 48 == clips.table["group"].n_unique()
    known = json.loads(clips.record(0)["params"])
    assert {"seed", "duration_s", "level_db"} < set(known) and known["duration_s"] == 2.0


def test_a_row_gives_the_catalogue_s_sound() -> None:
    clips = open_data("sounds:?n=30&seed=5&duration_s=0.5")
    specs = catalogue(30, 5, duration_s=0.5)
    for row in (0, 7, 29):
        assert spec_of(clips.record(row)) == specs[row]
        waveform, rate = clips.source.read(clips.record(row))
        assert rate == 16000 and np.array_equal(waveform, render(specs[row], 16000))


def test_equal_seeds_equal_sounds() -> None:
    hashes = {open_data(spec).content_hash() for spec in ("sounds:24", "sounds:?n=24", "sounds:24?seed=0")}
    others = {
        open_data(spec).content_hash()
        for spec in ("sounds:24?seed=1", "sounds:24?sample_rate=32000", "sounds:25")
    }
    assert len(hashes) == 1 and len(others) == 3 and not hashes & others


def test_folds_are_balanced_over_kinds() -> None:
    clips = open_data(f"sounds:{len(KINDS) * 5}")
    assert clips.table.group_by("kind", "fold").len()["len"].to_list() == [1] * (len(KINDS) * 5)
    assert len(clips.select(folds="1-4")) == len(KINDS) * 4


def test_kinds_and_events() -> None:
    clips = open_data("sounds:10?kinds=clicks,rain")
    assert clips.label_sets[1].classes == ("clicks", "rain")
    assert clips.events is not None and set(clips.events["label"]) == {"clicks"}
    assert clips.events["offset_s"].null_count() == clips.events.height > 5


@pytest.mark.parametrize(
    "spec", ["sounds:many", "sounds:-3", "sounds:4?sample_rate=8000", "sounds:4?seed=-1", "sounds:0"]
)
def test_numbers_that_cannot_be_used(spec: str) -> None:
    with pytest.raises(InputError):
        open_data(spec)


def test_unknown_kind() -> None:
    with pytest.raises(UnknownNameError, match=r"'rian'. Did you mean"):
        open_data("sounds:4?kinds=rian")
