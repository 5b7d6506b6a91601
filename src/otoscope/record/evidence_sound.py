"""The ranked clips as sound: each once, in the run folder, so that a report needs no dataset.

MP3 mixed to one channel, at the clip's own rate or the next that MP3 offers, at most 32 kHz; longer clips are cut
after ``evidence_max_s``. A clip already written is not written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from otoscope.audio import channels
from otoscope.audio.resample import resample
from otoscope.audio.write import encode
from otoscope.data.clips import Clips
from otoscope.errors import AudioFileError
from otoscope.progress import track
from otoscope.store.atomic import write_bytes

MOST_HZ = 32_000
THREADS = 4


def write_clips(clips: Clips, rows: Sequence[int], folder: Path, longest_s: float) -> int:
    """Write each clip of ``rows`` to ``folder/<row>.mp3``; return how many were cut short.

    A clip that cannot be read any more is left out: the report shows that its sound is missing.
    """
    missing = [row for row in rows if not (folder / f"{row}.mp3").is_file()]
    with ThreadPoolExecutor(THREADS) as pool:
        done = pool.map(lambda row: _write(clips, row, folder, longest_s), missing)
        return sum(track(done, len(missing), "writing evidence"))


def _write(clips: Clips, row: int, folder: Path, longest_s: float) -> bool:
    try:
        waveform, rate = clips.source.read(clips.record(row))
    except AudioFileError:
        return False
    cut = bool(waveform.shape[1] > longest_s * rate)
    mono = channels.apply(waveform[:, : round(longest_s * rate)], "mix")
    target = min(rate, MOST_HZ)
    write_bytes(folder / f"{row}.mp3", encode(resample(mono, rate, target), target, "mp3", clipping="scale"))
    return cut
