"""The published layouts in miniature: labels, groups and splits of each, and what is said of another layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import DataLayoutError, EmptyDataError, InputError, OtoscopeError, UnknownNameError
from tests.data import layouts
from tests.data.layouts import BUILDERS


def opened(scheme: str, folder: Path, **options: object) -> Clips:
    return open_data(f"{scheme}:{BUILDERS[scheme](folder)}", **options)


def column(clips: Clips, name: str) -> list[object]:
    return clips.table[name].to_list()


def names(clips: Clips) -> list[str]:
    return [one.name for one in clips.label_sets]


@pytest.mark.parametrize("scheme", sorted(set(BUILDERS) - {"evar"}))
def test_another_layout_is_refused_with_what_was_found(scheme: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "readme.md").write_text("something else")
    with pytest.raises(DataLayoutError, match=r"is not laid out as .*Expected: .*Found: readme.md"):
        open_data(f"{scheme}:{tmp_path / 'other'}")


@pytest.mark.parametrize("scheme", sorted(set(BUILDERS) - {"evar", "voxforge", "gise51"}))
def test_the_folder_above_is_fine_too(scheme: str, tmp_path: Path) -> None:
    inside = opened(scheme, tmp_path)
    assert open_data(f"{scheme}:{tmp_path}").content_hash() == inside.content_hash()


@pytest.mark.parametrize("scheme", sorted(set(BUILDERS) - {"evar", "voxforge", "surge"}))
def test_a_path_without_scheme_is_guessed(scheme: str, tmp_path: Path) -> None:
    root = BUILDERS[scheme](tmp_path)
    with pytest.raises(InputError, match=rf"Did you mean {scheme}:{root}\?"):
        open_data(root)


LISTED = {
    "speech-commands": "yes/bb_nohash_0.wav",
    "voxceleb1": "wav/id2/v3/00001.wav",
    "nsynth": "nsynth-train/audio/bass_synthetic_033-060-127.wav",
    "fsd50k": "FSD50K.dev_audio/2.wav",
    "sonyc-ust": "audio/audio-0/c.wav",
}


@pytest.mark.parametrize("scheme", sorted(LISTED))
def test_a_listed_sound_that_is_not_there_is_a_counted_failure(scheme: str, tmp_path: Path) -> None:
    root = Path(BUILDERS[scheme](tmp_path))
    (root / LISTED[scheme]).unlink()
    clips = open_data(f"{scheme}:{root}")
    failures = [failure for batch in batches(clips, Decoding(8000)) for failure in batch.failures]
    assert len(failures) == 1 and "there is no such file" in failures[0].reason
    assert failures[0].id.endswith(Path(LISTED[scheme]).name)


def test_speech_commands(tmp_path: Path) -> None:
    clips = opened("speech-commands", tmp_path)
    assert column(clips, "id") == [
        "no/aa_nohash_1.wav",
        "no/cc_nohash_0.wav",
        "yes/aa_nohash_0.wav",
        "yes/bb_nohash_0.wav",
    ]
    assert column(clips, "split") == ["train", "test", "train", "valid"]
    assert column(clips, "group") == ["aa", "cc", "aa", "bb"] and clips.label_set().classes == ("no", "yes")
    (tmp_path / "sc" / "no" / "odd.wav").write_text("")
    with pytest.raises(DataLayoutError, match=r"not 'no/odd.wav'"):
        open_data(clips.spec)


def test_voxceleb1(tmp_path: Path) -> None:
    clips = opened("voxceleb1", tmp_path)
    assert names(clips) == ["speaker", "gender", "nationality", "gender+nationality"]
    assert column(clips, "split") == ["train", "valid", "test", "train"]
    assert column(clips, "group") == ["id1", "id1", "id2", "id2"]
    assert clips.label_sets[3].classes == ("female|UK", "male|New Zealand")
    assert column(clips, "verification") == ["dev", "dev", "test", "test"]
    assert column(open_data(clips.spec, group="video"), "group") == ["id1/v1", "id1/v2", "id2/v3", "id2/v3"]
    (tmp_path / "vox" / "vox1_meta.csv").unlink()
    (tmp_path / "vox" / "iden_split.txt").unlink()
    plain = open_data(clips.spec)
    assert names(plain) == ["speaker"] and len(plain) == 4 and plain.table["split"].null_count() == 4
    (tmp_path / "vox" / "iden_split.txt").write_text("4 id1/v1/00001.wav\n")
    with pytest.raises(
        DataLayoutError, match=r"expected lines such as '1 id10001/VIDEO/00001.wav', got '4 id1"
    ):
        open_data(clips.spec)
    with pytest.raises(InputError, match="group is speaker or video"):
        open_data(clips.spec, group="country")


def test_voxforge(tmp_path: Path) -> None:
    clips = opened("voxforge", tmp_path)
    assert clips.label_set().classes == ("de", "en") and len(clips) == 5
    assert column(clips, "group") == [
        "de/ann",
        "de/ann",
        "en/anonymous-20100101-a",
        "en/anonymous-20100101-b",
        "en/bob",
    ]
    assert column(open_data(clips.spec, until="20200101"), "submission")[0] == "ann-20080425-abc"
    assert len(open_data(clips.spec, until="20200101")) == 4
    with pytest.raises(InputError, match="until is a day"):
        open_data(clips.spec, until="2020")


def test_crema_d(tmp_path: Path) -> None:
    clips = opened("crema-d", tmp_path)
    assert names(clips) == ["emotion", "gender", "sentence"]
    assert column(clips, "emotion") == ["anger", "sadness", "neutral"] and column(clips, "level") == [
        "XX",
        "HI",
        "XX",
    ]
    assert column(clips, "gender") == ["male", "male", "female"] and column(clips, "group") == [
        "1001",
        "1001",
        "1002",
    ]
    (tmp_path / "crema" / "VideoDemographics.csv").unlink()
    assert names(open_data(clips.spec)) == ["emotion", "sentence"]
    (tmp_path / "crema" / "AudioWAV" / "1001_DFA_JOY_XX.wav").write_text("")
    with pytest.raises(DataLayoutError, match=r"not '1001_DFA_JOY_XX.wav'"):
        open_data(clips.spec)


def test_nsynth(tmp_path: Path) -> None:
    clips = opened("nsynth", tmp_path)
    assert names(clips) == ["family", "pitch", "octave", "velocity", "instrument_source", "qualities"]
    assert clips.label_set("pitch").classes == ("22", "60", "108")
    assert column(clips, "octave") == ["0", "4", "8"] and column(clips, "split") == [
        "train",
        "train",
        "valid",
    ]
    assert column(clips, "group") == ["bass_synthetic_033", "bass_synthetic_033", "flute_acoustic_002"]
    assert clips.label_set("qualities").kind == "multi" and clips.targets("qualities").all()
    file = tmp_path / "ns" / "nsynth-valid" / "examples.json"
    file.write_text('{"x": {"pitch": 3}}')
    with pytest.raises(DataLayoutError, match="note 'x' has no velocity, instrument_str"):
        open_data(clips.spec)


def test_surge(tmp_path: Path) -> None:
    clips = opened("surge", tmp_path)
    assert clips.label_set("note").classes == ("21", "60", "108") and clips.label_set("octave").classes == (
        "0",
        "4",
        "8",
    )
    assert clips.table["group"].n_unique() == 2 and clips.table["split"].null_count() == 6
    splits = tmp_path / "splits.csv"
    splits.write_text("tone,split\nsurge-patches-a-velocity64,train\n")
    parted = open_data(clips.spec, splits=str(splits))
    assert column(parted, "split") == ["train"] * 3 + [None] * 3
    splits.write_text("tone,split\nother,train\n")
    with pytest.raises(DataLayoutError, match="names no preset that is here"):
        open_data(clips.spec, splits=str(splits))
    layouts.tones(tmp_path / "surge" / "surge-patches-a-velocity64", "c4.ogg")
    with pytest.raises(DataLayoutError, match=r"not 'c4.ogg'"):
        open_data(clips.spec)


def test_all_88_notes_are_9_octaves() -> None:
    assert len({note // 12 - 1 for note in range(21, 109)}) == 9


def test_gise51_mixtures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clips = opened("gise51", tmp_path)
    assert clips.label_set().classes == ("Dog", "Cat", "Bee") and clips.label_set().kind == "multi"
    assert column(clips, "split") == ["train", "train", "valid", "test"]
    assert column(clips, "label")[:2] == [["Dog", "Cat"], ["Cat"]] and not clips.group_declared
    assert (
        clips.events is not None
        and clips.events.rows()[1] == (0, 0.02, 0.09, "Cat")
        and clips.events.height == 6
    )
    layouts.tones(tmp_path / "gise", "train_5k/m9.flac", "val/untold.flac")
    (tmp_path / "gise" / "train_5k" / "m9.txt").write_text("0\t1\tDog\n")
    with pytest.raises(DataLayoutError, match="has the training folders train, train_5k: pick one by train="):
        open_data(clips.spec)
    picked = open_data(clips.spec, train="train_5k")
    assert column(picked, "path")[0] == "train_5k/m9.flac" and len(picked) == 3
    assert "1 mixtures have no text file and are left out, such as untold.flac" in caplog.text
    with pytest.raises(DataLayoutError, match=r"no training folder 'train_6k'. It has: train, train_5k"):
        open_data(clips.spec, train="train_6k")


def test_gise51_isolated_events(tmp_path: Path) -> None:
    clips = opened("gise51", tmp_path, part="isolated")
    assert column(clips, "group") == ["77", "123", "123"] and column(clips, "label") == ["Cat", "Dog", "Dog"]
    assert column(clips, "split") == ["test", "train", "train"] and clips.label_set().kind == "single"


def test_fsd50k(tmp_path: Path) -> None:
    clips = opened("fsd50k", tmp_path)
    assert (
        clips.label_set().classes == ("Animal", "Bark", "Dog", "Rain") and clips.label_set().kind == "multi"
    )
    assert column(clips, "label") == [["Bark", "Dog", "Animal"], ["Rain"], ["Dog", "Animal"]]
    assert column(clips, "split") == ["train", "valid", "test"] and column(clips, "group") == [
        "u1",
        "u2",
        "u9",
    ]
    assert clips.group_declared and column(clips, "license") == ["CC0"] * 3
    for one in (tmp_path / "fsd" / "FSD50K.metadata").iterdir():
        one.unlink()
    assert not open_data(clips.spec).group_declared


def tags(clips: Clips, name: str = "coarse") -> dict[object, object]:
    return dict(zip((Path(str(one)).stem for one in column(clips, "path")), column(clips, name), strict=True))


ENGINE, MACHINE, DOG = layouts.COARSE


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("published", {"a": [ENGINE, MACHINE], "b": [ENGINE, DOG], "c": [MACHINE], "e": [ENGINE]}),
        (
            "any",
            {
                "a": [ENGINE, MACHINE],
                "b": [ENGINE, DOG],
                "c": [ENGINE, MACHINE],
                "d": [ENGINE],
                "e": [ENGINE],
            },
        ),
        ("majority", {"a": [], "b": [ENGINE], "c": [], "d": [ENGINE], "e": [ENGINE]}),
        ("consensus", {"b": [ENGINE, DOG], "c": [MACHINE], "e": [ENGINE]}),
        ("l2i-2022", {"a": [MACHINE], "b": [ENGINE, DOG], "c": [MACHINE], "e": [ENGINE]}),
    ],
)
def test_sonyc_ust_votes(policy: str, expected: dict[str, list[str]], tmp_path: Path) -> None:
    assert tags(opened("sonyc-ust", tmp_path, policy=policy)) == expected


def test_sonyc_ust_missing_votes_and_other_tags(tmp_path: Path) -> None:
    clips = opened("sonyc-ust", tmp_path, level="fine")
    assert names(clips) == ["fine", "coarse"] and len(clips.label_set("fine").classes) == 4
    assert tags(clips, "coarse_unknown") == {"a": [], "b": [], "c": [], "e": [DOG]}
    small, medium, _, _, dog = layouts.FINE
    assert tags(clips, "fine")["b"] == [medium, dog] and tags(clips, "fine_unknown")["b"] == [small]
    assert tags(clips, "fine_unknown")["e"] == [small, medium, dog]
    assert column(clips, "group") == ["s1", "s1", "s2", "s1"] and column(clips, "split") == [
        "train",
        "train",
        "valid",
        "test",
    ]
    assert column(clips, "year") == [2019] * 4


def test_sonyc_ust_other_names_and_versions(tmp_path: Path) -> None:
    root = layouts.sonyc_ust(tmp_path, name="annotations_with_test.csv", audio="audio", whole=False)
    clips = open_data(f"sonyc-ust:{root}")
    assert column(clips, "path") == ["audio/a.wav", "audio/b.wav", "audio/c.wav", "audio/e.wav"]
    assert "year" not in clips.table.columns
    file = Path(root) / "annotations_with_test.csv"
    text = file.read_text()
    file.write_text(text.replace("validate,", "dev,"))
    with pytest.raises(DataLayoutError, match="split is train, validate, test, got 'dev'"):
        open_data(clips.spec)
    file.write_text(text.replace(",0,1,0\n", ",0,7,0\n"))
    with pytest.raises(DataLayoutError, match="presence is 1, 0 or -1, got 7"):
        open_data(clips.spec)
    file.write_text("split,sensor_id,audio_filename,annotator_id\n")
    with pytest.raises(DataLayoutError, match="found 0 that end in _presence"):
        open_data(clips.spec)
    file.write_text(text)
    with pytest.raises(UnknownNameError, match=r"unknown policy 'some'"):
        open_data(clips.spec, policy="some")
    for one in (Path(root) / "audio").iterdir():
        one.unlink()
    with pytest.raises(DataLayoutError, match="none of the 4 recordings of the table lies in"):
        open_data(clips.spec)
    file.write_text("\n".join(line for line in text.splitlines() if ".wav,0," not in line) + "\n")
    with pytest.raises(EmptyDataError, match="no recording with a vote under policy 'consensus'"):
        open_data(clips.spec, policy="consensus")


def test_evar(tmp_path: Path) -> None:
    clips = opened("evar", tmp_path)
    assert column(clips, "split") == ["train", "valid", None] and not clips.group_declared
    assert clips.label_set().classes == ("a", "b") and clips.label_set().kind == "single"
    grouped = open_data(clips.spec, group="speaker_id")
    assert column(grouped, "group") == ["s", "s", "t"] and grouped.group_declared
    folds = tmp_path / "elsewhere" / "f.csv"
    folds.parent.mkdir()
    folds.write_text('file_name,label,fold\naudio/1.wav,"x,y",1\naudio/2.wav,y,2\n')
    several = open_data(f"evar:{folds}", root=str(tmp_path / "evar"))
    assert several.label_set().kind == "multi" and column(several, "label") == [["x", "y"], ["y"]]
    assert column(several, "fold") == [1, 2] and several.source.read(several.record(0))[1] == 8000
    assert open_data(f"evar:{folds}", multi="no").label_set().classes == ("x,y", "y")
    folds.write_text("file_name,label\na,b\n")
    with pytest.raises(DataLayoutError, match="neither a column 'split' nor 'fold'"):
        open_data(f"evar:{folds}")
    with pytest.raises(InputError, match="has no column 'who' to group by"):
        open_data(clips.spec, group="who")
    with pytest.raises(OtoscopeError, match="there is no table"):
        open_data(f"evar:{tmp_path / 'no.csv'}")
