"""Which clips' sounds and pictures go into the page, each once, until its size limit is reached.

Clips are taken by the best rank at which any shown neuron has them (rank 1 first; among those of one rank the
clip that more neurons share). Pictures come first, up to a quarter of the room, because they are small; then
sounds: as the run keeps them where all fit; else encoded again as MP3 at the highest of ``BITRATES_KBPS`` at which
all fit; else at the lowest, a clip that does not fit being passed over. So what is missing is what matters least,
and it is counted.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from otoscope.audio import read as audio_read
from otoscope.audio.resample import resample
from otoscope.audio.write import encode
from otoscope.errors import AudioFileError
from otoscope.progress import track
from otoscope.report import pictures
from otoscope.report.overview_views import FailureView

SOUND_TYPES = {".mp3": "audio/mpeg", ".opus": "audio/ogg; codecs=opus", ".ogg": "audio/ogg"}
BITRATES_KBPS = (64, 48, 32)
_TAG_BYTES = 64
_HEADER_BYTES = 1024
_THREADS = 2
_MOST_HZ = 24_000
_HEADROOM = 0.84  # 1.5 dB: a lossy codec may decode that far beyond full scale
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
    bitrate_kbps : int or None
        What the sounds were encoded again at; None where they are as in the run.
    """

    by_row: dict[int, Asset]
    full_ranks: int
    n_without_sound: int
    n_without_picture: int
    failures: tuple[FailureView, ...]
    bitrate_kbps: int | None = None

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
    kbps, sounds = _sounds(root, drawn, room) if audio else (None, {})
    chosen = drawn | {r: replace(drawn[r], sound=data, sound_type=kind) for r, (data, kind) in sounds.items()}
    lost = {one.row for one in failed}
    silent = [row for row in ranks if row not in lost and not (row in chosen and chosen[row].sound)]
    plain = [row for row in ranks if row not in lost and not (row in chosen and chosen[row].picture)]
    full = min((ranks[row] for row in silent), default=max(ranks.values(), default=0) + 1) - 1
    return Assets(chosen, full, len(silent) if audio else 0, len(plain), failed, kbps)


def _sounds(
    root: Path, drawn: Mapping[int, Asset], room: float
) -> tuple[int | None, dict[int, tuple[str, str]]]:
    """Return the bit rate of the sounds (None: as in the run) and sound and type of the clips that fit."""
    paths = {row: path for row in drawn if (path := sound_path(root, row)) is not None}
    kept = {row: _in_base64(path.stat().st_size) for row, path in paths.items()}
    kbps, taken = None, list(paths)
    if sum(kept.values()) > room:
        sizes = {k: {row: min(kept[row], _size(drawn[row], k)) for row in paths} for k in BITRATES_KBPS}
        kbps = next((k for k in BITRATES_KBPS if sum(sizes[k].values()) <= room), BITRATES_KBPS[-1])
        taken = _that_fit(sizes[kbps], room)
    with ThreadPoolExecutor(_THREADS) as pool:
        sounds = pool.map(lambda row: _sound(paths[row], kbps), taken)
        return kbps, dict(zip(taken, track(sounds, len(taken), "packing sounds"), strict=True))


def _size(asset: Asset, kbps: int) -> int:
    return _in_base64(round(asset.duration_s * kbps * 1000 / 8) + _HEADER_BYTES)


def _that_fit(sizes: Mapping[int, int], room: float) -> list[int]:
    taken = []
    for row, size in sizes.items():
        if size <= room:
            taken.append(row)
            room -= size
    return taken


def _sound(path: Path, kbps: int | None) -> tuple[str, str]:
    """Return a clip's sound and its type: as the run keeps it, or smaller where that is smaller."""
    data, suffix = path.read_bytes(), path.suffix
    if kbps is not None:
        waveform, rate = audio_read.read(path)
        at_rate = resample(waveform, rate, min(rate, _MOST_HZ))
        smaller = encode(_HEADROOM * at_rate, min(rate, _MOST_HZ), "mp3", clipping="clip", bitrate_kbps=kbps)
        data, suffix = min((data, suffix), (smaller, ".mp3"), key=lambda one: len(one[0]))
    return _base64(data), SOUND_TYPES[suffix]


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


def _in_base64(n_bytes: int) -> int:
    return 4 * ((n_bytes + 2) // 3)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
