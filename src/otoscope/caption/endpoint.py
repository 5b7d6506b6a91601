"""Captions by a chat model that takes sound: any OpenAI-compatible endpoint, ``chat:SPEC[?option=value&...]``.

SPEC names a chat model (:func:`otoscope.language.chat.chat_model`), such as
``chat:openai:gpt-4o-audio-preview`` or ``chat:openai:Qwen2-Audio-7B@http://localhost:8000/v1?longest_s=10``.

================== ============= ============================================================================
``prompt``         see below     what is asked; percent-encoded (``%20``) where it holds ``&`` or ``+``
``sample_rate``    16000         hertz of the sound that is sent: one channel, WAV of 16 bits
``longest_s``      30            seconds from the beginning of a clip that are sent
``max_tokens``     128           longest reply
``temperature``    0             0 takes the likeliest token each time
``seed``           0             of the drawing, where the server heeds it
``clean``          loops         what is done with loops: ``loops``, ``and-2024``, ``keep``
``deaf``           refuse        ``allow``: do not check that the server hears (see below)
``concurrency``    4             requests under way at once; not part of the identity
``max_calls``      no limit      requests of the whole job; not part of the identity
``max_tokens_total`` no limit    tokens of the whole job; not part of the identity
================== ============= ============================================================================

The prompt is :data:`otoscope.caption.prompted.PROMPT` where no other is given. Replies are cached by model, prompt,
sound and sampling (:mod:`otoscope.language.chat.cache`), so a clip is paid for once. A clip that cannot be decoded,
gets no reply, or for which the budget has no room is ``failed`` with its reason, and asked again by a later run.

Some servers drop sound that their model cannot take and answer all the same. So the prompt is first put to the
server without sound (a reply of one token): where it counts as many prompt tokens for the first clip, it does not
hear, and nothing more is asked. A server that reports no tokens cannot be checked.

Beside the common columns stand, null where there was no reply,

=================================== ======== ==============================================================
prompt_hash                         String   first 8 digits of the sha256 of the prompt; never null
removed_tokens                      Int64    tokens of loops that were removed
reply                               String   the reply as it came, before cleaning
key                                 String   name of the reply in the cache; null where a clip was not decoded
prompt_tokens, completion_tokens    Int64    as the server counted
=================================== ======== ==============================================================

The reply is untrusted text: stored, encoded, shown escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from otoscope.audio.write import encode
from otoscope.caption.captioner import Rows, chosen, table
from otoscope.caption.cleaning import Cleaning, clean
from otoscope.caption.options import cleaning_of, temperature_of
from otoscope.caption.prompted import PROMPT
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import InputError, ModelError
from otoscope.language import pretrained
from otoscope.language.chat import (
    Answer,
    AnswerCache,
    ChatModel,
    Estimate,
    Job,
    Limits,
    Message,
    Prices,
    Question,
    Sampling,
    Sound,
    chat_model,
    estimate,
)
from otoscope.language.chat.parsing import sentence
from otoscope.progress import meter
from otoscope.store.hashing import hash8

SCHEME = "chat"
OPTIONS = (
    "prompt",
    "sample_rate",
    "longest_s",
    "max_tokens",
    "temperature",
    "seed",
    "clean",
    "deaf",
    "concurrency",
    "max_calls",
    "max_tokens_total",
)
VERSION = 1
_PORTION = 32


@dataclass(frozen=True)
class Asking:
    """What is sent with each clip.

    Attributes
    ----------
    prompt : str
        What is asked.
    sample_rate : int
        Hertz of the sound.
    longest_s : float
        Seconds of a clip that are sent.
    sampling : Sampling
        How replies are drawn.
    cleaning : {"loops", "and-2024", "keep"}
        What is done with looping replies.
    """

    prompt: str = PROMPT
    sample_rate: int = 16_000
    longest_s: float = 30.0
    sampling: Sampling = Sampling(max_tokens=128)  # noqa: RUF009 - frozen
    cleaning: Cleaning = "loops"


class EndpointCaptioner:
    """A chat model that is sent each clip.

    Parameters
    ----------
    model : ChatModel
        Who is asked.
    asking : Asking
        What is asked.
    cache : AnswerCache or None
        Where replies are kept; None: they are not.
    limits : Limits, optional
        Concurrency, retries, budget of all calls of :meth:`captions` together.
    check_hearing : bool
        Whether a server that does not hear is refused.
    """

    def __init__(
        self,
        model: ChatModel,
        asking: Asking | None = None,
        *,
        cache: AnswerCache | None = None,
        limits: Limits | None = None,
        check_hearing: bool = True,
    ) -> None:
        self.model, self.asking = model, asking or Asking()
        self._cache = cache
        self._job = Job(model, cache=cache, limits=limits)
        self._to_check = check_hearing

    @property
    def id(self) -> str:
        """``chat-`` and a hash of model, prompt, rate, length, sampling and cleaning."""
        own = self.asking
        drawing = [float(own.sampling.temperature), own.sampling.max_tokens, own.sampling.seed]
        parts = [self.model.id, own.prompt, own.sample_rate, float(own.longest_s), drawing, own.cleaning]
        return f"{SCHEME}-{hash8([VERSION, *parts])}"

    @property
    def failures_may_pass(self) -> bool:
        """True: a later run asks again about clips that failed."""
        return True

    @property
    def circular(self) -> bool:
        """False: the model hears the waveform only."""
        return False

    @property
    def prompt_hash(self) -> str:
        """First 8 digits of the sha256 of the prompt."""
        return hashlib.sha256(self.asking.prompt.encode("utf-8", "replace")).hexdigest()[:8]

    def captions(self, clips: Clips, *, rows: Rows | None = None, workers: int | None = 0) -> pl.DataFrame:
        """Return the table of captions.

        Raises
        ------
        ModelError
            If the server answers but does not hear.
        StoreError
            If replies can no longer be stored.
        """
        wanted = chosen(clips, rows)
        reasons: dict[int, str] = {}
        answers: dict[int, Answer[str]] = {}
        for sounds in self._portions(clips, wanted, workers, reasons):
            if self._to_check:
                self._check_hearing(next(iter(sounds.values())))
            asked = [self._question(sound) for sound in sounds.values()]
            answers |= dict(zip(sounds, self._job.ask(asked), strict=True))
        reasons |= {row: one.reason or "" for row, one in answers.items() if one.value is None}
        how = self.asking.cleaning
        cleaned = {row: clean(one.value, how) for row, one in answers.items() if one.value is not None}
        found = table(clips, wanted, {row: one.text for row, one in cleaned.items()}, reasons)
        return found.with_columns(
            pl.lit(self.prompt_hash).alias("prompt_hash"),
            pl.Series(
                "removed_tokens",
                [cleaned[one].removed if one in cleaned else None for one in wanted],
                pl.Int64,
            ),
            *_columns(wanted, answers),
        )

    def estimate(self, clips: Clips, *, workers: int | None = 0, prices: Prices | None = None) -> Estimate:
        """Return what :meth:`captions` of all clips would ask now, without asking; every clip is decoded.

        The one question that finds out whether the server hears is not counted.
        """
        made = estimate(self.model, [], cache=self._cache, prices=prices)
        for sounds in self._portions(clips, chosen(clips, None), workers, {}):
            asked = [self._question(sound) for sound in sounds.values()]
            made += estimate(self.model, asked, cache=self._cache, prices=prices)
        return made

    def notes(self, clips: Clips) -> Mapping[str, Any]:
        """Return who was asked what."""
        return {
            "model": self.model.id,
            "prompt": self.asking.prompt,
            "prompt_hash": self.prompt_hash,
            "sample_rate_hz": self.asking.sample_rate,
            "longest_s": self.asking.longest_s,
            "cleaning": self.asking.cleaning,
            "seed": self.asking.sampling.seed,
        }

    def _portions(
        self, clips: Clips, rows: list[int], workers: int | None, reasons: dict[int, str]
    ) -> Iterator[dict[int, Sound]]:
        """Yield row -> sound, some at a time; reasons of clips that cannot be decoded go into ``reasons``."""
        rate, longest = self.asking.sample_rate, round(self.asking.longest_s * self.asking.sample_rate)
        sounds: dict[int, Sound] = {}
        with meter(len(rows), "caption") as done:
            for batch in batches(clips, Decoding(rate), rows=rows, batch_size=1, workers=workers):
                reasons.update((failure.row, failure.reason) for failure in batch.failures)
                for row, waveform in zip(batch.rows.tolist(), batch.waveforms, strict=True):
                    heard = waveform[:, : max(1, longest)]
                    sounds[row] = Sound(encode(heard, rate, "wav", clipping="scale"))
                if len(sounds) >= _PORTION:
                    yield sounds
                    done(len(sounds))
                    sounds = {}
            if sounds:
                yield sounds
                done(len(sounds))

    def _question(self, *sounds: Sound) -> Question[str]:
        return Question((Message("user", self.asking.prompt, sounds),), sentence, self.asking.sampling)

    def _check_hearing(self, sound: Sound) -> None:
        """Raise if the prompt with a sound is no longer than without; where no reply came, it is checked later."""
        heard, plain = self._prompt_tokens(self._question(sound)), None
        if heard is not None:
            asked = Question((Message("user", self.asking.prompt),), sentence, Sampling(max_tokens=1))
            plain = self._prompt_tokens(asked)
        if heard is None or plain is None:
            return
        if heard <= plain:
            raise ModelError(
                f"{self.model.id} answers but does not hear: it counts {heard} tokens of prompt with a sound and "
                f"{plain} without. Name a model that takes sound, or, if it does not count sound, add deaf=allow."
            )
        self._to_check = False

    def _prompt_tokens(self, question: Question[str]) -> int | None:
        """Return the tokens of the prompt, None where no reply came."""
        (answer,) = self._job.ask([replace(question, repair=None)])
        return None if answer.text is None else answer.prompt_tokens


def _columns(rows: list[int], answers: Mapping[int, Answer[str]]) -> list[pl.Series]:
    replied = {row: one for row, one in answers.items() if one.text is not None}
    return [
        pl.Series("reply", [replied[row].text if row in replied else None for row in rows], pl.String),
        pl.Series("key", [answers[row].key if row in answers else None for row in rows], pl.String),
        *(
            pl.Series(
                name, [getattr(replied[row], name) if row in replied else None for row in rows], pl.Int64
            )
            for name in ("prompt_tokens", "completion_tokens")
        ),
    ]


def load(rest: str = "") -> EndpointCaptioner:
    """Return the captioner ``chat:SPEC[?option=value&...]``; nothing is asked yet.

    Raises
    ------
    InputError
        If no model is named, or an option has no such value.
    UnknownNameError
        If there is no such option or kind of model.
    MissingExtraError
        If the model's package is not installed.
    """
    spec, options = pretrained.named(SCHEME, rest, OPTIONS)
    asking = Asking(
        prompt=options.get("prompt", PROMPT),
        sample_rate=pretrained.whole_number(options, "sample_rate", 16_000, least=1),
        longest_s=_seconds(options),
        sampling=Sampling(
            temperature=temperature_of(options),
            max_tokens=pretrained.whole_number(options, "max_tokens", 128, least=1),
            seed=pretrained.whole_number(options, "seed", 0),
        ),
        cleaning=cleaning_of(options),
    )
    return EndpointCaptioner(
        chat_model(spec),
        asking,
        cache=AnswerCache(),
        limits=_limits(options),
        check_hearing=_checks(options),
    )


def _limits(options: Mapping[str, str]) -> Limits:
    budget = {name: pretrained.whole_number(options, name, 0) for name in ("max_calls", "max_tokens_total")}
    given = {name: value for name, value in budget.items() if name in options}
    return Limits(
        concurrency=pretrained.whole_number(options, "concurrency", 4, least=1),
        max_calls=given.get("max_calls"),
        max_tokens=given.get("max_tokens_total"),
    )


def _checks(options: Mapping[str, str]) -> bool:
    text = options.get("deaf", "refuse")
    if text not in {"refuse", "allow"}:
        raise InputError(f"deaf takes refuse or allow, got {text!r}")
    return text == "refuse"


def _seconds(options: Mapping[str, str]) -> float:
    text = options.get("longest_s", "30")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(f"longest_s takes a number of seconds above 0, got {text!r}")
    return value
