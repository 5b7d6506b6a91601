"""Tokens of a reply, one by one, from a causal language model: the likeliest, or drawn from a seed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from otoscope.errors import TransientChatError
from otoscope.language.chat.model import Sampling

if TYPE_CHECKING:
    import torch


def drawn(model: Any, prompt: list[int], sampling: Sampling, timeout_s: float | None) -> Iterator[int]:
    """Yield at most ``sampling.max_tokens`` tokens that follow ``prompt``; the caller stops at an end token.

    Parameters
    ----------
    model : torch.nn.Module
        A causal language model of transformers, in evaluation mode.
    prompt : list of int
        Token ids.
    sampling : Sampling
        Temperature, top_p, longest reply and seed.
    timeout_s : float or None
        Longest time for all tokens.

    Raises
    ------
    TransientChatError
        If the time is over.
    """
    import torch

    started = time.monotonic()
    generator = torch.Generator()
    generator.manual_seed(generator.seed() if sampling.seed is None else sampling.seed)
    ids, memory = torch.tensor([prompt], device=model.device), None
    for _ in range(sampling.max_tokens):
        with torch.inference_mode():
            out = model(input_ids=ids, past_key_values=memory, use_cache=True)
        memory = out.past_key_values
        token = next_token(out.logits[0, -1].float().cpu(), sampling, generator)
        yield token
        if timeout_s is not None and time.monotonic() - started > timeout_s:
            raise TransientChatError(f"the reply had not ended after {timeout_s:g} s.")
        ids = torch.tensor([[token]], device=model.device)


def next_token(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Return one token.

    Parameters
    ----------
    logits : torch.Tensor, (token,), float32
        Of the next token.
    sampling : Sampling
        Temperature and top_p; temperature 0 takes the largest logit.
    generator : torch.Generator
        Where the draw comes from.
    """
    import torch

    if sampling.temperature == 0:
        return int(logits.argmax())
    chances, tokens = torch.softmax(logits / sampling.temperature, dim=0).sort(descending=True, stable=True)
    larger = chances.cumsum(0) - chances  # what the tokens before each one hold
    chances = chances.where(larger < sampling.top_p, 0.0)
    return int(tokens[torch.multinomial(chances, 1, generator=generator)])
