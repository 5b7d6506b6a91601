"""Annotation files of every format, and how their events are laid on clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.events import FORMATS, SUFFIXES
from otoscope.data.events.raw import read_all
from otoscope.data.events.textgrid import parse
from otoscope.errors import DataLayoutError, EmptyDataError, InputError, UnknownNameError

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 2.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1.25 ! a remark with "quotes" and 7 numbers
            text = "say ""oh"" 12"
        intervals [3]:
            xmin = 1.25
            xmax = 2.5
            text = "éß"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.5
        points: size = 1
        points [1]:
            number = 0.75
            mark = "x"
    item [3]:
        class = "IntervalTier"
        name = "empty"
        xmin = 0
        xmax = 2.5
        intervals: size = 0
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
3
"IntervalTier"
"words"
0
2.5
3
0
0.5
""
0.5
1.25
"say ""oh"" 12"
1.25
2.5
"éß"
"TextTier"
"clicks"
0
2.5
1
0.75
"x"
"IntervalTier"
"empty"
0
2.5
0
"""


@pytest.fixture
def clips(tmp_path: Path, tone) -> Clips:
    """Return three sounds of 2.5 s: a.wav, and b.wav in two folders."""
    for name in ("a", "one/b", "two/b"):
        tone(tmp_path / "sounds" / f"{name}.wav", seconds=2.5)
    return _listed(tmp_path)


def _listed(folder: Path) -> Clips:
    table = folder / "sounds" / "clips.csv"
    table.write_text("path,label\na.wav,x\none/b.wav,y\ntwo/b.wav,y\n")
    return open_data(f"csv:{table}")


def rows(clips: Clips) -> list[tuple[object, ...]]:
    assert clips.events is not None
    return clips.events.rows()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("text", [LONG, SHORT], ids=["long", "short"])
def test_textgrid(text: str, encoding: str, clips: Clips, tmp_path: Path) -> None:
    content = text.encode(encoding)
    (tmp_path / "a.TextGrid").write_bytes(b"\xfe\xff" + content if encoding == "utf-16-be" else content)
    tiers = parse(tmp_path / "a.TextGrid")
    assert [one.name for one in tiers] == ["words", "clicks", "empty"] and tiers[2].entries == ()
    found = clips.with_events(tmp_path / "a.TextGrid", tier="words")
    assert rows(found) == [(0, 0.5, 1.25, 'say "oh" 12'), (0, 1.25, 2.5, "éß")]
    assert rows(clips.with_events(tmp_path / "a.TextGrid", tier="clicks")) == [(0, 0.75, None, "x")]
    assert rows(clips.with_events(tmp_path / "a.TextGrid", tier="2")) == [(0, 0.75, None, "x")]


def test_textgrids_that_are_none(clips: Clips, tmp_path: Path) -> None:
    file = tmp_path / "a.TextGrid"
    file.write_text(LONG)
    with pytest.raises(DataLayoutError, match=r"has 3 tiers, 'words', 'clicks', 'empty': say which by tier="):
        clips.with_events(file)
    with pytest.raises(DataLayoutError, match=r"has no tier 'phones'. It has: 'words'"):
        clips.with_events(file, tier="phones")
    file.write_text(SHORT.replace('"clicks"', '"words"'))
    with pytest.raises(DataLayoutError, match="several tiers 'words'"):
        clips.with_events(file, tier="words")
    file.write_text(LONG[: LONG.index('text = "éß')])
    with pytest.raises(DataLayoutError, match=r"a.TextGrid, line \d+: expected a text, got its end"):
        clips.with_events(file, tier="words")
    file.write_bytes(b"ooBinaryFile\x08TextGrid")
    with pytest.raises(DataLayoutError, match="binary TextGrid: save it as a text file"):
        clips.with_events(file)
    file.write_text('"ooTextFile" "Sound"')
    with pytest.raises(DataLayoutError, match="is no TextGrid"):
        clips.with_events(file)
    file.write_bytes(b"\xff\x00\xff")
    with pytest.raises(DataLayoutError, match="neither UTF-8 nor UTF-16"):
        clips.with_events(file)


def test_dcase_table(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "strong.tsv").write_text(
        "filename\tonset\toffset\tevent_label\tsnr\ntwo/b.wav\t1\t2\tSpeech\t-3\na\t0.0\t0.5\tDog\t6\na.wav\t0.25\t\tClick\t\n"
    )
    found = clips.with_events(tmp_path / "strong.tsv")
    assert found.events is not None
    assert found.events.columns == ["row", "onset_s", "offset_s", "label", "snr"]
    assert found.events.rows() == [
        (0, 0.0, 0.5, "Dog", 6),
        (0, 0.25, None, "Click", None),
        (2, 1.0, 2.0, "Speech", -3),
    ]


def test_a_table_a_sound_and_durations(clips: Clips, tmp_path: Path) -> None:
    folder = tmp_path / "ann" / "one"
    folder.mkdir(parents=True)
    (folder / "b.csv").write_text("Start,Duration,Label\n1,0.5,bark\n2,0.5,\n")
    assert rows(clips.with_events(tmp_path / "ann")) == [(1, 1.0, 1.5, "bark")]


def test_ctm_rttm_and_tracks(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "w.ctm").write_text(";; words\na 1 0.10 0.30 hello 0.9\na 2 0.5 0.25 you 0.5\n\n")
    assert rows(clips.with_events(tmp_path / "w.ctm")) == [
        (0, 0.1, 0.4, "hello", 0.9),
        (0, 0.5, 0.75, "you", 0.5),
    ]
    assert rows(clips.with_events(tmp_path / "w.ctm", tier="2")) == [(0, 0.5, 0.75, "you", 0.5)]
    (tmp_path / "t.rttm").write_text(
        "SPKR-INFO a 1 <NA> <NA> <NA> unknown jo <NA>\nSPEAKER a 1 0.5 1.5 <NA> <NA> jo <NA>\n"
        "LEXEME a 1 0.5 0.25 hi lex jo 0.9\nNOSCORE a 1 0 <NA> <NA> <NA> <NA> <NA>\n"
    )
    assert rows(clips.with_events(tmp_path / "t.rttm", tier="SPEAKER")) == [(0, 0.5, 2.0, "jo")]
    assert rows(clips.with_events(tmp_path / "t.rttm", tier="LEXEME")) == [(0, 0.5, 0.75, "hi")]
    with pytest.raises(DataLayoutError, match="has 3 types, 'SPEAKER', 'LEXEME', 'NOSCORE'"):
        clips.with_events(tmp_path / "t.rttm")
    (tmp_path / "a.txt").write_text("0.5\t1.0\tdog\n\\\t100\t200\n1.5\t1.5\tclick\n")
    assert rows(clips.with_events(tmp_path / "a.txt")) == [(0, 0.5, 1.0, "dog"), (0, 1.5, None, "click")]


def test_jams(clips: Clips, tmp_path: Path) -> None:
    scaper = {
        "namespace": "scaper",
        "data": [
            {"time": 0.5, "duration": 1.0, "value": {"label": "dog", "role": "foreground", "snr": 6}},
            {"time": 0.0, "duration": 2.5, "value": {"label": "park", "role": "background", "snr": 0}},
        ],
    }
    beat = {"namespace": "beat", "data": {"time": [0.25, 0.75], "duration": [0, 0], "value": [1, 2]}}
    (tmp_path / "a.jams").write_text(json.dumps({"annotations": [scaper, beat], "file_metadata": {}}))
    found = clips.with_events(tmp_path / "a.jams", tier="scaper")
    assert rows(found) == [(0, 0.5, 1.5, "dog", 6.0)]
    assert rows(clips.with_events(tmp_path / "a.jams", tier="2")) == [
        (0, 0.25, None, "1"),
        (0, 0.75, None, "2"),
    ]
    (tmp_path / "z.jams").write_text(
        json.dumps({"annotations": [scaper], "sandbox": {"filename": "two/b.wav"}})
    )
    assert rows(clips.with_events(tmp_path / "z.jams"))[0][:3] == (2, 0.5, 1.5)
    (tmp_path / "a.jams").write_text("[]")
    with pytest.raises(DataLayoutError, match="no list of annotations"):
        clips.with_events(tmp_path / "a.jams")


BAD = {
    "b.csv": ("path,onset_s,offset_s,label\nb.wav,0,1,x\n", "'b.wav' is the name of 2 clips: give the path"),
    "c.csv": ("path,onset_s,offset_s,label\nc.wav,0,1,x\n", "no clip is called 'c.wav'"),
    "i.csv": ("id,onset_s,offset_s,label\na,0,1,x\n", "no clip is called 'a'"),
    "back.csv": ("path,onset_s,offset_s,label\na.wav,1,0.5,x\n", "ends at 0.5 s, not after its start at 1 s"),
    "nil.csv": ("path,onset_s,offset_s,label\na.wav,1,1,x\n", "ends at 1 s, not after its start"),
    "early.csv": ("path,onset_s,offset_s,label\na.wav,-1,1,x\n", "starts at -1 s, before the sound"),
    "late.csv": ("path,onset_s,offset_s,label\na.wav,1,2.6,x\n", "ends at 2.6 s, but the clip lasts 2.5 s"),
    "later.csv": ("path,onset_s,offset_s,label\na.wav,2.5,,x\n", "starts at 2.5 s, but the clip lasts 2.5 s"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_faulty_events_are_refused_or_counted(name: str, clips: Clips, tmp_path: Path) -> None:
    text, reason = BAD[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataLayoutError, match=rf"1 of 1 events cannot be used. .*line 2: .*{reason}"):
        clips.with_events(tmp_path / name)
    left = clips.with_events(tmp_path / name, faulty="skip")
    assert left.events is not None and left.events.height == 0
    assert [one.stage for one in left.event_failures] == ["events"] and reason in left.event_failures[
        0
    ].reason
    assert left.event_failures[0].id.endswith(f"{name}, line 2")


def test_an_end_within_rounding_is_the_clips_end(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("path,onset_s,offset_s,label\na.wav,2,2.54,x\n")
    assert rows(clips.with_events(tmp_path / "e.csv")) == [(0, 2.0, 2.5, "x")]


def test_numbers_formats_and_files_that_cannot_be(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("path,onset,offset,label\na.wav,soon,1,x\n")
    with pytest.raises(
        DataLayoutError, match=r"e.csv, line 2: onset must be a number of seconds, got 'soon'"
    ):
        clips.with_events(tmp_path / "e.csv")
    with pytest.raises(DataLayoutError, match="no file or folder of events"):
        clips.with_events(tmp_path / "nowhere")
    (tmp_path / "e.lab").write_text("0 1 x\n")
    with pytest.raises(
        DataLayoutError, match=r"cannot be told from '.lab'; say format= one of table, textgrid"
    ):
        clips.with_events(tmp_path / "e.lab")
    with pytest.raises(UnknownNameError, match="unknown format of events 'praat'"):
        clips.with_events(tmp_path / "e.lab", format="praat")
    with pytest.raises(InputError, match="faulty is refuse or skip"):
        clips.with_events(tmp_path / "e.csv", faulty="ignore")
    with pytest.raises(DataLayoutError, match="has no tiers"):
        clips.with_events(tmp_path / "e.csv", tier="x")
    (tmp_path / "mixed").mkdir()
    with pytest.raises(EmptyDataError, match="holds no file of events"):
        clips.with_events(tmp_path / "mixed")
    (tmp_path / "mixed" / "a.ctm").write_text("a 1 0 1 x\n")
    (tmp_path / "mixed" / "a.txt").write_text("0\t1\ty\n")
    with pytest.raises(DataLayoutError, match="several formats, ctm, track: say format="):
        clips.with_events(tmp_path / "mixed")
    assert rows(clips.with_events(tmp_path / "mixed", format="track")) == [(0, 0.0, 1.0, "y")]


def test_silence_is_no_event(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("path,onset_s,offset_s,label\na.wav,0,1,\na.wav,1,2,sil\na.wav,2,2.5,x\n")
    assert [one[3] for one in rows(clips.with_events(tmp_path / "e.csv"))] == ["sil", "x"]
    named = open_data(clips.spec, events=f"{tmp_path / 'e.csv'}?silence=sil,sp")
    assert [one[3] for one in rows(named)] == ["x"]


def test_events_of_a_file_go_to_its_segments(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav", seconds=4.0)
    (tmp_path / "t.csv").write_text("path,label,start_s,end_s\na.wav,x,0,1\na.wav,x,1.5,3\n")
    (tmp_path / "e.csv").write_text(
        "path,onset_s,offset_s,label\na.wav,0.5,2,long\na.wav,3.1,3.2,out\na.wav,1.6,,dot\n"
    )
    clips = open_data(f"csv:{tmp_path / 't.csv'}", events=str(tmp_path / "e.csv"))
    assert clips.event_failures == ()
    laid = [(row, round(on, 6), off, label) for row, on, off, label in rows(clips)]
    assert laid == [(0, 0.5, 1.0, "long"), (1, 0.0, 0.5, "long"), (1, 0.1, None, "dot")]
    (tmp_path / "i.csv").write_text("id,onset_s,offset_s,label\na.wav#1500-3000,0.5,1,x\n")
    assert rows(clips.with_events(tmp_path / "i.csv")) == [(1, 0.5, 1.0, "x")]


def test_events_are_part_of_the_spec(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "a.TextGrid").write_text(LONG)
    events = f"{tmp_path / 'a.TextGrid'}?tier=words"
    opened = open_data(clips.spec, events=events)
    again = open_data(opened.spec)
    assert rows(again) == rows(opened) and again.spec == opened.spec and len(rows(again)) == 2
    assert opened.take([2, 0]).events.rows() == [(1, *one[1:]) for one in rows(opened)]  # type: ignore[union-attr]
    with pytest.raises(UnknownNameError, match=r"unknown option of events 'tire'. Did you mean 'tier'"):
        open_data(clips.spec, events=f"{tmp_path / 'a.TextGrid'}?tire=words")


def test_every_suffix_has_a_reader(tmp_path: Path) -> None:
    assert set(SUFFIXES.values()) == set(FORMATS)
    (tmp_path / "x.rttm").write_text("")
    assert read_all(tmp_path / "x.rttm", None, None) == []
