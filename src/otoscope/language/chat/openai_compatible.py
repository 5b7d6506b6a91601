"""Any server that speaks the chat-completions protocol of OpenAI: vLLM, Ollama, llama.cpp, ``transformers serve``, ...

``openai:MODEL`` asks api.openai.com, or the server that the environment names in ``OPENAI_BASE_URL``;
``openai:MODEL@http://host:port/v1`` asks that one. The key is the environment's ``OPENAI_API_KEY`` (servers of one's
own mostly need none); it is sent with each request, as the SDK does, and nowhere else: not in the id, in a
message, in a log or on disk.

What the server returns is not trusted: the body is read up to 4 MiB and up to the time limit (however slowly it
drips), and searched by us for ``choices[0].message.content`` and for the token counts.

======================================================== ===========================================================
429, 408, 409, 425, 5xx, no connection, cut off,         transient: asked again, after ``Retry-After`` where given
timed out, a body that is no chat completion
429 with the code ``insufficient_quota``, 401, 404       permanent, and no other question would fare better
any other 4xx                                            permanent for this question (some servers answer 403 to
                                                         a text that their filter dislikes)
======================================================== ===========================================================

The longest reply is asked for as ``max_tokens``, which every server knows; api.openai.com alone as
``max_completion_tokens``, since its newer models refuse the other. The SDK's own retries are off;
:mod:`otoscope.language.chat.replies` retries, and counts.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import weakref
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urlsplit

from otoscope.errors import ChatError, InputError, MissingExtraError, PermanentChatError, TransientChatError
from otoscope.language.chat.model import Message, Reply, Sampling
from otoscope.language.chat.options import ChatOptions
from otoscope.language.chat.pace import retry_after

TIMEOUT_S = 120.0
"""Longest time for one request, where a job says nothing else."""

MAX_BODY = 4 * 2**20
"""Bytes of a reply's body that are read."""

_OPENAI = "https://api.openai.com/v1"
_TRANSIENT = {408, 409, 425, 429}
_EVERY_QUESTION = {401, 404}
_QUOTA = "insufficient_quota"
_SHOWN = 300


class OpenAICompatible:
    """A model behind the chat-completions protocol.

    Attributes
    ----------
    id : str
        ``openai:MODEL``, and ``@host:port/path`` where that is not api.openai.com: one name can be other weights on
        another server.
    """

    def __init__(self, client: Any, model: str, base_url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._client, self._model, self._base_url, self._timeout_s = client, model, base_url, timeout_s
        where = "" if base_url == _OPENAI else "@" + base_url.partition("://")[2]
        self.id = f"openai:{model}{where}"

    def __repr__(self) -> str:
        return f"OpenAICompatible({self.id!r})"

    def with_timeout(self, seconds: float) -> Self:
        """Return the same model with another limit on each request."""
        return type(self)(self._client, self._model, self._base_url, seconds)

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Return one reply; the table of the module says which fault is which error."""
        import openai

        end = time.monotonic() + self._timeout_s
        client = self._client.with_options(timeout=self._timeout_s, max_retries=0)
        asked = _request(self._model, messages, sampling)
        longest = "max_completion_tokens" if self._base_url == _OPENAI else "max_tokens"
        try:
            with client.chat.completions.with_streaming_response.create(
                **asked, **{longest: sampling.max_tokens}
            ) as response:
                body = _body(response, end, self._timeout_s)
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APITimeoutError as error:
            raise TransientChatError(f"{self.id} did not answer within {self._timeout_s:g} s.") from error
        except openai.OpenAIError as error:
            raise TransientChatError(self._masked(f"no connection to {self.id}: {_cause(error)}.")) from None
        return _reply(body, self.id)

    def _refused(self, error: Any) -> ChatError:
        """Return our error for a status of 400 and above."""
        status, code = int(error.status_code), str(error.code or "")
        said = " ".join(str(error.message).split())[:_SHOWN]
        text = self._masked(f"{self.id} answered {status}: {said}")
        if code != _QUOTA and (status in _TRANSIENT or status >= 500):
            return TransientChatError(text, retry_after(error.response.headers))
        every = code == _QUOTA or status in _EVERY_QUESTION
        return PermanentChatError(text + (_advice(status) if every else ""), every_question=every)

    def _masked(self, text: str) -> str:
        key = str(self._client.api_key)
        return text.replace(key, "***") if len(key) > len(_NO_KEY) else text


_NO_KEY = "none"


def load(rest: str, options: ChatOptions) -> OpenAICompatible:
    """Return the model ``MODEL`` or ``MODEL@URL``; nothing is asked yet.

    Raises
    ------
    InputError
        If no model is named, the URL is none, holds a user or a query, or is given twice; or api.openai.com is
        asked for without a key.
    MissingExtraError
        If the openai SDK is not installed.
    """
    options.refuse("openai", "device")
    model, at, named = rest.partition("@http")
    if not model:
        raise InputError("openai: needs a model: openai:MODEL or openai:MODEL@http://host:port/v1")
    if at and options.base_url is not None:
        raise InputError(f"the server is given twice: in {rest!r} and as base_url {options.base_url!r}")
    given = f"http{named}" if at else options.base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
    url = _checked_url(given)
    key = os.environ.get("OPENAI_API_KEY")
    if not key and url == _OPENAI:
        raise InputError(
            f"openai:{model} is asked at {_OPENAI}, which needs a key: set OPENAI_API_KEY, or name another server: "
            f"openai:{model}@http://host:port/v1"
        )
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError.of("llm", "openai") from error
    http = openai.DefaultHttpxClient()
    client = openai.OpenAI(base_url=url, api_key=key or _NO_KEY, max_retries=0, http_client=http)
    # The SDK closes its connections in __del__, which the collector may call after its sockets' own: too late.
    weakref.finalize(client, http.close)
    return OpenAICompatible(client, model, url)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"expected a base_url such as http://localhost:8000/v1, got {url!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            "a base_url has no user, password or query (they would end up in files): set OPENAI_API_KEY instead"
        )
    return url.rstrip("/")


def _request(model: str, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "model": model,
        "messages": [_message(one) for one in messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        asked["seed"] = sampling.seed
    if sampling.stop:
        asked["stop"] = list(sampling.stop)
    return asked


def _message(message: Message) -> dict[str, Any]:
    if not message.sounds:
        return {"role": message.role, "content": message.text}
    heard = [
        {
            "type": "input_audio",
            "input_audio": {"data": base64.b64encode(one.data).decode("ascii"), "format": one.format},
        }
        for one in message.sounds
    ]
    return {"role": message.role, "content": [*heard, {"type": "text", "text": message.text}]}


def _body(response: Any, end: float, timeout_s: float) -> bytes:
    """Return the body, read up to the limits of size and time."""
    http = sys.modules[type(response.http_response).__module__.partition(".")[0]]  # the SDK's HTTP library
    parts, size = [], 0
    try:
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MAX_BODY:
                raise PermanentChatError(
                    f"the reply is longer than {MAX_BODY} bytes: it was not read to its end."
                )
            if time.monotonic() > end:
                raise TransientChatError(f"the reply had not ended after {timeout_s:g} s.")
    except http.TimeoutException as error:
        raise TransientChatError(f"the reply had not ended after {timeout_s:g} s.") from error
    except http.HTTPError as error:
        raise TransientChatError(f"the reply was cut off: {error}.") from error
    return b"".join(parts)


def _reply(body: bytes, name: str) -> Reply:
    try:
        found = json.loads(body)
        first = found["choices"][0]
        text = first["message"]["content"]
        if text is None:
            text = ""
        if not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        start = body[:80].decode("utf-8", "replace")
        raise TransientChatError(f"{name} did not send a chat completion but {start!r}.") from error
    usage = found.get("usage")
    reason = first.get("finish_reason")
    return Reply(
        text,
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        reason[:40] if isinstance(reason, str) else None,
    )


def _count(usage: object, name: str) -> int | None:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if type(found) is int and 0 <= found < 2**31 else None


def _cause(error: BaseException) -> str:
    """Return what lies at the bottom of an SDK error ("Connection error." alone says little)."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".rstrip(".: ")


def _advice(status: int) -> str:
    return {
        401: " Check OPENAI_API_KEY.",
        404: " Check the model's name and that the base_url ends in /v1.",
    }.get(status, "")
