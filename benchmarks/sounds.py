"""Sounds for the benchmarks: the real recordings where OTOSCOPE_TEST_DATA names them, else seeded synthesis.

Either way the clips are different sounds in files, read through the real decoder.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from otoscope.audio.synthesis import catalogue, render
from otoscope.audio.write import write
from otoscope.data import open_data
from otoscope.data.clips import Clips

RATE = 16_000


def recordings(folder: Path, n: int) -> tuple[Clips, str]:
    """Return ``n`` clips of about 5 s in Ogg or FLAC files, and where they come from."""
    named = os.environ.get("OTOSCOPE_TEST_DATA")
    if named:
        return open_data(f"esc50:{named}/esc10").select(limit=n), "ESC-10, Ogg Vorbis, 44.1 kHz"
    return synthesised(folder, n, 5.0), "synthesised, FLAC, 16 kHz"


def repeated(clips: Clips, times: int) -> Clips:
    """Return every clip so many times, one copy of the collection after another, each with an id of its own."""
    named = [pl.format("{}~{}", "id", pl.lit(turn)).alias("id") for turn in range(times)]
    table = pl.concat([clips.table.with_columns(one) for one in named])
    return replace(clips, table=table.with_columns(pl.Series("row", np.arange(table.height))))


def synthesised(folder: Path, n: int, duration_s: float) -> Clips:
    """Return ``n`` synthesised clips in FLAC files in ``folder``, written where they are not there yet."""
    sounds = folder / f"sounds-{duration_s:g}s"
    sounds.mkdir(parents=True, exist_ok=True)
    have = len(list(sounds.glob("*.flac")))
    if have < n:
        for i, spec in enumerate(catalogue(n, 0, duration_s=duration_s)):
            if i >= have:
                write(sounds / f"{i:06d}.flac", render(spec, RATE), RATE)
    return open_data(f"folder:{sounds}?levels=-").select(limit=n)
