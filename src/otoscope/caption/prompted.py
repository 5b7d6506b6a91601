"""Captions by whatever listens to a waveform and answers a prompt: the part that all such captioners share.

Clips are mixed to one channel, resampled to the listener's rate, and put to it a few at a time; where a group fails,
its clips are asked one by one, so that one bad clip costs no other its caption. What the listener says is cleaned of
loops (:mod:`otoscope.caption.cleaning`), stored and encoded, never interpreted. Beside the common columns stand

=============== ======== ===============================================================
prompt_hash     String   first 8 digits of the sha256 of the prompt
removed_tokens  Int64    tokens of loops that were removed; null where it failed
reply           String   what was said, before cleaning; null where it failed
=============== ======== ===============================================================
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.caption.captioner import Rows, chosen, table
from otoscope.caption.cleaning import Cleaning, clean
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.progress import track
from otoscope.store.hashing import hash8

logger = logging.getLogger(__name__)

PROMPT = "Describe in one or two English sentences what can be heard and what it sounds like."
"""Asked where no other prompt is given."""

VERSION = 1
_LONGEST_REASON = 300


class Listener(Protocol):
    """What hears waveforms and says something.

    Attributes
    ----------
    id : str
        Everything that decides what it says, beside waveform and prompt.
    sample_rate : int
        Hertz of the waveforms it takes.
    """

    @property
    def id(self) -> str:
        """Name and content hash."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hertz of the waveforms it takes."""
        ...

    def say(self, waveforms: Sequence[NDArray[np.float32]], prompt: str) -> list[str]:
        """Return one text a waveform float32 ``(time,)``."""
        ...


@dataclass(frozen=True)
class Said:
    """What became of one clip.

    Attributes
    ----------
    text : str or None
        The text.
    reason : str or None
        Why there is none.
    """

    text: str | None
    reason: str | None = None


@dataclass(frozen=True)
class PromptedCaptioner:
    """A listener that is asked about every clip.

    Attributes
    ----------
    scheme : str
        Of the captioner.
    listener : Listener
    prompt : str
    cleaning : {"loops", "and-2024", "keep"}
        What is done with looping captions.
    batch_size : int
        Clips put to the listener at a time. Not part of the id.
    """

    scheme: str
    listener: Listener
    prompt: str = PROMPT
    cleaning: Cleaning = "loops"
    batch_size: int = 4

    @property
    def id(self) -> str:
        """Scheme, and a hash of listener, prompt and cleaning."""
        return f"{self.scheme}-{hash8([VERSION, self.listener.id, self.prompt, self.cleaning])}"

    @property
    def circular(self) -> bool:
        """False: it hears the waveform only."""
        return False

    @property
    def prompt_hash(self) -> str:
        """First 8 digits of the sha256 of the prompt."""
        return hashlib.sha256(self.prompt.encode("utf-8")).hexdigest()[:8]

    def captions(self, clips: Clips, *, rows: Rows | None = None, workers: int | None = 0) -> pl.DataFrame:
        """Return the table of captions; a clip that cannot be decoded, or is not answered, is ``failed``."""
        wanted = chosen(clips, rows)
        texts: dict[int, str] = {}
        reasons: dict[int, str] = {}
        removed: dict[int, int] = {}
        replies: dict[int, str] = {}
        for some, waveforms in self._heard(clips, wanted, workers, reasons):
            for row, said in zip(some, self._said(waveforms), strict=True):
                if said.text is None:
                    reasons[row] = said.reason or "no answer"
                    logger.warning("%s: no caption of row %d: %s", self.scheme, row, said.reason)
                else:
                    cleaned = clean(said.text, self.cleaning)
                    texts[row], removed[row], replies[row] = cleaned.text, cleaned.removed, said.text
        found = table(clips, wanted, texts, reasons)
        return found.with_columns(
            pl.lit(self.prompt_hash).alias("prompt_hash"),
            pl.Series("removed_tokens", [removed.get(row) for row in wanted], dtype=pl.Int64),
            pl.Series("reply", [replies.get(row) for row in wanted], dtype=pl.String),
        )

    def notes(self, clips: Clips) -> Mapping[str, Any]:
        """Return who was asked what."""
        return {
            "listener": self.listener.id,
            "prompt": self.prompt,
            "prompt_hash": self.prompt_hash,
            "cleaning": self.cleaning,
            "sample_rate_hz": self.listener.sample_rate,
        }

    def _heard(
        self, clips: Clips, wanted: list[int], workers: int | None, reasons: dict[int, str]
    ) -> Iterator[tuple[list[int], list[NDArray[np.float32]]]]:
        """Yield rows and waveforms of up to ``batch_size`` clips; reasons of failures go into ``reasons``."""
        rows: list[int] = []
        waveforms: list[NDArray[np.float32]] = []
        stream = batches(
            clips, Decoding(self.listener.sample_rate), rows=wanted, batch_size=1, workers=workers
        )
        for batch in track(stream, len(wanted), "caption"):
            reasons.update((failure.row, failure.reason) for failure in batch.failures)
            for row, waveform in zip(batch.rows.tolist(), batch.waveforms, strict=True):
                rows.append(row)
                waveforms.append(waveform[0].copy())
            if len(rows) >= self.batch_size:
                yield rows, waveforms
                rows, waveforms = [], []
        if rows:
            yield rows, waveforms

    def _said(self, waveforms: list[NDArray[np.float32]]) -> list[Said]:
        """Return what is said of each waveform; where all together fail, they are asked one by one."""
        try:
            texts = self.listener.say(waveforms, self.prompt)
            return [_checked(one) for one in _as_many(texts, len(waveforms))]
        except Exception as error:
            logger.debug("%s failed on %d clips", self.scheme, len(waveforms), exc_info=True)
            if len(waveforms) == 1:
                first = (str(error).strip().splitlines() or [""])[0]
                return [Said(None, f"{type(error).__name__}: {first}"[:_LONGEST_REASON])]
        return [said for one in waveforms for said in self._said([one])]


def _as_many(texts: Any, wanted: int) -> list[Any]:
    if not isinstance(texts, list) or len(texts) != wanted:
        raise TypeError(f"expected a list of {wanted} texts, got {type(texts).__name__}")
    return texts


def _checked(text: Any) -> Said:
    if not isinstance(text, str):
        return Said(None, f"expected a text, got {type(text).__name__}")
    return Said(text) if text.strip() else Said(None, "the caption is empty")
