"""A chat model of transformers, in this process: ``hf:NAME_OR_PATH``.

The conversation becomes a prompt by the checkpoint's own chat template. Templates without a system role (they raise,
or drop what the system says: Gemma, Mistral's first) get the conversation by the policy **merge**: the system text
stands at the head of the first user message, a blank line between them. Whether that is needed is found out by
rendering a system message once and looking for its text.

A reply is the likeliest token each time (temperature 0), or drawn from softmax(logits / temperature), cut to the
smallest set of tokens that holds ``top_p`` (A. Holtzman et al., 2020, "The Curious Case of Neural Text Degeneration",
ICLR), by a generator of its own with the sampling's seed (None: a fresh one). It ends at an end token of the
checkpoint, before a stop text, or after ``max_tokens``. Nothing else that a checkpoint's ``generation_config.json``
asks for (a temperature, a penalty of repetition) is applied: what was asked for is what is done, and what is hashed.

:data:`AND_2024` is the model that Audio Network Dissection (ICML 2024) used for summaries and for picking concepts,
:data:`AND_2024_SAMPLING` its settings; it drew unseeded, we draw with a seed. It is gated on the hub: its licence has
to be accepted there first.

The weights are loaded when the first reply is wanted; the tokenizer when the id or a count is.
"""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from otoscope.errors import ChatError, InputError, MissingExtraError, ModelError, PermanentChatError
from otoscope.language.chat.drawing import drawn
from otoscope.language.chat.model import Message, Reply, Sampling
from otoscope.language.chat.options import ChatOptions
from otoscope.models.device import checked_device
from otoscope.store.hashing import sha256_file

AND_2024 = "hf:meta-llama/Llama-2-13b-chat-hf"
"""The chat model of Audio Network Dissection as published."""

AND_2024_SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=1024)
"""Its settings for summaries, but for the seed, which the publication does not set."""

_PROBE = "otoscope-system-probe"
_DECIDING = (".json", ".jinja", ".model", ".safetensors", ".txt")


class LocalChat:
    """A transformers chat model and its tokenizer.

    Parameters
    ----------
    name : str
        On the hub, or a folder.
    device : str
        A torch device.
    timeout_s : float or None
        Longest time for one reply.

    Attributes
    ----------
    id : str
        ``hf:NAME@`` and 8 digits: of the commit for a model of the hub, else of the folder's files (weights,
        configuration, tokenizer, template).
    """

    def __init__(self, name: str, device: str = "cpu", timeout_s: float | None = None) -> None:
        self._name, self._device, self._timeout_s = name, device, timeout_s
        self._parts = _Parts(name, device)

    @property
    def id(self) -> str:
        """Name and content hash; reads the tokenizer and, for a folder, hashes its files (once)."""
        return self._parts.id

    def with_timeout(self, seconds: float) -> Self:
        """Return the same model, weights shared, with a limit on each reply."""
        other = type(self)(self._name, self._device, seconds)
        other._parts = self._parts
        return other

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the tokens of the prompt, template included.

        Raises
        ------
        PermanentChatError
            As for :meth:`complete`.
        """
        return len(self._parts.prompt(messages))

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Return one reply; one at a time, whoever asks.

        Raises
        ------
        PermanentChatError
            If the messages hold sound, the template refuses them, they do not fit the model's context, or the
            device fails.
        TransientChatError
            If the reply had not ended in time.
        ModelError
            If the weights cannot be loaded.
        """
        prompt = self._parts.prompt(messages)
        with self._parts.lock:
            return self._parts.reply(prompt, sampling, self._timeout_s)


class _Parts:
    """Tokenizer and weights, loaded when first used."""

    def __init__(self, name: str, device: str) -> None:
        self.name, self.device, self.lock = name, device, threading.RLock()

    @cached_property
    def id(self) -> str:
        """``hf:NAME@`` and 8 digits of the content."""
        local = Path(self.name).expanduser()
        if local.is_dir():
            return f"hf:{local.resolve().name}@{_hash_folder(local)}"
        commit = _loaded(self.name, "AutoConfig")._commit_hash
        return f"hf:{self.name}@{str(commit)[:8]}"

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, with a chat template."""
        found = _loaded(self.name, "AutoTokenizer")
        if not found.chat_template:
            raise ModelError(
                f"{self.name} has no chat template, so it is no chat model: take its -chat or -instruct sibling"
            )
        return found

    @cached_property
    def model(self) -> Any:
        """The weights, on the device, in evaluation mode."""
        found = _loaded(self.name, "AutoModelForCausalLM", dtype="auto")
        return found.to(self.device).eval()

    @cached_property
    def ends(self) -> set[int]:
        """The tokens that end a reply."""
        given = self.model.generation_config.eos_token_id
        listed = given if isinstance(given, list) else [given]
        return {one for one in (*listed, self.tokenizer.eos_token_id) if one is not None}

    @cached_property
    def takes_system(self) -> bool:
        """Whether the template shows what a system message says."""
        import jinja2

        probe = [{"role": "system", "content": _PROBE}, {"role": "user", "content": "a"}]
        try:
            return _PROBE in self.tokenizer.apply_chat_template(
                probe, tokenize=False, add_generation_prompt=True
            )
        except jinja2.TemplateError:
            return False

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the token ids of the prompt."""
        import jinja2

        if any(one.sounds for one in messages):
            raise PermanentChatError(f"hf:{self.name} takes text only, no sound", every_question=True)
        with self.lock:
            turns = messages if self.takes_system else merged(messages)
            rendered = [{"role": one.role, "content": one.text} for one in turns]
            try:
                text = self.tokenizer.apply_chat_template(
                    rendered, tokenize=False, add_generation_prompt=True
                )
            except jinja2.TemplateError as error:
                raise PermanentChatError(
                    f"the chat template of {self.name} refuses the messages: {error}"
                ) from error
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def reply(self, prompt: list[int], sampling: Sampling, timeout_s: float | None) -> Reply:
        """Return the reply to a prompt."""
        limit = getattr(self.model.config, "max_position_embeddings", None)
        if limit is not None and len(prompt) + sampling.max_tokens > limit:
            raise PermanentChatError(
                f"{len(prompt)} tokens of prompt and {sampling.max_tokens} of reply do not fit the {limit} of "
                f"{self.name}"
            )
        new: list[int] = []
        ended, text = False, ""
        try:
            for token in drawn(self.model, prompt, sampling, timeout_s):
                ended = token in self.ends
                new.append(token)
                text = self.tokenizer.decode(new, skip_special_tokens=True) if sampling.stop else ""
                if ended or any(one in text for one in sampling.stop):
                    break
        except RuntimeError as error:  # the device ran out of memory, or failed
            if isinstance(error, ChatError):
                raise
            raise PermanentChatError(f"{self.name} failed on {self.device}: {error}") from error
        text = before(self.tokenizer.decode(new, skip_special_tokens=True), sampling.stop)
        cut = len(new) == sampling.max_tokens and not ended
        return Reply(text.strip(), len(prompt), len(new), "length" if cut else "stop")


def merged(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return a conversation without system messages: their text heads the first user message.

    Examples
    --------
    >>> [one.text for one in merged([Message("system", "Be brief."), Message("user", "Rain?")])]
    ['Be brief.\\n\\nRain?']
    """
    said = "\n\n".join(one.text for one in messages if one.role == "system")
    rest = [one for one in messages if one.role != "system"]
    if said and rest:
        rest[0] = replace(rest[0], text=f"{said}\n\n{rest[0].text}")
    return tuple(rest)


def before(text: str, stops: Sequence[str]) -> str:
    """Return ``text`` up to the first of ``stops``."""
    places = [text.find(one) for one in stops]
    return text[: min((one for one in places if one >= 0), default=len(text))]


def load(rest: str, options: ChatOptions) -> LocalChat:
    """Return the model ``NAME_OR_PATH``; nothing is loaded yet.

    Raises
    ------
    InputError
        If no model is named, a base_url is given, or the device cannot be used here.
    MissingExtraError
        If transformers is not installed.
    """
    options.refuse("hf", "base_url")
    if not rest:
        raise InputError(f"hf: needs a model: hf:NAME_OR_PATH, such as {AND_2024}")
    if importlib.util.find_spec("transformers") is None:
        raise MissingExtraError.of("hf", "transformers")
    return LocalChat(rest, checked_device(options.device or "cpu"))


def _loaded(name: str, kind: str, **options: Any) -> Any:
    """Return what a class of transformers makes of a checkpoint; its own code is never run."""
    import transformers

    local = Path(name).expanduser()
    source = str(local) if local.is_dir() else name
    try:
        return getattr(transformers, kind).from_pretrained(source, trust_remote_code=False, **options)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"cannot load the chat model {name!r}: {reason} Give a folder that holds one, or a name on the hub "
            "(gated models, Llama 2 among them: accept the licence there and log in)."
        ) from error


def _hash_folder(folder: Path) -> str:
    """Return 8 digits over the names and bytes of the files that decide a reply."""
    digest = hashlib.sha256()
    for path in sorted(one for one in folder.iterdir() if one.suffix in _DECIDING):
        digest.update(f"{path.name}|{sha256_file(path)}|".encode())
    return digest.hexdigest()[:8]
