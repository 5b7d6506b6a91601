"""Synthetic notes: pitch, octave, groups, levels, and equal sounds for equal seeds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from otoscope.audio.synthesis.instruments import INSTRUMENTS
from otoscope.data import open_data
from otoscope.data.notes import pitch_hz
from otoscope.errors import InputError, UnknownNameError


def test_table_of_notes() -> None:
    clips = open_data("notes:organ?low=57&high=62&takes=3")
    assert [one.name for one in clips.label_sets] == ["note", "octave"]
    table = clips.table
    assert table["note"].to_list() == [str(note) for note in range(57, 63) for _ in range(3)]
    assert table["octave"].to_list() == ["3"] * 9 + ["4"] * 9  # middle C begins octave 4
    assert table["group"].n_unique() == 6 and clips.group_declared
    assert table.group_by("note").agg(pl.col("fold").n_unique())["fold"].to_list() == [1] * 6
    assert clips.label_set("octave").classes == ("3", "4")
    assert pitch_hz(69) == 440 and pitch_hz(57) == 220


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_sounds_have_their_pitch_and_level(instrument: str) -> None:
    spec = f"notes:{instrument}?low=57&high=81&takes=2&duration_s=1"
    clips = open_data(spec)
    for row in (0, 25, 49):
        record = clips.table.row(row, named=True)
        waveform, rate = clips.source.read(record)
        assert waveform.shape == (1, 16000) and waveform.dtype == np.float32 and rate == 16000
        power = np.abs(np.fft.rfft(waveform[0] * np.hanning(16000), n=2**17)) ** 2
        first = record["pitch_hz"]
        near = slice(*(round(first * scale * 2**17 / 16000) for scale in (0.97, 1.03)))
        strongest = (near.start + power[near].argmax()) * 16000 / 2**17
        assert abs(1200 * np.log2(strongest / first)) < 15
        below = power[: round(0.8 * first * 2**17 / 16000)].sum()
        assert below < 0.01 * power.sum()
        peak_db = 20 * np.log10(np.abs(waveform).max())
        assert record["level_db"] - 0.8 < peak_db <= record["level_db"] + 1e-3
        again, _ = open_data(spec).source.read(record)
        assert np.array_equal(again, waveform)
    assert not np.array_equal(
        clips.source.read(clips.table.row(0, named=True))[0],
        clips.source.read(clips.table.row(1, named=True))[0],
    )


def test_the_two_timbres_differ() -> None:
    """A plucked note has died away where an organ's still sounds."""
    ends = {}
    for instrument in INSTRUMENTS:
        clips = open_data(f"notes:{instrument}?low=69&high=69&takes=6&duration_s=2")
        waves = np.concatenate([clips.source.read(row)[0] for row in clips.table.iter_rows(named=True)])
        power = (waves**2).reshape(6, 4, -1).mean(axis=2)
        ends[instrument] = float((power[:, 3] / power[:, 1]).max())
    assert ends["pluck"] < 0.2 < ends["organ"]


def test_what_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown instrument 'piano'.*organ, pluck"):
        open_data("notes:piano")
    with pytest.raises(InputError, match="12 <= low <= high <= 119"):
        open_data("notes:organ?low=80&high=60")
    with pytest.raises(InputError, match=r"note 119 is 7902 Hz, too high for a rate of 16000 Hz"):
        open_data("notes:organ?high=119")
