"""UrbanSound8K."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.data.decode import Decoding, batches
from otoscope.data.splits import split_by_group
from otoscope.errors import DataLayoutError

from .conftest import URBAN_SOUNDS


def test_layout(urban_root: Path) -> None:
    clips = open_data(f"urbansound8k:{urban_root}")
    assert len(clips) == 8 and clips.name == "urbansound8k" and clips.group_declared
    assert clips.label_set().name == "class"
    assert clips.label_set().classes == ("air_conditioner", "dog_bark", "street_music")  # by classID
    assert clips.targets().tolist() == [1, 1, 0, 1, 2, 2, 0, 0]
    assert clips.label_set("salience").classes == ("foreground", "background")
    assert clips.targets("salience").tolist() == [0, 1, 0, 0, 1, 0, 1, 0]
    assert clips.table["fold"].to_list() == [1, 1, 1, 2, 2, 10, 10, 10]
    assert clips.record(3) | {
        "id": "audio/fold2/344-3-5-0.wav",
        "group": "344",
        "classID": 3,
        "source": "https://freesound.org/s/344/",
        "license": "CC BY-NC 3.0",
        "author": None,
    } == clips.record(3)


def test_slices_of_one_recording_are_one_group(urban_root: Path) -> None:
    clips = open_data(f"urbansound8k:{urban_root}")
    assert clips.table["group"].n_unique() == 7
    for seed in range(5):
        parts = split_by_group(clips, {"a": 0.5, "b": 0.5}, seed)
        assert {0, 1} <= set(parts["a"].tolist()) or {0, 1} <= set(parts["b"].tolist())


def test_start_and_end_are_those_of_the_recording_and_cut_nothing(urban_root: Path) -> None:
    clips = open_data(f"urbansound8k:{urban_root}")
    assert clips.table["start_s"].null_count() == len(clips)
    assert clips.table.select("recording_start_s", "recording_end_s").unique().rows() == [(12.5, 16.5)]
    assert clips.source.read(clips.record(0))[0].shape == (2, 22050)


def test_mixed_rates_formats_and_channels_become_one_shape(urban_root: Path) -> None:
    clips = open_data(f"urbansound8k:{urban_root}")
    decoded = list(batches(clips, Decoding(16000)))
    assert not [one for batch in decoded for one in batch.failures]
    sounds = {row: wave for batch in decoded for row, wave in zip(batch.rows, batch.waveforms, strict=True)}
    assert sorted(sounds) == list(range(8))
    rates = {row: rate for batch in decoded for row, rate in zip(batch.rows, batch.source_rates, strict=True)}
    assert [rates[row] for row in range(8)] == [one[1] for one in URBAN_SOUNDS]
    time_s = np.arange(8000) / 16000
    expected = 0.5 * np.sin(2 * np.pi * 440 * time_s)
    for row, wave in sounds.items():
        worst = 0.2 if "ADPCM" in URBAN_SOUNDS[row][3] else 0.02
        assert wave.shape[0] == 1 and abs(wave.shape[1] - 8000) <= 800, URBAN_SOUNDS[
            row
        ]  # ADPCM comes in whole blocks
        assert np.abs(wave[0, 200:7800] - expected[200:7800]).max() < worst, URBAN_SOUNDS[row]


def test_the_folder_above_and_other_formats(urban_root: Path, tone) -> None:
    first = urban_root / "audio" / "fold1" / "7-3-0-0.wav"
    tone(first.with_suffix(".flac"))
    first.unlink()
    clips = open_data(f"urbansound8k:{urban_root.parent}")
    assert clips.record(0)["id"] == "audio/fold1/7-3-0-0.flac"
    assert clips.content_hash() == open_data(f"urbansound8k:{urban_root}").content_hash()


def test_authors_out_of_the_published_credits(urban_root: Path) -> None:
    text = "This dataset uses sounds:\n\n[soundid] by [username]\n\n344 by Anton B.\n7 by <b>oyez</b>\n999 by x\n"
    (urban_root / "FREESOUNDCREDITS.txt").write_text(text)
    clips = open_data(f"urbansound8k:{urban_root}")
    assert clips.table["author"].to_list()[:4] == ["<b>oyez</b>", "<b>oyez</b>", None, "Anton B."]
    assert len(clips) == 8 and clips.table["id"].n_unique() == 8


def test_a_listed_sound_that_is_not_there_is_a_failure(urban_root: Path) -> None:
    (urban_root / "audio" / "fold1" / "12-0-0-3.wav").unlink()
    clips = open_data(f"urbansound8k:{urban_root}")
    failures = [one for batch in batches(clips, Decoding(16000)) for one in batch.failures]
    assert len(clips) == 8 and [one.row for one in failures] == [2]
    assert "12-0-0-3.wav: there is no such file" in failures[0].reason


def test_wrong_layouts(urban_root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataLayoutError, match=r"there is no folder .*nowhere. Expected: metadata/UrbanSound8K.csv"
    ):
        open_data(f"urbansound8k:{tmp_path / 'nowhere'}")
    with pytest.raises(
        DataLayoutError, match=r"not laid out as UrbanSound8K. Expected: .* Found: fold1, fold10"
    ):
        open_data(f"urbansound8k:{urban_root / 'audio'}")
    with pytest.raises(Exception, match=r"Did you mean urbansound8k:"):
        open_data(str(urban_root))
    for place in (urban_root / "audio").iterdir():
        place.rename(place.with_name("part" + place.name))
    with pytest.raises(
        DataLayoutError, match=r"none of the 8 sounds .* such as 'audio/fold1/7-3-0-0.wav'; found 0"
    ):
        open_data(f"urbansound8k:{urban_root}")


def test_wrong_tables(urban_root: Path) -> None:
    table = urban_root / "metadata" / "UrbanSound8K.csv"
    text = table.read_text()
    table.write_text(text.replace("344,12.5,16.5", ",12.5,16.5"))
    with pytest.raises(
        DataLayoutError, match="line 5: file name, fsID, fold, classID and class must be filled"
    ):
        open_data(f"urbansound8k:{urban_root}")
    table.write_text(text.replace("salience,fold", "salience,part"))
    with pytest.raises(DataLayoutError, match=r"has no column 'fold'. Expected: slice_file_name, fsID"):
        open_data(f"urbansound8k:{urban_root}")
    table.write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(DataLayoutError, match="names the same clip twice"):
        open_data(f"urbansound8k:{urban_root}")


def test_unknown_salience_is_no_label(urban_root: Path) -> None:
    table = urban_root / "metadata" / "UrbanSound8K.csv"
    table.write_text(table.read_text().replace("16.5,2,", "16.5,3,"))
    clips = open_data(f"urbansound8k:{urban_root}")
    assert clips.targets("salience").tolist() == [0, -1, 0, 0, -1, 0, -1, 0]
    assert clips.table.schema["salience"] == pl.String
