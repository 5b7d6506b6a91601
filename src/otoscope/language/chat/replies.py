"""One reply to one conversation: remembered by the job, found in the cache, or bought.

Whoever asks first buys, under a lock of the answer's key in this job and a claim in the cache against other
processes; the rest wait and read. A reply is in the cache before anything else is done with it.
"""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from otoscope.errors import ChatError, PermanentChatError, TransientChatError
from otoscope.language.chat.budget import Budget, Spent
from otoscope.language.chat.cache import AnswerCache
from otoscope.language.chat.counting import prompt_tokens, text_tokens
from otoscope.language.chat.model import ChatModel, Message, Reply, Sampling
from otoscope.language.chat.pace import Pace, Stopped
from otoscope.language.chat.question import Limits

MAX_REPLY = 65_536
"""Characters of a reply that are kept; the rest is cut off before anyone reads it."""

_LEASE_MARGIN_S = 30.0
_POLL_S = 0.2
_STOPPED = "the job was stopped"


@dataclass(frozen=True)
class Bought:
    """A reply and what it took now.

    Attributes
    ----------
    reply : Reply
        With token counts, estimated where the server gave none.
    calls, spent_tokens : int
        Requests made and tokens bought for it now; 0 where it was there already.
    """

    reply: Reply
    calls: int = 0
    spent_tokens: int = 0


class NoReply(Exception):
    """There is no reply; the message says why.

    Attributes
    ----------
    calls : int
        Requests made in vain.
    """

    def __init__(self, message: str, calls: int = 0) -> None:
        super().__init__(message)
        self.calls = calls


class Replies:
    """The replies of one job.

    Parameters
    ----------
    model : ChatModel
        Who is asked.
    cache : AnswerCache or None
        Where replies outlive the job.
    limits : Limits
        Retries and budget.
    """

    def __init__(self, model: ChatModel, cache: AnswerCache | None, limits: Limits) -> None:
        self.model = model
        self._cache, self._limits = cache, limits
        self._budget, self._pace = Budget(limits.max_calls, limits.max_tokens), Pace(limits)
        self._lock = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._known: dict[str, Bought | NoReply] = {}
        self._owner = uuid.uuid4().hex
        self._silent = 0
        self._over: str | None = None

    def get(
        self, key: str, messages: Sequence[Message], sampling: Sampling, usable: Callable[[str], bool]
    ) -> Bought:
        """Return the reply named ``key``.

        Parameters
        ----------
        key : str
            ``answer_key(model.id, messages, sampling)``.
        messages, sampling
            What to ask where there is none.
        usable : callable of str -> bool
            Whether a reply that an earlier job found unusable is usable for this question after all.

        Raises
        ------
        NoReply
            If there is none and none could be bought.
        """
        with self._lock:
            own = self._locks[key]
        with own:
            if key not in self._known:
                self._known[key] = self._found_or_bought(key, messages, sampling, usable)
                got = self._known[key]
            else:
                got = _again(self._known[key])
        if isinstance(got, NoReply):
            raise got
        return got

    def reject(self, keys: Sequence[str], reason: str) -> None:
        """Mark replies as unusable, so that a later job asks again."""
        if self._cache is not None:
            self._cache.reject(keys, reason)

    def stop(self) -> None:
        """Wake waiting threads, and buy nothing more."""
        self._over = _STOPPED
        self._pace.stop()

    def _found_or_bought(
        self, key: str, messages: Sequence[Message], sampling: Sampling, usable: Callable[[str], bool]
    ) -> Bought | NoReply:
        if self._cache is None:
            return self._bought(key, messages, sampling)
        lease = self._limits.timeout_s + self._limits.max_wait_s + _LEASE_MARGIN_S
        claimed = False
        try:
            while True:
                found = self._cache.find(key)
                if found is not None and (found.rejected is None or usable(found.reply.text)):
                    return Bought(found.reply)
                if claimed:  # nobody bought it before the claim was ours
                    return self._bought(key, messages, sampling)
                claimed = self._cache.claim(key, self._owner, lease)
                if not claimed:
                    self._pace.sleep(_POLL_S)
        except Stopped:
            return NoReply(_STOPPED)
        finally:
            if claimed:
                self._cache.release(key, self._owner)

    def _bought(self, key: str, messages: Sequence[Message], sampling: Sampling) -> Bought | NoReply:
        """Return the reply, or why there is none after all attempts."""
        calls = 0
        try:
            prompt = prompt_tokens(self.model, messages)
            while self._over is None:
                self._pace.wait_turn()
                self._budget.reserve(prompt + sampling.max_tokens)
                calls += 1
                try:
                    return self._requested(key, messages, sampling, prompt, calls)
                except TransientChatError as error:
                    if calls > self._limits.retries or (error.retry_after_s or 0) > self._limits.max_wait_s:
                        return self._unheard(error, calls)
                    self._pace.after(error, key, calls - 1)
            return NoReply(self._over, calls)
        except Spent as error:
            return NoReply(str(error), calls)
        except Stopped:
            return NoReply(_STOPPED, calls)
        except PermanentChatError as error:
            return self._unheard(error, calls, error.every_question)

    def _requested(
        self, key: str, messages: Sequence[Message], sampling: Sampling, prompt: int, calls: int
    ) -> Bought:
        """Return the reply of one request, stored if it is not empty; what was reserved for it is settled."""
        spent = 0
        try:
            reply = _trimmed(self.model.complete(messages, sampling), prompt)
            spent = (reply.prompt_tokens or 0) + (reply.completion_tokens or 0)
        finally:
            self._budget.settle(prompt + sampling.max_tokens, spent)
        if self._cache is not None and reply.text.strip():
            self._cache.put(key, self.model.id, reply)
        self._silent = 0
        return Bought(reply, calls, spent)

    def _unheard(self, error: ChatError, calls: int, every_question: bool = False) -> NoReply:
        """Return the failure; give the job up where the next questions will fare no better."""
        with self._lock:
            self._silent += 1
            if every_question:
                self._over = f"the job was given up: {error}"
            elif self._silent >= self._limits.give_up_after:
                self._over = f"the job was given up after {self._silent} questions without a reply: {error}"
        asked = getattr(error, "retry_after_s", None) or 0.0
        if asked > self._limits.max_wait_s:
            return NoReply(
                f"{error} It asks to wait {asked:.0f} s; max_wait_s is {self._limits.max_wait_s:g}.", calls
            )
        return NoReply(f"{error} (requests: {calls})", calls)


def _trimmed(reply: Reply, prompt: int) -> Reply:
    """Return the reply with at most MAX_REPLY characters and with token counts."""
    long = len(reply.text) > MAX_REPLY
    given = reply.completion_tokens
    return Reply(
        reply.text[:MAX_REPLY],
        prompt if reply.prompt_tokens is None else reply.prompt_tokens,
        text_tokens(reply.text) if given is None else given,
        "cut" if long else reply.finish_reason,
    )


def _again(known: Bought | NoReply) -> Bought | NoReply:
    """Return what an equal question gets: the same, at no cost."""
    return replace(known, calls=0, spent_tokens=0) if isinstance(known, Bought) else NoReply(str(known))
