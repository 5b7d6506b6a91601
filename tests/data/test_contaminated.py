"""Clips with others under them, as in SpeechBrain's mixtures: which, how loud, and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.errors import AudioFileError, EmptyDataError, InputError

INSIDE = "sounds:%3Fn=30%26kinds=rain,siren,pure_tone%26duration_s=0.3"


@pytest.fixture(scope="module")
def clips() -> Clips:
    return open_data(f"contaminated:{INSIDE}")


@pytest.fixture(scope="module")
def inside() -> Clips:
    return open_data("sounds:?n=30&kinds=rain,siren,pure_tone&duration_s=0.3")


def test_two_samples_of_every_clip_of_fold_4_each_with_one_of_fold_5(clips: Clips, inside: Clips) -> None:
    folds = dict(inside.table.select("id", "fold").iter_rows())
    above = [one.rpartition("+")[0] for one in clips.table["id"]]
    assert sorted(set(above)) == sorted(one for one, fold in folds.items() if fold == 4)
    assert all(above.count(one) == 2 for one in above)
    assert {folds[one] for one in clips.table["added"]} == {5}
    assert clips.table.group_by("group").agg(pl.col("added").n_unique())["added"].to_list() == [2] * 6
    labels = dict(inside.table.select("id", inside.label_set().name).iter_rows())
    assert clips.table[clips.label_set().name].to_list() == [labels[one] for one in above]


def test_the_snr_is_the_published_one_and_the_parts_add_up(clips: Clips, inside: Clips) -> None:
    record = clips.record(3)
    upper, lower = clips.source.parts(record)
    ratio = 10 * np.log10(np.square(upper, dtype=float).sum() / np.square(lower, dtype=float).sum())
    assert ratio == pytest.approx(20 * np.log10(0.8 / 0.2), abs=0.01)
    waveform, rate = clips.source.read(record)
    assert rate == 16000 and waveform[0] == pytest.approx(upper + lower, abs=1e-6)
    row = inside.table.filter(id=record["id"].rpartition("+")[0])["row"][0]
    assert upper == pytest.approx(inside.source.read(inside.record(row))[0][0], abs=1e-6)  # at its own level


def test_what_is_drawn_hangs_on_the_clip_and_the_seed_alone(clips: Clips) -> None:
    again, other = (open_data(f"contaminated:{INSIDE}?seed={seed}") for seed in (0, 1))
    assert again.table.equals(clips.table) and not other.table["added"].equals(clips.table["added"])
    fewer = open_data(f"contaminated:{INSIDE}?per_clip=1")
    assert fewer.table["added"].to_list() == clips.table["added"].to_list()[::2]


def test_of_another_class_where_that_is_asked_for() -> None:
    strict = open_data(f"contaminated:{INSIDE}?other_class=true&per_clip=2")
    for one in strict.table["parts"]:
        above, below = json.loads(one)
        assert above["label"] != below["label"]


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"folds 4-5 and 5 share 6 clips\. Expected: contaminated:DATA"):
        open_data(f"contaminated:{INSIDE}?folds=4-5")
    with pytest.raises(InputError, match="per_clip=0"):
        open_data(f"contaminated:{INSIDE}?per_clip=0")
    with pytest.raises(EmptyDataError, match=r"6 clips can be drawn .* 7 are wanted: lower per_clip"):
        open_data(f"contaminated:{INSIDE}?per_clip=7")
    mixed = "mix:sounds:40%3Fn=10%26sources=2%26duration_s=1%26max_part_s=0.4"
    with pytest.raises(InputError, match=r"each clip has one label, but .* gives it several"):
        open_data(f"contaminated:{mixed}")


def test_silence_is_a_failure_of_the_sample(tmp_path: Path, tone) -> None:
    rows = ["path,label,fold"]
    for name, fold, level in (("a", 4, 0.5), ("b", 5, 0.0)):
        tone(tmp_path / f"{name}.wav", level=level)
        rows.append(f"{name}.wav,{name},{fold}")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    found = open_data(f"contaminated:csv:{tmp_path / 'clips.csv'}?per_clip=1")
    with pytest.raises(AudioFileError, match=r"a.wav\+0: .*digital silence"):
        found.source.read(found.record(0))
