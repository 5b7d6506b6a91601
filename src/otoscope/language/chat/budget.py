"""Calls and tokens of a job, counted before they are spent.

A request reserves one call and the most tokens it can cost, then settles for what it did cost. So a job with several
requests under way never makes one call more than allowed, and exceeds its tokens only by what the estimate of a
prompt is wrong. While reserved tokens may still come back, a request that does not fit waits for them; when none is
under way and it does not fit, :class:`Spent` is raised.
"""

from __future__ import annotations

import threading


class Spent(Exception):
    """The budget has no room for a request; the message says which part of it."""


class Budget:
    """What a job has spent, may spend, and has reserved.

    Parameters
    ----------
    max_calls, max_tokens : int or None
        What the job may spend; None = no limit.

    Attributes
    ----------
    calls, tokens : int
        Spent so far.
    """

    def __init__(self, max_calls: int | None, max_tokens: int | None) -> None:
        self._max_calls, self._max_tokens = max_calls, max_tokens
        self._changed = threading.Condition()
        self._reserved = 0
        self.calls = 0
        self.tokens = 0

    def reserve(self, tokens: int) -> None:
        """Count one call and hold ``tokens``.

        Raises
        ------
        Spent
            If they do not fit and nothing under way can make room.
        """
        with self._changed:
            while not self._fits(tokens):
                if not self._reserved:
                    raise Spent(
                        f"the token budget has {(self._max_tokens or 0) - self.tokens} of {self._max_tokens} "
                        f"left, the request may need {tokens}"
                    )
                self._changed.wait()
            if self._max_calls is not None and self.calls >= self._max_calls:
                raise Spent(f"the budget of {self._max_calls} calls is spent")
            self.calls += 1
            self._reserved += tokens

    def settle(self, reserved: int, spent: int) -> None:
        """Give ``reserved`` tokens back and count ``spent``."""
        with self._changed:
            self._reserved -= reserved
            self.tokens += spent
            self._changed.notify_all()

    def _fits(self, tokens: int) -> bool:
        return self._max_tokens is None or self.tokens + self._reserved + tokens <= self._max_tokens
