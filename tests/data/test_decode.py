"""Sound as batches of equal-length windows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile
import soxr

from otoscope.audio.windows import ClipLength
from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.decode import Batch, Decoding, automatic_workers, batches
from otoscope.data.table import assemble
from otoscope.errors import AudioFileError, InputError, UnknownNameError

CROP = ClipLength(0.5, long="crop")


@dataclass(frozen=True)
class NoiseSource:
    """Clips of noise whose number of samples is in the path; a negative one cannot be read."""

    rate: int = 8000

    @property
    def columns(self) -> tuple[str, ...]:
        return ("path",)

    def read(self, record: Mapping[str, Any]) -> tuple[np.ndarray, int]:
        n_samples = int(str(record["path"]).split(":")[1])
        if n_samples < 0:
            raise AudioFileError(f"{record['path']}: broken")
        return np.random.default_rng(n_samples).normal(size=(1, n_samples)).astype(np.float32), self.rate

    def size(self, record: Mapping[str, Any]) -> int:
        return 4 * abs(int(str(record["path"]).split(":")[1]))


def noise(*n_samples: int) -> Clips:
    frame = pl.DataFrame({"path": [f"{i}:{n}" for i, n in enumerate(n_samples)]})
    return assemble(frame, [], NoiseSource(), name="n", spec="n:", expected="", group_declared=True)


def flat(stream: Any) -> dict[str, Any]:
    """Return every window of the stream, one list a field."""
    parts: list[Batch] = list(stream)
    return {
        "rows": [row for one in parts for row in one.rows.tolist()],
        "starts_s": [start for one in parts for start in one.starts_s.tolist()],
        "keep_s": [tuple(keep) for one in parts for keep in one.keep_s.tolist()],
        "durations_s": [duration for one in parts for duration in one.durations_s.tolist()],
        "lengths": [length for one in parts for length in one.lengths.tolist()],
        "rates": [rate for one in parts for rate in one.source_rates.tolist()],
        "sound": [window.tobytes() for one in parts for window in one.waveforms],
        "failures": [failure for one in parts for failure in one.failures],
        "sizes": [len(one) for one in parts],
    }


def test_one_window_a_clip(labelled_folder: Path) -> None:
    clips = open_data(f"folder:{labelled_folder}")
    got = list(batches(clips, Decoding(8000, length=CROP), batch_size=2))
    assert [one.rows.tolist() for one in got] == [[0, 1], [2, 3], [4]]
    assert got[0].waveforms.shape == (2, 1, 4000) and got[0].waveforms.dtype == np.float32
    wav, _ = soundfile.read(labelled_folder / "cat" / "a.wav", dtype="float32")
    assert np.array_equal(got[0].waveforms[0, 0], wav)
    assert got[0].lengths.tolist() == [4000, 4000] and got[0].source_rates.tolist() == [8000, 8000]
    assert got[0].durations_s.tolist() == [0.5, 0.5] and got[0].keep_s.tolist() == [[0.0, 0.5]] * 2
    assert got[0].lengths.dtype == got[0].rows.dtype == np.int64


def test_rederived_with_a_plain_loop() -> None:
    """Windows of 1 s, overlap 1/2, of clips at 12 kHz resampled to 8 kHz, against a loop from the definition."""
    clips = noise(30000, 12000, 600)
    clips = Clips(clips.name, clips.spec, clips.table, (), NoiseSource(12000), None, True)
    rows, sound, lengths = [], [], []
    for row, n_samples in enumerate((30000, 12000, 600)):
        original = np.random.default_rng(n_samples).normal(size=n_samples).astype(np.float32)
        heard = soxr.resample(original, 12000, 8000, quality="HQ")
        starts = [0] if len(heard) <= 8000 else [*range(0, len(heard) - 8000, 4000), len(heard) - 8000]
        for start in starts:
            window = np.zeros((1, 8000), np.float32)
            piece = heard[start : start + 8000]
            window[0, : len(piece)] = piece
            rows.append(row)
            sound.append(window.tobytes())
            lengths.append(len(piece))
    got = flat(batches(clips, Decoding(8000, length=ClipLength(1.0, slack_s=0.0)), batch_size=4))
    assert got["rows"] == rows and got["lengths"] == lengths and got["sound"] == sound
    assert got["starts_s"] == [0.0, 0.5, 1.0, 1.5, 0.0, 0.0]


def test_kept_spans_partition_each_clip() -> None:
    lengths = (100, 8000, 8001, 20011, 64000)
    got = flat(batches(noise(*lengths), Decoding(8000, length=ClipLength(1.0, overlap=0.3)), batch_size=5))
    for row, n_samples in enumerate(lengths):
        spans = [keep for keep, owner in zip(got["keep_s"], got["rows"], strict=True) if owner == row]
        assert spans[0][0] == 0.0 and spans[-1][1] == pytest.approx(n_samples / 8000, abs=0.05)
        assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))


def test_whole_clips_end_a_batch_where_the_length_changes() -> None:
    clips = noise(100, 100, 100, 200, 200, 100)
    got = list(batches(clips, Decoding(8000), batch_size=2))
    assert [one.rows.tolist() for one in got] == [[0, 1], [2], [3, 4], [5]]
    assert [one.shape for one in got] == [(1, 100), (1, 100), (1, 200), (1, 100)]


def test_channels(tmp_path: Path, tone) -> None:
    tone(tmp_path / "a.wav", channels=2)
    tone(tmp_path / "b.wav", channels=1)
    tone(tmp_path / "c.wav", channels=8)
    clips = open_data(f"folder:{tmp_path}")
    original, _ = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    mix, first, keep = (
        list(batches(clips, Decoding(8000, channels=policy, length=CROP)))
        for policy in ("mix", "first", "keep")
    )
    assert np.allclose(mix[0].waveforms[0, 0], original.mean(axis=1), atol=1e-7) and len(mix) == 1
    assert np.array_equal(first[0].waveforms[0, 0], original[:, 0])
    assert [one.shape[0] for one in keep] == [2, 1, 8]
    assert np.array_equal(keep[0].waveforms[0], original.T)


def test_short_clips_are_padded_or_repeated() -> None:
    clips = noise(3)
    original = clips.source.read(clips.record(0))[0]
    padded = next(batches(clips, Decoding(8000, length=ClipLength(7 / 8000, short="pad"))))
    repeated = next(batches(clips, Decoding(8000, length=ClipLength(7 / 8000, short="repeat"))))
    assert np.array_equal(padded.waveforms[0], np.pad(original, ((0, 0), (0, 4)))) and padded.lengths[0] == 3
    assert np.array_equal(repeated.waveforms[0, 0], original[0][[0, 1, 2, 0, 1, 2, 0]])


@pytest.mark.parametrize(
    "length", [CROP, ClipLength(0.5), ClipLength(None)], ids=["crop", "windows", "whole"]
)
def test_the_same_for_any_number_of_workers(length: ClipLength) -> None:
    clips = noise(4000, 9000, -1, 4000, 4000, 12345, -1, -1, 4000, 1, 4000, 4000, -1)
    here = flat(batches(clips, Decoding(8000, length=length), batch_size=3))
    assert [failure.row for failure in here["failures"]] == [2, 6, 7, 12]
    for workers, prefetch in ((1, 1), (2, 3)):
        there = flat(
            batches(clips, Decoding(8000, length=length), batch_size=3, workers=workers, prefetch=prefetch)
        )
        assert there == here


def test_batch_size_changes_only_the_cuts() -> None:
    clips = noise(*range(3000, 30000, 1700))
    decoding = Decoding(8000, length=ClipLength(0.5))
    kinds = [flat(batches(clips, decoding, batch_size=size)) for size in (1, 2, 7, 1000)]
    assert [max(one.pop("sizes")) for one in kinds][:3] == [1, 2, 7]
    assert all(one == kinds[0] for one in kinds)


def test_rows_in_the_order_asked_for() -> None:
    clips = noise(4000, 5000, 6000, -1)
    got = flat(batches(clips, Decoding(8000, length=CROP), rows=[2, 0, 2, 3]))
    assert got["rows"] == [2, 0, 2] and got["failures"][0].row == 3
    assert got["sound"][0] == got["sound"][2] != got["sound"][1]
    assert list(batches(clips, Decoding(8000), rows=[])) == []
    assert list(batches(clips, Decoding(8000), rows=np.zeros(0, np.int64), workers=2)) == []


def test_blocks_are_kept_apart() -> None:
    """The batches of a block do not depend on which other blocks are asked for."""
    clips = noise(*[4000, 9000, -1, 4000, 4000, 12345, -1, 4000, 1, 4000, 4000, -1])
    decoding = Decoding(8000, length=ClipLength(0.5))
    whole = list(batches(clips, decoding, batch_size=4, block=5, workers=1))
    parts = []
    for start in (0, 5, 10):
        rows = range(start, min(12, start + 5))
        parts += list(batches(clips, decoding, rows=rows, batch_size=4, block=5))
    assert flat(whole) == flat(parts)
    owners = [{row // 5 for row in [*one.rows.tolist(), *(f.row for f in one.failures)]} for one in whole]
    assert all(len(one) == 1 for one in owners)


def test_failures_come_with_the_batch_being_filled() -> None:
    got = list(batches(noise(100, -1, 100, 100, -1), Decoding(8000), batch_size=2))
    assert [(one.rows.tolist(), [f.row for f in one.failures]) for one in got] == [([0, 2], [1]), ([3], [4])]
    failure = got[0].failures[0]
    assert (failure.id, failure.stage, failure.reason) == ("1:-1", "decode", "1:-1: broken")


def test_nothing_decodes() -> None:
    (only,) = batches(noise(-1, -1, -1), Decoding(8000, length=CROP), batch_size=2)
    assert len(only) == 0 and [failure.row for failure in only.failures] == [0, 1, 2]
    assert only.waveforms.shape == (0, 1, 0)


def test_long_clips_are_tasks_of_their_own() -> None:
    from otoscope.data.workers import TASK_BYTES, Tasks

    long = TASK_BYTES // 4 + 1
    clips = noise(100, 100, long, 100, long, long)
    rows = np.arange(6)
    windows = Tasks(clips, Decoding(8000, length=CROP.__class__(0.5)), rows, 16)
    assert list(windows.spans()) == [(0, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
    cropped = Tasks(clips, Decoding(8000, length=CROP), rows, 4)
    assert list(cropped.spans()) == [(0, 4), (4, 6)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size is at least 1, got 0"),
        ({"workers": -1}, "workers is at least 0, got -1"),
        ({"prefetch": 0}, "prefetch is at least 1, got 0"),
        ({"block": 0}, "block is at least 1, got 0"),
        ({"rows": [0, 3]}, r"rows must lie in 0\.\.2, got 0\.\.3"),
        ({"rows": [-1]}, "got -1"),
    ],
)
def test_arguments_are_checked_at_the_call(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        batches(noise(1, 2, 3), Decoding(8000), **arguments)


def test_decoding_is_checked() -> None:
    with pytest.raises(InputError, match="positive number of Hz, got 0"):
        Decoding(0)
    with pytest.raises(UnknownNameError, match="unknown channel policy 'mono'"):
        Decoding(8000, channels="mono")
    with pytest.raises(UnknownNameError, match="unknown resampling quality 'best'"):
        Decoding(8000, quality="best")


def test_automatic_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for cores, workers in ((1, 1), (2, 1), (4, 3), (64, 8)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, n=cores: set(range(n)), raising=False)
        assert automatic_workers() == workers
    assert len(list(batches(noise(1, 2), Decoding(8000), workers=None))) == 2


@pytest.mark.real
def test_real_esc10_through_workers(test_data: Path) -> None:
    clips = open_data(f"esc50:{test_data / 'esc10'}").select(limit=24)
    decoding = Decoding(16000, length=ClipLength(5.0))
    here, there = (flat(batches(clips, decoding, workers=workers)) for workers in (0, 2))
    assert here == there and not here["failures"] and set(here["rates"]) == {44100}
    assert set(here["rows"]) == set(range(24))
