"""What a user sees of damaged and odd sound files: a counted failure with path and reason, and the rest of the data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoscope.audio.windows import ClipLength
from otoscope.data import open_data
from otoscope.data.decode import Batch, Decoding, batches
from otoscope.errors import Failure

LENGTH = ClipLength(0.5)


def heard(root: Path, workers: int = 0) -> tuple[dict[str, np.ndarray], dict[str, Failure], list[Batch]]:
    """Return the first window of each clip by id, the failures by id, and the batches."""
    clips = open_data(f"folder:{root}")
    ids = clips.table["id"].to_list()
    stream = list(batches(clips, Decoding(8000, length=LENGTH), batch_size=4, workers=workers))
    sound = {ids[row]: window for one in stream for row, window in zip(one.rows, one.waveforms, strict=True)}
    return sound, {failure.id: failure for one in stream for failure in one.failures}, stream


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just some text, no sound at all\n" * 20, "not a sound file"),
        (b"RIFF\xff\xff\xff\x7fWAVEfmt " + bytes(range(200)), ""),
        (bytes(5000), "not a sound file"),
    ],
    ids=["zero-bytes", "text", "corrupt-header", "zeros"],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_file_is_a_failure_and_the_run_goes_on(
    tmp_path: Path, tone, content: bytes, reason: str, workers: int
) -> None:
    tone(tmp_path / "a.wav")
    (tmp_path / "bad.wav").write_bytes(content)
    tone(tmp_path / "c.wav")
    sound, failures, _ = heard(tmp_path, workers)
    assert set(sound) == {"a.wav", "c.wav"} and set(failures) == {"bad.wav"}
    failure = failures["bad.wav"]
    assert failure.row == 1 and failure.stage == "decode"
    assert str(tmp_path / "bad.wav") in failure.reason and reason in failure.reason
    assert len(failure.reason) > len(str(tmp_path / "bad.wav")) + 8


def test_a_file_with_a_header_and_no_samples(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1), np.float32), 8000)
    _, failures, _ = heard(tmp_path)
    assert "zero-length" in failures["none.wav"].reason


def test_a_truncated_file(tmp_path: Path, tone) -> None:
    whole = tone(tmp_path / "whole.flac", seconds=2.0).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    sound, failures, _ = heard(tmp_path)
    assert set(sound) == {"whole.flac"} and "cut.flac" in failures["cut.flac"].reason


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path: Path, tone, value: float) -> None:
    tone(tmp_path / "a.wav")
    samples = np.zeros(4000, np.float32)
    samples[17] = value
    soundfile.write(tmp_path / "nan.wav", samples, 8000, subtype="FLOAT")
    sound, failures, _ = heard(tmp_path)
    assert "1 of 4000 samples are NaN or infinite" in failures["nan.wav"].reason
    assert all(np.isfinite(one).all() for one in sound.values())


def test_silence_one_sample_eight_channels_and_192_khz_are_sound(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav")
    soundfile.write(tmp_path / "silent.wav", np.zeros(4000, np.float32), 8000)
    soundfile.write(tmp_path / "one.wav", np.array([0.25], np.float32), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "one-fast.wav", np.array([0.25], np.float32), 44100, subtype="FLOAT")
    tone(tmp_path / "eight.wav", channels=8)
    tone(tmp_path / "fast.wav", rate=192000)
    sound, failures, stream = heard(tmp_path)
    assert not failures and set(sound) == {
        f"{n}.wav" for n in ("a", "silent", "one", "one-fast", "eight", "fast")
    }
    assert not sound["silent.wav"].any()
    assert sound["one.wav"][0, 0] == 0.25 and not sound["one.wav"][0, 1:].any()
    assert {one.shape for one in stream} == {(1, 4000)}
    rates = {rate for one in stream for rate in one.source_rates.tolist()}
    assert rates == {8000, 44100, 192000}
    assert np.allclose(sound["fast.wav"][0, 100:3900], sound["a.wav"][0, 100:3900], atol=1e-3)


def test_a_folder_and_a_missing_file_in_a_table(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav")
    (tmp_path / "dir.wav").mkdir()
    (tmp_path / "t.csv").write_text("path,label\na.wav,x\ndir.wav,x\ngone.wav,y\n")
    clips = open_data(f"csv:{tmp_path / 't.csv'}")
    (only,) = batches(clips, Decoding(8000, length=LENGTH))
    assert only.rows.tolist() == [0]
    assert [failure.id for failure in only.failures] == ["dir.wav", "gone.wav"]
    assert "not a sound file" in only.failures[0].reason and "no such file" in only.failures[1].reason


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_a_file_that_may_not_be_read(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav")
    tone(tmp_path / "locked.wav").chmod(0)
    _, failures, _ = heard(tmp_path)
    assert "no permission" in failures["locked.wav"].reason


def test_a_segment_after_the_end(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav", seconds=1.0)
    (tmp_path / "t.csv").write_text("path,label,start_s,end_s\na.wav,x,0,1\na.wav,x,2,3\na.wav,x,0.5,9\n")
    (only,) = batches(open_data(f"csv:{tmp_path / 't.csv'}"), Decoding(8000))
    assert only.rows.tolist() == [0]
    assert [failure.id for failure in only.failures] == ["a.wav#2000-3000", "a.wav#500-9000"]


def test_names_with_html(tmp_path: Path, tone) -> None:
    name = "<img src=x onerror=alert(1)> & 'a'.wav"
    tone(tmp_path / name)
    (tmp_path / "<b>.wav").write_bytes(b"no sound")
    sound, failures, _ = heard(tmp_path)
    assert set(sound) == {name} and set(failures) == {"<b>.wav"}
