"""Datasets of the Hugging Face library, made and saved here by its own functions."""

from __future__ import annotations

import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from otoscope.data import open_data, reopen
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.data.hub_source import HubSource
from otoscope.errors import AudioFileError, DataLayoutError, InputError, MissingExtraError, UnknownNameError

HZ = (300, 400, 500, 600, 700, 800)


@pytest.fixture(scope="module")
def datasets() -> Any:
    return pytest.importorskip("datasets", reason="the extra 'hub' is not installed")


def content(hz: float, rate: int = 8000, suffix: str = "WAV") -> bytes:
    whole = io.BytesIO()
    soundfile.write(whole, 0.5 * np.sin(2 * np.pi * hz * np.arange(rate // 2) / rate), rate, format=suffix)
    return whole.getvalue()


def columns() -> dict[str, list[Any]]:
    return {
        "audio": [{"bytes": content(hz), "path": f"some/where/{hz}.wav"} for hz in HZ],
        "tags": [[0], [], [1, 0], [1], [], [0]],
        "label": [0, 1, 0, 1, 0, -1],
        "title": ["a", "b", "c", "d", "<b>e</b>", "f"],
        "speaker": ["x", "x", "y", "y", "z", None],
        "path": ["p"] * 6,
    }


@pytest.fixture
def made(datasets: Any) -> Any:
    """Return a dataset with sounds, a label, tags, and columns of texts."""
    found = datasets.Dataset.from_dict(columns())
    found = found.cast_column("audio", datasets.Audio(decode=False))
    found = found.cast_column("label", datasets.ClassLabel(names=["cat", "dog"]))
    return found.cast_column("tags", datasets.Sequence(datasets.ClassLabel(names=["near", "far"])))


@pytest.fixture
def saved(made: Any, datasets: Any, tmp_path: Path) -> Path:
    """Return the folder of a dataset with the splits train (4) and test (2), saved by the library."""
    parts = datasets.DatasetDict(train=made.select(range(4)), test=made.select([4, 5]))
    parts.save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


def heard(clips: Clips, workers: int = 0) -> list[float]:
    """Return the strongest frequency of each clip, in hertz."""
    found = {}
    for batch in batches(clips, Decoding(8000), workers=workers, batch_size=2):
        assert not batch.failures
        for row, wave in zip(batch.rows, batch.waveforms, strict=True):
            found[int(row)] = float(np.argmax(np.abs(np.fft.rfft(wave[0]))) * 8000 / wave.shape[1])
    return [found[row] for row in range(len(clips))]


def test_splits_labels_and_sound(saved: Path) -> None:
    clips = open_data(f"hub:{saved}")
    assert len(clips) == 6 and clips.name == "hub" and not clips.group_declared
    assert clips.table["split"].to_list() == ["train"] * 4 + ["test"] * 2
    assert clips.table["id"].to_list()[::4] == ["train/300.wav", "test/700.wav"]
    assert [(one.name, one.classes, one.kind) for one in clips.label_sets] == [
        ("label", ("cat", "dog"), "single"),
        ("tags", ("near", "far"), "multi"),
    ]
    assert clips.table["label"].to_list() == ["cat", "dog", "cat", "dog", "cat", None]
    assert clips.targets().tolist() == [0, 1, 0, 1, 0, -1]
    assert clips.targets("tags").tolist()[1:3] == [[False, False], [True, True]]
    assert clips.table["title"][4] == "<b>e</b>" and clips.table["path_given"].to_list() == ["p"] * 6
    assert heard(clips) == list(HZ)


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_hear_the_same(saved: Path, workers: int) -> None:
    assert heard(open_data(f"hub:{saved}"), workers) == list(HZ)


def test_one_split(saved: Path) -> None:
    clips = open_data(f"hub:{saved}:test")
    assert clips.table["id"].to_list() == ["test/700.wav", "test/800.wav"] and heard(clips) == [700, 800]
    whole = open_data(f"hub:{saved}").select(split="test")
    assert whole.content_hash() == clips.content_hash()
    with pytest.raises(UnknownNameError, match=r"unknown split of hub:.*saved 'tset'. Did you mean 'test'"):
        open_data(f"hub:{saved}:tset")


def test_a_dataset_without_splits(made: Any, tmp_path: Path) -> None:
    made.save_to_disk(str(tmp_path / "one"))
    clips = open_data(f"hub:{tmp_path / 'one'}")
    assert clips.table["split"].unique().to_list() == ["all"] and heard(clips) == list(HZ)
    assert len(open_data(f"hub:{tmp_path / 'one'}:all")) == 6
    with pytest.raises(UnknownNameError, match=r"unknown split of hub:.*one 'train'. Known: all"):
        open_data(f"hub:{tmp_path / 'one'}:train")


def test_parquet_files_as_on_the_hub(made: Any, tmp_path: Path, monkeypatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "birds" / "data").mkdir(parents=True)
    for name, rows in (("train", [0, 1, 2]), ("test", [3, 4, 5])):
        made.select(rows).to_parquet(str(tmp_path / "birds" / "data" / f"{name}-00000-of-00001.parquet"))
    clips = open_data(f"hub:{tmp_path / 'birds'}")
    assert sorted(clips.table["split"].unique()) == ["test", "train"] and clips.label_sets[0].name == "label"
    assert heard(open_data(f"hub:{tmp_path / 'birds'}:train")) == list(HZ[:3])


def test_nothing_is_decoded_before_it_is_wanted(saved: Path, monkeypatch) -> None:
    import otoscope.audio.read

    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(otoscope.audio.read, "read_bytes", refuse)
    clips = open_data(f"hub:{saved}")
    assert len(clips.content_hash()) == 64 and clips.source.size(clips.record(0)) == len(content(300))
    with pytest.raises(AssertionError, match="decoded"):
        clips.source.read(clips.record(0))


def test_groups_ids_and_labels_of_choice(saved: Path) -> None:
    clips = open_data(f"hub:{saved}?group=speaker&ids=title&labels=speaker,label")
    assert clips.group_declared and clips.table["group"].to_list() == ["x", "x", "y", "y", "z", "test/f"]
    assert clips.table["id"].to_list()[0] == "train/a"
    assert [one.name for one in clips.label_sets] == ["speaker", "label"]
    assert clips.label_set().classes == ("x", "y", "z")
    for option, message in (
        ("group=speakers", r"unknown column of hub:.* 'speakers'. Did you mean 'speaker'"),
        ("ids=titel", r"unknown column for the ids 'titel'. Did you mean 'title'"),
        ("labels=lable", r"unknown label column of hub:.* 'lable'. Did you mean 'label'"),
        ("audio=sound", r"unknown column of hub:.* 'sound'. Did you mean 'audio'"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            open_data(f"hub:{saved}?{option}")
    with pytest.raises(InputError, match=r"labels are columns other than .* got 'split'"):
        open_data(f"hub:{saved}?labels=split")


@pytest.mark.parametrize("kind", ["path", "bytes"])
def test_plain_columns_of_paths_or_bytes(datasets: Any, tmp_path: Path, kind: str) -> None:
    names = [f"{hz}.wav" for hz in HZ[:3]]
    for name, hz in zip(names, HZ, strict=False):
        (tmp_path / name).write_bytes(content(hz))
    cells = [str(tmp_path / one) for one in names] if kind == "path" else [content(hz) for hz in HZ[:3]]
    folder = tmp_path / "plain"
    datasets.Dataset.from_dict({kind: cells, "label": [7, 9, 10], "fold": [1, 2, 1]}).save_to_disk(
        str(folder)
    )
    clips = open_data(f"hub:{folder}")
    assert heard(clips) == list(HZ[:3])
    assert clips.table["id"][0] == ("all/300.wav" if kind == "path" else "all/000000")
    assert clips.label_set().classes == ("7", "9", "10") and clips.table["fold"].to_list() == [1, 2, 1]
    assert clips.table["hub_bytes"][0] == (-1 if kind == "path" else len(content(300)))


def test_file_names_that_stand_twice_give_way_to_row_numbers(datasets: Any, tmp_path: Path) -> None:
    cells = [{"bytes": content(hz), "path": f"{hz}/a.wav"} for hz in HZ[:2]]
    datasets.Dataset.from_dict({"audio": cells}).save_to_disk(str(tmp_path / "twice"))
    clips = open_data(f"hub:{tmp_path / 'twice'}")
    assert clips.table["id"].to_list() == ["all/000000", "all/000001"] and clips.label_sets == ()


def test_formats_and_damage(datasets: Any, tmp_path: Path) -> None:
    good = [content(300, suffix=one) for one in ("FLAC", "OGG", "MP3")]
    bad = [b"", b"text, no sound", content(300)[:2000], None]
    cells = [{"bytes": one, "path": None} for one in [*good, *bad]]
    cells.append({"bytes": None, "path": str(tmp_path / "gone.wav")})
    datasets.Dataset.from_dict({"audio": cells}).save_to_disk(str(tmp_path / "mixed"))
    clips = open_data(f"hub:{tmp_path / 'mixed'}")
    failures = {one.row: one.reason for batch in batches(clips, Decoding(8000)) for one in batch.failures}
    assert sorted(failures) == [3, 4, 5, 6, 7]
    reasons = ("empty (0 bytes)", "not a sound file", "truncated", "column 'audio' is empty", "no such file")
    for row, reason in enumerate(reasons, 3):
        assert reason in failures[row]
    assert f"hub:{tmp_path / 'mixed'}:all row 3" in failures[3]


def test_the_licence_is_kept_for_attribution(made: Any, tmp_path: Path) -> None:
    made.info.license = "CC0-1.0"
    made.save_to_disk(str(tmp_path / "free"))
    assert open_data(f"hub:{tmp_path / 'free'}").table["license"].to_list() == ["CC0-1.0"] * 6


def test_a_run_opens_the_same_sounds_again(saved: Path, tmp_path: Path) -> None:
    clips = open_data(f"hub:{saved}:train")
    (tmp_path / "run").mkdir()
    kept = json.loads(json.dumps(reopen.describe(clips, tmp_path / "run")))["source"]
    assert kept == {
        "kind": "hub", "name": {"path": "../saved"}, "audio": "audio", "config": "", "revision": "", "split": "train",
    }  # fmt: skip
    again = HubSource(saved, "audio", split="train")
    assert again == clips.source
    np.testing.assert_array_equal(again.read(clips.record(1))[0], clips.source.read(clips.record(1))[0])
    travelled = pickle.loads(pickle.dumps(clips.source))  # noqa: S301  (how worker processes may get it)
    assert travelled.read(clips.record(1))[1] == 8000


def test_no_sounds_and_no_dataset(datasets: Any, tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a"], "n": [1]}).save_to_disk(str(tmp_path / "texts"))
    with pytest.raises(
        DataLayoutError, match=r"no column of type Audio .* Found: text, n. Say which .* \?audio="
    ):
        open_data(f"hub:{tmp_path / 'texts'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataLayoutError, match=r"hub:.*empty cannot be opened: .* \?config=NAME"):
        open_data(f"hub:{tmp_path / 'empty'}")
    with pytest.raises(InputError, match=r"expected hub:NAME or hub:NAME:SPLIT.* got 'hub:'"):
        open_data("hub:")


def test_without_the_library(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"datasets is not installed.*otoscope\[hub\]"):
        open_data(f"hub:{tmp_path}")


def test_no_sound_in_a_row_is_an_error_of_that_row(datasets: Any, tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"audio": ["a.wav", None]}).save_to_disk(str(tmp_path / "names"))
    clips = open_data(f"hub:{tmp_path / 'names'}")
    with pytest.raises(AudioFileError, match="row 1: column 'audio' is empty"):
        clips.source.read(clips.record(1))
    with pytest.raises(AudioFileError, match=r"a.wav: there is no such file"):
        clips.source.read(clips.record(0))
