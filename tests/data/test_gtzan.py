"""GTZAN."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import soundfile

from otoscope.data import open_data
from otoscope.data.decode import Decoding, batches
from otoscope.data.gtzan import GENRES
from otoscope.data.gtzan_faults import PARTS, fault_filtered
from otoscope.errors import DataLayoutError, EmptyDataError, InputError


def test_the_published_split() -> None:
    parts = fault_filtered()
    assert Counter(parts.values()) == {"train": 443, "valid": 197, "test": 290}
    listed = sum(len(ranges.split()) > 0 for genres in PARTS.values() for ranges in genres.values())
    assert listed == 30 and set(PARTS["train"]) == set(GENRES)
    assert {name.partition(".")[0] for name in parts} == set(GENRES)
    # corners of the published lists, by their own numbers (100 g + n + 1)
    by_number = {100 * GENRES.index(one[:-6]) + int(one[-5:]) + 1: part for one, part in parts.items()}
    assert [by_number.get(one) for one in (1, 12, 13, 29, 30, 50, 51, 99, 1000)] == [
        "valid", "valid", "test", "test", "train", "train", "valid", "test", "train",
    ]  # fmt: skip
    assert [by_number.get(one) for one in (143, 209, 253, 339, 605, 1001)] == [None] * 6


def test_layout(gtzan_root: Path) -> None:
    clips = open_data(f"gtzan:{gtzan_root}")
    assert len(clips) == 8 and clips.name == "gtzan" and not clips.group_declared
    assert clips.label_set().name == "genre" and clips.label_set().classes == ("blues", "rock")
    assert clips.table["id"].to_list()[:2] == ["blues/blues.00000.wav", "blues/blues.00012.wav"]
    assert clips.targets().tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert clips.table["split"].to_list() == [
        "valid",
        "test",
        "test",
        "train",
        "train",
        "train",
        "valid",
        "test",
    ]
    assert clips.content_hash() == open_data(f"gtzan:{gtzan_root / 'genres'}").content_hash()
    assert clips.source.read(clips.record(0))[1] == 22050


def test_faulty_excerpts_have_no_split_and_go_by_the_protocol(gtzan_root: Path, tone) -> None:
    tone(gtzan_root / "genres" / "classical" / "classical.00042.wav")
    clips = open_data(f"gtzan:{gtzan_root}")
    faulty = clips.table.filter(clips.table["split"].is_null())["id"].to_list()
    assert len(clips) == 9 and faulty == ["classical/classical.00042.wav"]
    kept = open_data(f"gtzan:{gtzan_root}?protocol=fault-filtered")
    assert len(kept) == 8 and kept.label_set().classes == ("blues", "rock")
    assert kept.spec == f"gtzan:{gtzan_root}?protocol=fault-filtered"
    assert len(clips.select(split="train,valid,test")) == 8
    with pytest.raises(InputError, match="protocol is fault-filtered or nothing, got 'filtered'"):
        open_data(f"gtzan:{gtzan_root}", protocol="filtered")


def test_nothing_left_of_the_protocol(tmp_path: Path, tone) -> None:
    tone(tmp_path / "classical" / "classical.00042.wav")
    with pytest.raises(EmptyDataError, match="holds no excerpt of the fault-filtered split"):
        open_data(f"gtzan:{tmp_path}?protocol=fault-filtered")


def test_au_files_of_the_original_archive_and_wav_first(gtzan_root: Path) -> None:
    for wav in list((gtzan_root / "genres" / "blues").iterdir()):
        samples, rate = soundfile.read(wav)
        soundfile.write(wav.with_suffix(".au"), samples, rate)
        if wav.name != "blues.00029.wav":
            wav.unlink()
    clips = open_data(f"gtzan:{gtzan_root}")
    assert len(clips) == 8
    assert [one for one in clips.table["id"] if one.startswith("blues")] == [
        "blues/blues.00000.au",
        "blues/blues.00012.au",
        "blues/blues.00013.au",
        "blues/blues.00029.wav",
    ]
    assert clips.record(0)["split"] == "valid" and clips.source.read(clips.record(0))[0].shape == (1, 11025)


def test_the_damaged_excerpt_of_a_common_copy_is_a_failure(gtzan_root: Path) -> None:
    (gtzan_root / "genres" / "jazz").mkdir()
    (gtzan_root / "genres" / "jazz" / "jazz.00054.wav").write_bytes(bytes(5000))
    clips = open_data(f"gtzan:{gtzan_root}")
    failures = [one for batch in batches(clips, Decoding(16000)) for one in batch.failures]
    assert [one.id for one in failures] == ["jazz/jazz.00054.wav"] and "not a sound file" in failures[
        0
    ].reason


def test_artists_are_the_groups(gtzan_root: Path) -> None:
    file = gtzan_root / "artists.csv"
    file.write_text(
        "file,artist\nblues.00000,B. B. King\nblues/blues.00012.wav,B. B. King\nrock.00000.au,Queen\nrock.00099,X\n"
        "rock.00017,\n"
    )
    clips = open_data(f"gtzan:{gtzan_root}?artists={file}")
    assert clips.group_declared
    groups = dict(zip(clips.table["id"], clips.table["group"], strict=True))
    assert groups["blues/blues.00000.wav"] == groups["blues/blues.00012.wav"] == "B. B. King"
    assert groups["rock/rock.00000.wav"] == "Queen" and groups["rock/rock.00017.wav"] == "rock/rock.00017.wav"
    assert clips.table["artist"].null_count() == 5


def test_artists_that_cannot_be_used(gtzan_root: Path) -> None:
    file = gtzan_root / "artists.csv"
    file.write_text("file,artist\nblues.00000,A\nblues/blues.00000.wav,B\n")
    with pytest.raises(DataLayoutError, match="every row names one excerpt, and none is named twice"):
        open_data(f"gtzan:{gtzan_root}?artists={file}")
    file.write_text("file,artist\nx,A\n")
    with pytest.raises(DataLayoutError, match=r"names no artist .* such as 'blues.00000'; found \['x'\]"):
        open_data(f"gtzan:{gtzan_root}?artists={file}")
    file.write_text("track,artist\nx,A\n")
    with pytest.raises(DataLayoutError, match="has no column 'file'"):
        open_data(f"gtzan:{gtzan_root}?artists={file}")


def test_wrong_layouts(gtzan_root: Path, tmp_path: Path, tone) -> None:
    with pytest.raises(DataLayoutError, match=r"there is no folder .*nowhere. Expected: folders blues"):
        open_data(f"gtzan:{tmp_path / 'nowhere'}")
    (tmp_path / "other").mkdir()
    with pytest.raises(DataLayoutError, match=r"not laid out as GTZAN. Expected: .* Found: nothing"):
        open_data(f"gtzan:{tmp_path / 'other'}")
    with pytest.raises(InputError, match=r"Did you mean gtzan:"):
        open_data(str(gtzan_root))
    tone(gtzan_root / "genres" / "blues" / "rock.00001.wav")
    with pytest.raises(DataLayoutError, match=r"1 of 5 sounds in .*blues are not named blues.NNNNN.wav"):
        open_data(f"gtzan:{gtzan_root}")
