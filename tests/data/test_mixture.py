"""Mixtures of real clips: what is known of them is what is heard."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.mixture import parts_of
from otoscope.data.mixture_source import MixtureSource, stretch_of
from otoscope.data.mixture_write import write_mixtures
from otoscope.errors import EmptyDataError, InputError

CLASSES = ("bee", "cat", "dog")
OPTIONS = {
    "n": 24,
    "sources": "1-3",
    "duration_s": 2.0,
    "max_part_s": 0.8,
    "cell_groups": 4,
    "sample_rate": 8000,
}


@pytest.fixture
def source(tmp_path: Path, tone) -> str:
    """Return a collection of 3 classes, 2 folds, 4 recordings a class and fold, with silence around each sound."""
    rows = ["path,label,fold,group,license"]
    for fold in (1, 2):
        for place, name in enumerate(CLASSES):
            for take in range(4):
                file = f"{name}{fold}{take}.wav"
                tone(
                    tmp_path / "s" / file,
                    seconds=0.5 + 0.2 * take,
                    hz=300.0 * (place + 1),
                    level=0.1 + 0.2 * take,
                )
                rows.append(f"{file},{name},{fold},{name[0]}{fold}{take},CC0")
    (tmp_path / "s" / "t.csv").write_text("\n".join(rows) + "\n")
    return f"csv:{tmp_path / 's' / 't.csv'}"


@pytest.fixture
def mixed(source: str) -> Clips:
    return open_data(f"mix:{source}", **OPTIONS)


def test_parts_are_where_and_as_loud_as_said(mixed: Clips) -> None:
    assert isinstance(mixed.source, MixtureSource) and mixed.events is not None
    for row in range(len(mixed)):
        record = mixed.record(row)
        stems, parts = mixed.source.parts(record), parts_of(record)
        waveform, rate = mixed.source.read(record)
        np.testing.assert_allclose(waveform[0], stems.sum(axis=0), atol=1e-6)
        assert waveform.shape == (1, 16000) and rate == 8000 and np.abs(waveform).max() <= 1.0 + 1e-6
        levels = []
        for stem, part in zip(stems, parts, strict=True):
            first, last = round(part["onset_s"] * rate), round(part["offset_s"] * rate)
            assert not stem[:first].any() and not stem[last + 1 :].any()
            assert stem[first : first + 40].any() and stem[last - 40 : last].any()
            levels.append(10 * np.log10(np.square(stem[first:last], dtype=float).mean()))
        gains = [part["gain_db"] for part in parts]
        np.testing.assert_allclose(np.array(levels) - levels[0], gains, atol=0.02)
        assert gains[0] == 0 and all(-6 <= one <= 6 for one in gains)
        events = mixed.events.filter(row=row).sort("part")
        assert events["label"].to_list() == [part["label"] for part in parts]
        assert sorted(events["label"]) == mixed.table["label"][row].to_list()


def test_no_recording_is_on_two_sides(mixed: Clips, source: str) -> None:
    clips = open_data(source)
    facts = {one["id"]: (one["group"], one["fold"]) for one in clips.table.iter_rows(named=True)}
    assert mixed.events is not None
    cells: dict[str, set[str]] = {}
    for row, used in mixed.events.select("row", "source").iter_rows():
        group, fold = facts[used]
        assert mixed.table["fold"][row] == fold
        cells.setdefault(group, set()).add(mixed.table["group"][row])
    assert all(len(one) == 1 for one in cells.values())
    assert mixed.group_declared and mixed.table["group"].n_unique() == 6
    assert set(mixed.table["n_parts"]) == {1, 2, 3}


def test_a_mixture_depends_on_seed_and_number_alone(mixed: Clips, source: str) -> None:
    fewer = open_data(f"mix:{source}", **{**OPTIONS, "n": 7})
    assert fewer.table["parts"].to_list() == mixed.table["parts"].to_list()[:7]
    other = open_data(f"mix:{source}", **OPTIONS, seed=1)
    assert other.table["parts"].to_list() != mixed.table["parts"].to_list()
    together = open_data(f"mix:{source}", **OPTIONS, onset="start")
    assert together.events is not None and set(together.events["onset_s"]) == {0.0}


def test_silence_around_a_sound_is_not_part_of_it() -> None:
    wave = np.zeros((2, 1000), np.float32)
    wave[:, 200:700] = 0.5
    wave[:, 900] = 0.0004
    assert stretch_of(wave, 1000) == (0.2, 0.5)
    assert stretch_of(np.zeros((1, 9), np.float32), 8) is None


def test_sources_that_cannot_be_used_are_replaced(source: str, tmp_path: Path, tone, caplog) -> None:
    (tmp_path / "s" / "cat10.wav").write_text("no sound")
    tone(tmp_path / "s" / "cat11.wav", level=0.0)
    made = open_data(f"mix:{source}", **OPTIONS)
    assert made.events is not None and len(made) == 24
    assert not {"cat10.wav", "cat11.wav"} & set(made.events["source"])
    assert "2 sources cannot be used and were left out" in caplog.text
    for one in (tmp_path / "s").glob("cat1*.wav"):
        one.unlink()
    with pytest.raises(EmptyDataError, match=r"fold 1, cell \d has sounds of 2 classes .* 3 are wanted"):
        open_data(f"mix:{source}", **{**OPTIONS, "sources": "3"})


def test_written_mixtures_are_read_back(mixed: Clips, source: str, tmp_path: Path) -> None:
    written = write_mixtures(mixed, tmp_path / "out", open_data(source))
    again = open_data(written.spec)
    assert again.events is not None and mixed.events is not None
    assert again.events.equals(mixed.events) and (written.n_clips, written.failures) == (24, ())
    assert again.table["group"].to_list() == mixed.table["group"].to_list()
    assert again.targets().tolist() == mixed.targets().tolist()
    for row in (0, 5):
        np.testing.assert_allclose(
            again.source.read(again.record(row))[0], mixed.source.read(mixed.record(row))[0], atol=2e-7
        )
    credits = pl.read_csv(tmp_path / "out" / "credits.csv")
    assert set(credits["id"]) == set(mixed.events["source"]) and set(credits["license"]) == {"CC0"}
    assert json.loads((tmp_path / "out" / "mixture.json").read_text())["n_events"] == written.n_events
    with pytest.raises(InputError, match="is not empty"):
        write_mixtures(mixed, tmp_path / "out")
    with pytest.raises(InputError, match="are no mixtures"):
        write_mixtures(open_data(source), tmp_path / "new")


def test_a_source_that_vanished_is_counted(mixed: Clips, tmp_path: Path) -> None:
    gone = parts_of(mixed.record(0))[0]["source"]
    (tmp_path / "s" / gone).unlink()
    written = write_mixtures(mixed, tmp_path / "out")
    with_it = [row for row in range(24) if gone in {one["source"] for one in parts_of(mixed.record(row))}]
    assert [one.row for one in written.failures] == with_it and written.n_clips == 24 - len(with_it)
    assert "there is no such file" in written.failures[0].reason


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"sources": "two"}, "sources is a number or a range such as 1-3, got 'two'"),
        ({"sources": "3-1"}, "sources cannot be 3-1"),
        ({"gains_db": "6"}, "gains_db is two numbers"),
        ({"gains_db": "6,-6"}, "gains_db cannot be"),
        ({"max_part_s": 9.0}, "max_part_s cannot be 9.0"),
        ({"onset": "late"}, "onset cannot be late"),
        ({"sources": "4"}, "have 3 classes, too few for 4 parts of distinct classes: raise cell_groups"),
    ],
)
def test_options_that_cannot_be(option: dict[str, object], message: str, source: str) -> None:
    with pytest.raises(InputError, match=message):
        open_data(f"mix:{source}", **{**OPTIONS, **option})


def test_labels_must_be_single(tmp_path: Path, source: str) -> None:
    spec = source.replace("?", "%3F") + "%3Fmulti=;"
    with pytest.raises(InputError, match=r"'label' of csv:.* gives a clip several"):
        open_data(f"mix:{spec}")


def test_on_the_command_line(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "mix", source, "--out", str(tmp_path / "m"), "--n", "6", "--duration-s", "2"]
    command += ["--max-part-s", "0.5", "--folds", "1", "--quiet"]
    assert call([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["n_clips"] == 3 and open_data(told["spec"]).table["fold"].to_list() == [1, 1, 1]


@pytest.mark.real
def test_real_mixtures(test_data: Path) -> None:
    made = open_data(f"mix:esc10:{test_data / 'esc10'}", n=12, sources="2-3")
    waveform, rate = made.source.read(made.record(0))
    assert waveform.shape == (1, 80000) and rate == 16000 and np.abs(waveform).max() > 0.01
    assert set(made.table["fold"]) <= {1, 2, 3, 4, 5} and made.label_set().kind == "multi"


def test_an_event_s_group_is_that_of_its_source(mixed: Clips, source: str) -> None:
    group = dict(open_data(source).table.select("id", "group").iter_rows())
    assert mixed.events is not None
    assert mixed.events["group"].to_list() == [group[one] for one in mixed.events["source"]]
    assert not set(mixed.events["group"]) & set(mixed.table["group"])


def test_parts_one_after_the_other(source: str) -> None:
    made = open_data(
        f"mix:{source}?n=12&sources=2-3&duration_s=2&max_part_s=0.6&onset=apart&sample_rate=8000"
    )
    assert made.events is not None
    for (_,), events in made.events.group_by("row"):
        onsets, offsets = events["onset_s"].to_numpy(), events["offset_s"].to_numpy()
        assert (onsets[1:] >= offsets[:-1] - 1e-6).all() and onsets[0] >= 0 and offsets[-1] <= 2 + 1e-6
        assert events["part"].to_list() == sorted(events["part"])
    with pytest.raises(EmptyDataError, match=r"fit into 0\.3 s one after the other; 3 are wanted"):
        open_data(f"mix:{source}?n=2&sources=3&duration_s=0.3&max_part_s=0.2&onset=apart&sample_rate=8000")
