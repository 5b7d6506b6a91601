"""Captions by Qwen2-Audio, a language model that hears.

``qwen2-audio:NAME_OR_PATH[?option=value&...]`` opens a transformers checkpoint, such as
``qwen2-audio:Qwen/Qwen2-Audio-7B-Instruct``.

================== ============ =============================================================================
``prompt``         see below    what is asked; percent-encoded (``%20``) where it holds ``&`` or ``+``
``plain``          false        no conversation around the prompt: for checkpoints without instruction tuning
``max_new_tokens`` 128          longest answer
``temperature``    0            0 takes the likeliest token each time; else answers are drawn
``seed``           0            of the drawing
``clean``          loops        what is done with loops: ``loops``, ``and-2024``, ``keep``
``batch``          4            clips at a time; not part of the identity
``device``         cpu          where it runs; not part of the identity
``dtype``          auto         of the weights: ``auto`` (the checkpoint's), ``float32``, ``bfloat16``
``revision``       the newest   version on the hub
================== ============ =============================================================================

The network hears the first 30 s of a clip, at the rate of its feature extractor; a clip below 0.1 s is padded to
that with silence (transformers takes a sound of one step, 40 ms, for a mark that it must expand). Drawn answers depend
on the seed and the clip alone, not on what else is asked. Nothing that a checkpoint brings along is executed.

Reference: Y. Chu et al., "Qwen2-Audio technical report", 2024.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.caption.options import cleaning_of, temperature_of
from otoscope.caption.prompted import PROMPT, PromptedCaptioner
from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.language import pretrained

SCHEME = "qwen2-audio"
OPTIONS = (
    "prompt",
    "plain",
    "max_new_tokens",
    "temperature",
    "seed",
    "clean",
    "batch",
    "device",
    "dtype",
    "revision",
)
SHORTEST_S = 0.1
"""Shorter sounds are padded to this."""

DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Answering:
    """How answers are made.

    Attributes
    ----------
    plain : bool
        The prompt follows the sound without a conversation around it.
    max_new_tokens : int
    temperature : float
        0 = the likeliest token.
    seed : int
    """

    plain: bool = False
    max_new_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0


class Qwen2Audio:
    """A Qwen2-Audio network.

    Attributes
    ----------
    id : str
        Name, hash of the weights, and how answers are made.
    sample_rate : int
        Hertz.
    """

    def __init__(self, model: Any, processor: Any, name: str, answering: Answering) -> None:
        self._model, self._processor, self._answering = model.eval(), processor, answering
        self._processor.tokenizer.padding_side = "left"  # answers of a batch start at the same place
        self.sample_rate: int = processor.feature_extractor.sampling_rate
        self.id = f"{SCHEME}:{name}@{pretrained.hash_weights(model, sorted(asdict(answering).items()))}"

    def say(self, waveforms: Sequence[NDArray[np.float32]], prompt: str) -> list[str]:
        """Return one text a waveform float32 ``(time,)``.

        Raises
        ------
        InputError
            If the prompt holds the mark that stands for sound.
        """
        text = self._text(prompt)
        if not self._answering.temperature:
            return self._generated(waveforms, text)
        return [self._drawn(one, text) for one in waveforms]

    def _text(self, prompt: str) -> str:
        """Return what the network reads: a mark for the sound, and the prompt."""
        marks = self._processor
        if marks.audio_token in prompt:
            raise InputError(
                f"the prompt holds {marks.audio_token!r}, which stands for the sound: leave it out"
            )
        if self._answering.plain:
            return f"{marks.audio_bos_token}{marks.audio_token}{marks.audio_eos_token}{prompt}"
        content = [{"type": "audio", "audio_url": "sound"}, {"type": "text", "text": prompt}]
        told: str = marks.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return told

    def _drawn(self, waveform: NDArray[np.float32], text: str) -> str:
        content = hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).digest()
        seed = (int.from_bytes(content[:6], "little") + self._answering.seed) % 2**63
        device = self._model.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            return self._generated([waveform], text)[0]

    def _generated(self, waveforms: Sequence[NDArray[np.float32]], text: str) -> list[str]:
        inputs = self._processor(
            text=[text] * len(waveforms),
            audio=[self._padded(one) for one in waveforms],
            sampling_rate=self.sample_rate,
            return_tensors="pt",
            padding=True,
        ).to(self._model.device)
        inputs["input_features"] = inputs["input_features"].to(self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, **self._decoding())
        answers = tokens[:, inputs["input_ids"].shape[1] :]
        decoded = self._processor.batch_decode(answers, skip_special_tokens=True)
        return [one.strip() for one in decoded]

    def _padded(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.pad(waveform, (0, max(0, round(SHORTEST_S * self.sample_rate) - len(waveform))))

    def _decoding(self) -> dict[str, Any]:
        own = self._answering
        if own.temperature:
            return {"max_new_tokens": own.max_new_tokens, "do_sample": True, "temperature": own.temperature}
        greedy = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
        return {"max_new_tokens": own.max_new_tokens, **greedy}


def load(rest: str = "") -> PromptedCaptioner:
    """Return the captioner of the checkpoint ``NAME_OR_PATH[?option=value&...]``; it is opened now.

    Raises
    ------
    InputError
        If there is no name, or an option has no such value.
    UnknownNameError
        If there is no such option.
    MissingExtraError
        If transformers is not installed.
    ModelError
        If the checkpoint cannot be found or read, lacks weights, or is of another kind.
    """
    name, options = pretrained.named(SCHEME, rest, OPTIONS)
    answering = Answering(
        plain=pretrained.switch(options, "plain"),
        max_new_tokens=pretrained.whole_number(options, "max_new_tokens", 128, least=1),
        temperature=temperature_of(options),
        seed=pretrained.whole_number(options, "seed", 0),
    )
    cleaning = cleaning_of(options)
    batch_size = pretrained.whole_number(options, "batch", 4, least=1)
    model, processor = _opened(name, options)
    listener = Qwen2Audio(
        model.to(options.get("device", "cpu")), processor, pretrained.shown(name), answering
    )
    return PromptedCaptioner(SCHEME, listener, options.get("prompt", PROMPT), cleaning, batch_size)


def _opened(name: str, options: dict[str, str]) -> tuple[Any, Any]:
    library, spec = pretrained.transformers(), f"{SCHEME}:{name}"
    dtype = options.get("dtype", "auto")
    if dtype not in DTYPES:
        raise UnknownNameError.of("dtype", dtype, DTYPES)
    chosen = {key: options[key] for key in ("revision",) if key in options}
    with pretrained.opening(library, spec):
        config = library.AutoConfig.from_pretrained(name, **chosen)
        if config.model_type != "qwen2_audio":
            raise ModelError(f"{spec} is a {config.model_type!r} network, not Qwen2-Audio")
        processor = library.AutoProcessor.from_pretrained(name, **chosen)
        model, info = library.Qwen2AudioForConditionalGeneration.from_pretrained(
            name, dtype=dtype, output_loading_info=True, **chosen
        )
    pretrained.complete(spec, info)
    return model, processor
