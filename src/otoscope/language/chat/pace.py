"""How long to wait before asking again, and what a server's ``Retry-After`` says.

The wait before retry r = 0, 1, ... is backoff * 2^r, at most max_wait, times a factor drawn evenly from [0.5, 1] by a
generator seeded with (seed, key of the question, r): threads spread out, and a job repeats itself. Where the server
says how long, that is waited instead, by every thread of the job, plus a hundredth drawn the same way.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from otoscope.errors import TransientChatError
from otoscope.language.chat.question import Limits


class Stopped(Exception):
    """The job ended while a thread was waiting."""


class Pace:
    """The waits of one job.

    Parameters
    ----------
    limits : Limits
        Backoff, longest wait and seed.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open_at = 0.0

    def stop(self) -> None:
        """Wake every waiting thread; each raises :class:`Stopped`."""
        self._stop.set()

    def wait_turn(self) -> None:
        """Return when no wait that the server asked for is running.

        Raises
        ------
        Stopped
            If the job ended meanwhile.
        """
        while not self._stop.is_set():
            with self._lock:
                left = self._open_at - time.monotonic()
            if left <= 0:
                return
            self._stop.wait(left)
        raise Stopped

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises
        ------
        Stopped
            If the job ended meanwhile.
        """
        if self._stop.wait(seconds):
            raise Stopped

    def after(self, error: TransientChatError, key: str, retry: int) -> None:
        """Wait as long as ``error`` and the number of retries so far ask for.

        Raises
        ------
        Stopped
            If the job ended meanwhile.
        """
        share = random.Random(f"{self._limits.seed}:{key}:{retry}").random()
        if error.retry_after_s is not None:
            with self._lock:
                self._open_at = max(self._open_at, time.monotonic() + error.retry_after_s * (1 + share / 100))
            self.wait_turn()
        else:
            self.sleep(backoff(self._limits, share, retry))


def backoff(limits: Limits, share: float, retry: int) -> float:
    """Return the seconds before retry ``retry`` (0 = first), ``share`` in [0, 1] drawn by the caller.

    Examples
    --------
    >>> [backoff(Limits(backoff_s=1, max_wait_s=6), 1.0, retry) for retry in range(4)]
    [1.0, 2.0, 4.0, 6.0]
    """
    longest = min(limits.backoff_s * 2.0 ** min(retry, 60), limits.max_wait_s)
    return longest * (0.5 + share / 2)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait, None where it does not say or says nonsense.

    Read are ``retry-after-ms`` and ``Retry-After`` (RFC 9110, 10.2.3), in seconds or as a date; a past date is 0.

    Parameters
    ----------
    headers : mapping of str to str
        The reply's headers, by lower-case names or indifferent to case.
    now : datetime, optional
        The time that a date is compared with.

    Examples
    --------
    >>> retry_after({"retry-after": "7"})
    7.0
    >>> retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, datetime(2026, 10, 21, 7, 27, tzinfo=UTC))
    60.0
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = (headers.get(name) or "").strip()
        if text.replace(".", "", 1).isdecimal() and text.isascii():
            return float(text) * unit
    try:
        date = parsedate_to_datetime(headers.get("retry-after") or "")
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
