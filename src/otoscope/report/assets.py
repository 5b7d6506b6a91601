"""Which clips' sounds and pictures go into the page, each once, until its size limit is reached.

Clips are taken by the best rank at which any shown neuron has them (rank 1 first; among those of one rank the
clip that more neurons share). Pictures come first, up to a quarter of the room, because they are small; then
sounds, a clip that does not fit being passed over. So what is missing is what matters least, and it is counted.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otoscope.audio import read as audio_read
from otoscope.errors import AudioFileError
from otoscope.report import pictures
from otoscope.report.views import FailureView

SOUND_TYPES = {".mp3": "audio/mpeg", ".opus": "audio/ogg; codecs=opus", ".ogg": "audio/ogg"}
_TAG_BYTES = 64
_PICTURE_SHARE = 0.25


@dataclass(frozen=True)
class Asset:
    """Sound and picture of one clip, in base64.

    Attributes
    ----------
    row : int
    sound, sound_type : str
        ``""`` where the sound was left out.
    picture : str
        A WebP; ``""`` where it was left out.
    duration_s : float
        Length of the decoded sound, to which the picture's width corresponds.
    """

    row: int
    sound: str
    sound_type: str
    picture: str
    duration_s: float

    @property
    def size_bytes(self) -> int:
        """Bytes it takes in the page."""
        return len(self.sound) + len(self.picture) + 2 * _TAG_BYTES


@dataclass(frozen=True)
class Assets:
    """The chosen assets and what was left out.

    Attributes
    ----------
    by_row : dict of int to Asset
        In the order of importance.
    full_ranks : int
        Every clip up to this rank has its sound.
    n_without_sound, n_without_picture : int
        Shown clips whose sound or picture was left out for size.
    failures : tuple of FailureView
        Evidence that is missing or cannot be decoded.
    """

    by_row: dict[int, Asset]
    full_ranks: int
    n_without_sound: int
    n_without_picture: int
    failures: tuple[FailureView, ...]

    @property
    def n_with_sound(self) -> int:
        """Clips that can be played."""
        return sum(bool(one.sound) for one in self.by_row.values())


def best_ranks(shown: Iterable[Sequence[int]]) -> dict[int, int]:
    """Return ``{row: best rank}`` of the clips in these lists, the most important first.

    Parameters
    ----------
    shown : iterable of rows
        One list per neuron and pole, the extreme first.

    Examples
    --------
    >>> best_ranks([[5, 2], [2, 9], [5, 7]])
    {5: 1, 2: 1, 7: 2, 9: 2}
    """
    best: dict[int, int] = {}
    uses: dict[tuple[int, int], int] = {}
    for rows in shown:
        for rank, row in enumerate(rows, start=1):
            best[row] = min(best.get(row, rank), rank)
            uses[row, rank] = uses.get((row, rank), 0) + 1
    ordered = sorted(best, key=lambda row: (best[row], -uses[row, best[row]], row))
    return {row: best[row] for row in ordered}


def sound_path(root: Path, row: int) -> Path | None:
    """Return the evidence file of a clip, None where the run has none."""
    found = (root / "evidence" / "clips" / f"{row}{suffix}" for suffix in SOUND_TYPES)
    return next((path for path in found if path.is_file()), None)


def load(path: Path, row: int, sample_rate: int, *, sound: bool = True) -> Asset:
    """Return the asset of one evidence file.

    Raises
    ------
    AudioFileError
        If it cannot be decoded.
    """
    waveform, from_hz = audio_read.read(path)
    drawn = pictures.encode(pictures.spectrogram(waveform, from_hz, sample_rate))
    return Asset(
        row=row,
        sound=_base64(path.read_bytes()) if sound else "",
        sound_type=SOUND_TYPES[path.suffix] if sound else "",
        picture=_base64(drawn),
        duration_s=round(waveform.shape[-1] / from_hz, 3),
    )


def choose(
    root: Path,
    ranks: Mapping[int, int],
    ids: Mapping[int, str],
    *,
    sample_rate: int,
    room_bytes: int,
    audio: bool,
) -> Assets:
    """Return the assets that fit into ``room_bytes``.

    Parameters
    ----------
    root : Path
        The run folder.
    ranks : mapping of int to int
        From :func:`best_ranks`.
    ids : mapping of int to str
        Clip ids, to name a failure.
    sample_rate : int
        The network's, for the pictures.
    room_bytes : int
        Bytes of the page that are left for assets.
    audio : bool
        False leaves every sound out.
    """
    drawn, failed = _pictures(root, ranks, ids, sample_rate, room_bytes * (_PICTURE_SHARE if audio else 1.0))
    room = room_bytes - sum(one.size_bytes for one in drawn.values())
    chosen = dict(drawn)
    for row in ranks if audio else ():
        path = sound_path(root, row)
        if path is None or row not in drawn:
            continue
        size = 4 * ((path.stat().st_size + 2) // 3)
        if size <= room:
            one = drawn[row]
            sound = _base64(path.read_bytes())
            chosen[row] = Asset(row, sound, SOUND_TYPES[path.suffix], one.picture, one.duration_s)
            room -= size
    lost = {one.row for one in failed}
    silent = [row for row in ranks if row not in lost and not (row in chosen and chosen[row].sound)]
    plain = [row for row in ranks if row not in lost and not (row in chosen and chosen[row].picture)]
    full = min((ranks[row] for row in silent), default=max(ranks.values(), default=0) + 1) - 1
    return Assets(chosen, full, len(silent) if audio else 0, len(plain), failed)


def _pictures(
    root: Path, ranks: Mapping[int, int], ids: Mapping[int, str], sample_rate: int, room: float
) -> tuple[dict[int, Asset], tuple[FailureView, ...]]:
    drawn: dict[int, Asset] = {}
    failed = []
    for row in ranks:
        path = sound_path(root, row)
        try:
            if path is None:
                raise AudioFileError(f"the run holds no evidence/clips/{row}.mp3")
            one = load(path, row, sample_rate, sound=False)
        except AudioFileError as error:
            failed.append(FailureView(row, ids.get(row, ""), "report", str(error).replace(f"{root}/", "")))
            continue
        if one.size_bytes > room:
            one = Asset(row, "", "", "", one.duration_s)
        room -= one.size_bytes
        drawn[row] = one
    return drawn, tuple(failed)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
