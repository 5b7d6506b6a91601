"""SONYC-UST: 10-second street recordings from New York's sensors, several tags each; group = sensor.

``ROOT/annotations.csv`` (or ``annotations_with_test.csv``, the name that L2I's code expects) with one row per
annotator and recording: split, sensor_id, audio_filename, annotator_id, then ``<tag>_presence`` of 8 coarse and 29
fine tags; further columns (borough, year, week, day, hour ...) are kept where they are there (version 1 has fewer).
Sounds lie in ``audio/``, at any depth, or in folders ``audio-0`` ...; one that is not there is a counted failure.

Presence is 1, 0 or -1: *not asked*, which is no vote, neither for nor against. ``policy`` says how votes become
labels:

==============  ===================================================================================================
``any``         the tag has a vote for it, of whomever (the DCASE 2020 baseline's rule for training)
``majority``    more than half of its votes are for it; the team's consensus (annotator 0) counts as one
``consensus``   the team's consensus says so; recordings without it are left out
``published``   ``any`` for train, ``consensus`` for validate and test: the default
``l2i-2022``    as published code of L2I has it: in train the *sum* of presences must exceed 0.5, so that a -1 cancels a
                vote; in validate and test the consensus, -1 counting as absent
==============  ===================================================================================================

Label sets ``coarse`` (8) and ``fine`` (23), multi-label; ``level=fine`` makes fine the primary one. A tag without a
vote under the policy is neither present nor absent: it is named in the columns ``coarse_unknown`` and
``fine_unknown``, and so are all fine tags of a group whose "other or unknown" tag (X) is present and which are not
present themselves. Leave them out of a loss or a score. A recording without a vote for any coarse tag is left out and
counted in a message.

Splits: train, valid (validate) and test; train and valid have no sensor in common, test is later in time.

Reference: M. Cartwright et al., SONYC-UST-V2: An Urban Sound Tagging Dataset with Spatiotemporal Context, DCASE 2020.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data.clips import Clips, LabelSet
from otoscope.data.delimited import header_of, read_delimited
from otoscope.data.listed import root_of
from otoscope.data.source import FileSource
from otoscope.data.table import assemble, is_sound, require_columns
from otoscope.errors import DataLayoutError, EmptyDataError, UnknownNameError

POLICIES = ("published", "any", "majority", "consensus", "l2i-2022")
LEVELS = ("coarse", "fine")
SPLITS = {"train": "train", "validate": "valid", "test": "test"}
"""What the table calls a part -> what we call it."""

TABLES = ("annotations.csv", "annotations_with_test.csv")
"""Names of the table, the official one first."""

_COLUMNS = ("split", "sensor_id", "audio_filename", "annotator_id")
_CONTEXT = ("borough", "block", "latitude", "longitude", "year", "week", "day", "hour")
_PRESENCE = "_presence"
_TEAM = 0
_EXPECTED = "annotations.csv (or annotations_with_test.csv) beside audio/ with the recordings"
_log = logging.getLogger(__name__)


def load(rest: str, *, policy: str = "published", level: str = "coarse") -> Clips:
    """Return SONYC-UST with the annotators' votes made labels by a policy: sonyc-ust:PATH.

    Parameters
    ----------
    rest : str
        The folder with the table and ``audio``.
    policy : {"published", "any", "majority", "consensus", "l2i-2022"}
        See the module.
    level : {"coarse", "fine"}
        The primary label set.

    Raises
    ------
    DataLayoutError
        If the table or a column is missing, a cell cannot be used, or no listed sound is there.
    EmptyDataError
        If no recording has a vote under the policy.
    """
    for name, value, known in (("policy", policy, POLICIES), ("level", level, LEVELS)):
        if value not in known:
            raise UnknownNameError.of(name, value, known)
    root = root_of(rest, "SONYC-UST", _EXPECTED, ["*"], lambda folder: _table_of(folder) is not None)
    votes = _Votes.of(_table_of(root) or root)
    frame = _recordings(votes, policy)
    if not frame.height:
        raise EmptyDataError(f"sonyc-ust:{rest} has no recording with a vote under policy {policy!r}")
    frame = frame.with_columns(path=_places(frame["audio_filename"].to_list(), root)).drop("audio_filename")
    names = [level, *(one for one in LEVELS if one != level)]
    return assemble(
        frame,
        [LabelSet(one, votes.tags(one), "multi") for one in names],
        FileSource(root),
        name="sonyc-ust",
        spec=f"sonyc-ust:{rest}",
        expected=_EXPECTED,
        group_declared=True,
    )


@dataclass(frozen=True)
class _Votes:
    """The table: one row an annotator and recording, presence (annotation, tag) as 1, 0 or -1, and whose it is."""

    rows: pl.DataFrame
    columns: tuple[str, ...]
    presence: NDArray[np.int64]
    team: NDArray[np.bool_]

    @classmethod
    def of(cls, file: Path) -> _Votes:
        """Read the table, sorted by recording."""
        header = header_of(file)
        frame = read_delimited(file, text=("split", "sensor_id", "audio_filename"))
        require_columns(frame, _COLUMNS, file)
        tags = tuple(one.removesuffix(_PRESENCE) for one in header if one.endswith(_PRESENCE))
        if not any(_is_coarse(one) for one in tags) or all(_is_coarse(one) for one in tags):
            raise DataLayoutError(
                f"{file}: expected columns such as 1_engine_presence and 1-1_small-sounding-engine_presence; found "
                f"{len(tags)} that end in {_PRESENCE}"
            )
        odd = sorted(set(frame["split"].to_list()) - SPLITS.keys(), key=str)
        if odd:
            raise DataLayoutError(f"{file}: split is {', '.join(SPLITS)}, got {odd[0]!r}")
        frame = frame.sort("audio_filename", maintain_order=True)
        presence = frame.select(f"{one}{_PRESENCE}" for one in tags).to_numpy()
        if not np.isin(presence, (-1, 0, 1)).all():
            raise DataLayoutError(
                f"{file}: presence is 1, 0 or -1, got {presence[~np.isin(presence, (-1, 0, 1))][0]}"
            )
        team = frame["annotator_id"].to_numpy() == _TEAM
        return cls(frame, tags, presence.astype(np.int64), team)

    def tags(self, level: str) -> tuple[str, ...]:
        """Return the classes of a level; the "other or unknown" tags are none."""
        wanted = level == "coarse"
        return tuple(one for one in self.columns if _is_coarse(one) == wanted and not _is_other(one))


def _is_coarse(tag: str) -> bool:
    return "-" not in tag.partition("_")[0]


def _is_other(tag: str) -> bool:
    return tag.partition("_")[0].endswith("-X")


def _table_of(folder: Path) -> Path | None:
    return next((folder / one for one in TABLES if (folder / one).is_file()), None)


def _recordings(votes: _Votes, policy: str) -> pl.DataFrame:
    """Return one row a recording: group, split, context, tags and unknown tags."""
    names, starts = np.unique(votes.rows["audio_filename"].to_numpy(), return_index=True)
    first = votes.rows[starts]
    splits = first["split"].replace_strict(SPLITS)
    decided = np.stack(
        [
            _decided(votes, slice(start, end), policy, split)
            for start, end, split in zip(starts, [*starts[1:], votes.rows.height], splits, strict=True)
        ]
    )  # (recording, tag): 1, 0, or -1 where there is no vote
    coarse = np.array([_is_coarse(one) for one in votes.columns])
    known = (decided[:, coarse] >= 0).any(axis=1)
    if not known.all():
        _log.info(
            "%d of %d recordings have no vote under policy %s and are left out",
            (~known).sum(),
            len(names),
            policy,
        )
    context = [one for one in _CONTEXT if one in votes.rows.columns]
    frame = first.select("audio_filename", pl.col("sensor_id").alias("group"), *context).with_columns(
        split=splits
    )
    columns = [column for level in LEVELS for column in _columns(votes, decided, level)]
    return frame.with_columns(columns).filter(pl.Series(known))


def _decided(votes: _Votes, rows: slice, policy: str, split: str) -> NDArray[np.int64]:
    """Return (tag,): 1 present, 0 absent, -1 without a vote."""
    presence = votes.presence[rows]
    team = presence[votes.team[rows]]
    held_out = split != "train"
    if policy == "l2i-2022":
        if not held_out:
            return np.where(presence.sum(axis=0) > 0.5, 1, 0)
        return np.where(team[0] == 1, 1, 0) if len(team) else np.full(presence.shape[1], -1)
    if policy == "consensus" or (policy == "published" and held_out):
        presence = team
    n_for, n_votes = (presence == 1).sum(axis=0), (presence >= 0).sum(axis=0)
    present = n_for * 2 > n_votes if policy == "majority" else n_for > 0
    decided: NDArray[np.int64] = np.where(n_votes == 0, -1, present).astype(np.int64)
    return decided


def _columns(votes: _Votes, decided: NDArray[np.int64], level: str) -> list[pl.Series]:
    """Return the column of a level's tags and the column of those that are unknown."""
    tags = votes.tags(level)
    place = {one: index for index, one in enumerate(votes.columns)}
    values = decided[:, [place[one] for one in tags]]
    unknown = values < 0
    if level == "fine":
        for other in (one for one in votes.columns if _is_other(one)):
            group = other.partition("-")[0]
            inside = np.array([one.partition("-")[0] == group for one in tags])
            heard = decided[:, place[other]] == 1
            unknown |= heard[:, None] & inside & (values != 1)
    cells = [[tag for tag, there in zip(tags, row, strict=True) if there] for row in values == 1]
    blanks = [[tag for tag, there in zip(tags, row, strict=True) if there] for row in unknown]
    kind = pl.List(pl.String)
    return [pl.Series(level, cells, dtype=kind), pl.Series(f"{level}_unknown", blanks, dtype=kind)]


def _places(names: list[str], root: Path) -> pl.Series:
    """Return the path of every recording under ``audio/`` or ``audio-*``; as ``audio/NAME`` where it is not there."""
    found: dict[str, str] = {}
    for top in sorted(one for one in root.iterdir() if one.is_dir() and one.name.startswith("audio")):
        for folder, _, files in os.walk(top):
            base = Path(folder).relative_to(root)
            found.update({one: (base / one).as_posix() for one in files if is_sound(one)})
    if not any(one in found for one in names):
        raise DataLayoutError(
            f"none of the {len(names)} recordings of the table lies in {root / 'audio'}. Expected files such as "
            f"{names[0]!r}; found {len(found)} sound files" + (f", such as {min(found)!r}" if found else "")
        )
    return pl.Series("path", [found.get(one, f"audio/{one}") for one in names], dtype=pl.String)
