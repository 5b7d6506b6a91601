"""ESC-50 and ESC-10."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from otoscope.data import open_data
from otoscope.data.esc50_credits import _from_licence
from otoscope.errors import DataLayoutError, EmptyDataError, InputError

ESC10 = {0, 1, 10, 11, 12, 20, 21, 38, 40, 41}
LICENCE = r"""## Licensing/attribution details for individual clips:

101 - Dog:
- [1-110040-A.ogg]: clip derived from My Dog (outside).wav (http://freesound.org/people/a%20b/110/) by a b [CC-BY]
- [1-120040-A.ogg]:  clip derived from Sikala sy\xf6v\xe4t. (http://freesound.org/Y/9/) by Y [CC-Sampling+]
- [1-120040-B.ogg]: clip derived from Hyena / A hyena (far).wav (http://freesound.org/Z/9/) by Z [CC0]
- [broken line
"""


def test_layout(esc_root: Path) -> None:
    clips = open_data(f"esc50:{esc_root}")
    assert len(clips) == 8 and clips.name == "esc50" and clips.group_declared
    assert clips.label_sets[0].name == "category"
    assert clips.label_sets[0].classes == (
        "cow",
        "helicopter",
    )  # by target 3, 40: not by first row, not contiguous
    first = clips.record(0)
    assert first["id"] == first["path"] == "audio/1-110040-A-40.wav"
    assert (
        first["group"] == "110040" and first["fold"] == 1 and first["target"] == 40 and first["take"] == "A"
    )
    assert clips.targets().tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    waveform, rate = clips.source.read(first)
    assert waveform.shape == (1, 4000) and rate == 8000


def test_the_folder_above_works_too(esc_root: Path) -> None:
    assert (
        open_data(f"esc50:{esc_root.parent}").content_hash() == open_data(f"esc50:{esc_root}").content_hash()
    )


def test_esc10_is_a_subset(esc_root: Path) -> None:
    clips = open_data(f"esc10:{esc_root}")
    assert len(clips) == 4 and clips.label_sets[0].classes == ("helicopter",) and clips.name == "esc10"
    assert open_data(f"esc50:{esc_root}?subset=esc10").table.equals(clips.table)
    with pytest.raises(InputError, match="subset is esc10 or nothing, got 'esc11'"):
        open_data(f"esc50:{esc_root}?subset=esc11")


def test_another_file_format_is_found_by_its_stem(esc_root: Path, tone) -> None:
    for wav in (esc_root / "audio").iterdir():
        tone(wav.with_suffix(".ogg"))
        wav.unlink()
    clips = open_data(f"esc50:{esc_root}")
    assert clips.table["id"][0] == "audio/1-110040-A-40.ogg"
    assert clips.source.read(clips.record(0))[1] == 8000


def test_attribution_is_joined(esc_root: Path) -> None:
    (esc_root / "meta" / "attribution.csv").write_text(
        'filename,title,author,license,source\n1-110040-A-40.ogg,"A <b>copter</b>, ""low""",me,CC0,http://x/\n'
    )
    clips = open_data(f"esc50:{esc_root}")
    assert clips.record(0)["title"] == 'A <b>copter</b>, "low"' and clips.record(0)["license"] == "CC0"
    assert clips.table["title"].null_count() == 7
    assert clips.table["id"].n_unique() == 8


def test_attribution_out_of_the_official_licence_file(esc_root: Path) -> None:
    (esc_root / "LICENSE").write_text(LICENCE, encoding="utf-8")
    clips = open_data(f"esc50:{esc_root}")
    assert clips.record(0) | {
        "title": "My Dog (outside)",
        "author": "a b",
        "license": "CC-BY",
    } == clips.record(0)
    assert clips.record(0)["source"] == "http://freesound.org/people/a%20b/110/"
    assert clips.record(1)["title"] == "Sikala syövät."
    assert _from_licence(LICENCE)["title"].to_list() == [
        "My Dog (outside)",
        "Sikala syövät.",
        "Hyena / A hyena (far)",
    ]


def test_attribution_without_a_column(esc_root: Path) -> None:
    (esc_root / "meta" / "attribution.csv").write_text("filename,title\na,b\n")
    with pytest.raises(
        DataLayoutError, match=r"has no columns 'author', 'license', 'source'. Expected: filename, title"
    ):
        open_data(f"esc50:{esc_root}")


def test_missing_column_names_found_and_expected(esc_root: Path) -> None:
    (esc_root / "meta" / "esc50.csv").write_text("filename,fold,category\na.wav,1,dog\n")
    with pytest.raises(DataLayoutError) as caught:
        open_data(f"esc50:{esc_root}")
    assert "esc50.csv has no columns 'target', 'esc10', 'src_file', 'take'" in str(caught.value)
    assert "Expected: filename, fold, target, category, esc10, src_file, take" in str(caught.value)
    assert "Found: 'filename', 'fold', 'category'" in str(caught.value)


def test_wrong_layouts(tmp_path: Path, labelled_folder: Path, esc_root: Path) -> None:
    with pytest.raises(DataLayoutError, match=r"there is no folder .*nowhere. Expected: meta/esc50.csv"):
        open_data(f"esc50:{tmp_path / 'nowhere'}")
    with pytest.raises(DataLayoutError, match=r"not laid out as ESC-50. Expected: .* Found: .*cat, dog"):
        open_data(f"esc50:{labelled_folder}")
    for wav in (esc_root / "audio").iterdir():
        wav.rename(wav.with_name("x" + wav.name))
    with pytest.raises(
        DataLayoutError,
        match=r"none of the 8 sounds .* such as 'audio/1-110040-A-40.wav'; found 8 sound files",
    ):
        open_data(f"esc50:{esc_root}")


def test_no_esc10_row(esc_root: Path) -> None:
    meta = esc_root / "meta" / "esc50.csv"
    meta.write_text(meta.read_text().replace("True", "False"))
    with pytest.raises(EmptyDataError, match="no row with esc10 = True"):
        open_data(f"esc10:{esc_root}")


def test_the_whole_collection(tmp_path: Path, tone) -> None:
    """2000 clips, 50 classes, 5 folds, as many rows and files as the published ESC-50 has."""
    root, rows = tmp_path / "ESC-50-master", ["filename,fold,target,category,esc10,src_file,take"]
    sound = tone(root / "audio" / "one.wav", seconds=0.01).read_bytes()
    for number in range(2000):
        fold, target, source = number % 5 + 1, number * 7 % 50, 100000 + number // 2
        name = f"{fold}-{source}-{'AB'[number % 2]}-{target}.wav"
        rows.append(
            f"{name},{fold},{target},class_{target:02d},{target in ESC10},{source},{'AB'[number % 2]}"
        )
        (root / "audio" / name).write_bytes(sound)
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    clips = open_data(f"esc50:{tmp_path}")
    assert len(clips) == 2000 and clips.label_set().classes == tuple(f"class_{one:02d}" for one in range(50))
    assert clips.targets().tolist() == clips.table["target"].to_list()
    assert clips.table["fold"].value_counts()["count"].to_list() == [400] * 5
    part = open_data(f"esc10:{tmp_path}")
    assert len(part) == 400 and len(part.label_set().classes) == 10 and part.targets().max() == 9


@pytest.mark.real
def test_real_esc10(test_data: Path) -> None:
    clips = open_data(f"esc50:{test_data / 'esc10'}")
    assert len(clips) == 400 and clips.table["fold"].value_counts()["count"].to_list() == [80] * 5
    assert clips.label_sets[0].classes[:3] == ("dog", "rooster", "rain")
    assert clips.label_sets[0].classes[-1] == "chainsaw" and len(clips.label_sets[0].classes) == 10
    assert clips.targets().max() == 9 and (abs(clips.targets()[:, None] == range(10)).sum(0) == 40).all()
    per_group = clips.table.group_by("group").agg(folds=pl.col("fold").n_unique())
    assert per_group["folds"].max() == 1  # fragments of one source stay in one fold
    assert clips.table["title"].null_count() == 0
    assert clips.select(folds="5").table["group"].n_unique() == 57
