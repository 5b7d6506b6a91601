"""Synthetic sounds with known properties as data: ``sounds:400`` or ``sounds:?n=400&seed=0``.

Wraps :mod:`otoscope.audio.synthesis`: kinds take turns and parameters are spread evenly over their ranges.
Label sets ``label`` (plain English, primary) and ``kind``; column ``params`` holds, as JSON, everything that
is known of a clip: its parameters, ``level_db``, ``duration_s`` and ``seed``. Clips are independent, so the
group is the clip. Folds 1-5 are dealt out in turn within each kind. Where the onsets of a sound are known
they are its events; their offsets are not known (null).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.audio.synthesis import SoundSpec, catalogue, onsets_s, render
from otoscope.data.clips import Clips, LabelSet
from otoscope.data.table import assemble
from otoscope.errors import InputError
from otoscope.store.hashing import canonical_json

_N_FOLDS = 5
_EXPECTED = "sounds:NUMBER or sounds:?n=NUMBER&seed=0&duration_s=2&kinds=rain,siren&sample_rate=16000"


@dataclass(frozen=True)
class SyntheticSource:
    """Renders the sound of a row from its kind and parameters.

    Attributes
    ----------
    sample_rate : int
        Hz, at least 16000.
    """

    sample_rate: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that :meth:`read` needs."""
        return ("kind", "label", "params")

    def read(self, record: Mapping[str, Any]) -> tuple[NDArray[np.float32], int]:
        """Return (waveform float32 (1, time), sample_rate)."""
        return render(spec_of(record), self.sample_rate), self.sample_rate

    def size(self, record: Mapping[str, Any]) -> int:
        """Return the number of bytes of the rendered samples."""
        return 4 * round(spec_of(record).duration_s * self.sample_rate)

    def duration_s(self, record: Mapping[str, Any]) -> float:
        """Return how long the sound lasts."""
        return spec_of(record).duration_s


def load(
    rest: str,
    *,
    n: int = 400,
    seed: int = 0,
    duration_s: float = 2.0,
    kinds: str = "",
    sample_rate: int = 16000,
) -> Clips:
    """Return synthetic sounds with known properties: sounds:NUMBER.

    Parameters
    ----------
    rest : str
        How many; empty means ``n``.
    n : int
        How many, where ``rest`` is empty.
    seed : int
        Equal seeds give equal sounds.
    duration_s : float
        Length of every sound.
    kinds : str
        Names of kinds joined by commas; empty means all.
    sample_rate : int
        Hz, at least 16000.

    Raises
    ------
    InputError
        If a number cannot be used; UnknownNameError for an unknown kind.
    """
    if rest and not (rest.isascii() and rest.isdigit()):
        raise InputError(f"expected {_EXPECTED}; got sounds:{rest}")
    if sample_rate < 16000 or seed < 0:
        raise InputError(
            f"sample_rate is at least 16000 Hz and seed at least 0, got {sample_rate} and {seed}"
        )
    names = [one.strip() for one in kinds.split(",") if one.strip()] or None
    specs = catalogue(int(rest or n), seed, duration_s=duration_s, kinds=names)
    frame = _table(specs)
    sets = [LabelSet(one, tuple(dict.fromkeys(frame[one].to_list()))) for one in ("label", "kind")]
    return assemble(
        frame,
        sets,
        SyntheticSource(sample_rate),
        name="sounds",
        spec=f"sounds:{rest or n}",
        expected=_EXPECTED,
        group_declared=True,
        events=_events(specs),
    )


def spec_of(record: Mapping[str, Any]) -> SoundSpec:
    """Return the SoundSpec of a row: what :func:`otoscope.audio.synthesis.render` takes."""
    params = json.loads(record["params"])
    fixed = {name: params.pop(name) for name in ("seed", "duration_s", "level_db")}
    return SoundSpec(record["kind"], record["label"], params, **fixed)


def _table(specs: Sequence[SoundSpec]) -> pl.DataFrame:
    turns: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for one in specs:
        turn = turns[one.kind] = turns.get(one.kind, -1) + 1
        known = {**one.params, "seed": one.seed, "duration_s": one.duration_s, "level_db": one.level_db}
        rows.append(
            {
                "path": f"{one.kind}-{turn:04d}",
                "fold": turn % _N_FOLDS + 1,
                "label": one.label,
                "kind": one.kind,
                "params": canonical_json(known),
            }
        )
    return pl.DataFrame(rows)


def _events(specs: Sequence[SoundSpec]) -> pl.DataFrame:
    rows = [(row, onset, None, one.label) for row, one in enumerate(specs) for onset in onsets_s(one) or ()]
    schema = {"row": pl.Int64, "onset_s": pl.Float64, "offset_s": pl.Float64, "label": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")
