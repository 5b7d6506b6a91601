"""Which vector stands for a clip? The embedding that a linear probe reads, of any network.

1. A net that says so has ``embedding(*features) -> (clip, dimension)``: what its head takes. All of our own networks
   have it (CNNs: pooled maps; transformers: the mean token; M2D: frames of stacked rows, averaged over time).
2. An encoder without a head gives it as its output: the mean over positions (of sound, where it is told the lengths).
3. Of any other network it is what enters the linear layer that gives the logits, averaged over positions.

A clip that is heard through several windows has the mean of their embeddings, each weighted by the seconds it answers
for. The linear probe of EVAR, which AAPE's ablations use, reads exactly this.
"""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from otoscope.data.clips import Clips
from otoscope.errors import Failure, ModelError
from otoscope.models.audio_model import AudioModel, unwrap
from otoscope.models.evaluate import clip_vectors


def embedding(model: AudioModel, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Return the embeddings ``(clip, dimension)`` of waveforms in one pass; mode and gradients stay as they are.

    Parameters
    ----------
    model : AudioModel
        Any network.
    waveform : Tensor
        ``(clip, channel, time)`` at the model's rate.
    lengths : Tensor, optional
        Samples of each waveform that are sound, ``(clip,)``; networks that take no lengths ignore it.

    Raises
    ------
    ModelError
        If the network has logits that no linear layer gives: its net then needs a method ``embedding``.

    Examples
    --------
    >>> import torch
    >>> from otoscope.models import open_model
    >>> embedding(open_model("demo:"), torch.zeros(2, 1, 16000)).shape[0]
    2
    """
    features = model.features(waveform, lengths)
    return embedding_of(model, features if isinstance(features, tuple) else (features,))


def embedding_of(model: AudioModel, given: tuple[Any, ...]) -> Tensor:
    """Return the embeddings ``(clip, dimension)`` of what the front end gave; as :func:`embedding`.

    Parameters
    ----------
    model : AudioModel
    given : tuple
        The net's arguments.
    """
    own = getattr(model.net, "embedding", None)
    if inspect.ismethod(own):
        found: Tensor = own(*given)
        return found
    if not model.has_logits:
        output: Tensor = model.net(*given)
        return output
    return _before_logits(model, given)


def clip_embeddings(
    model: AudioModel, clips: Clips, *, batch_size: int = 32, workers: int = 0, device: str = "cpu"
) -> tuple[NDArray[Any], tuple[Failure, ...]]:
    """Return the embeddings float32 ``(clip, dimension)``, NaN where a clip could not be decoded, and the failures.

    Parameters
    ----------
    model : AudioModel
        In evaluation mode.
    clips : Clips
        What to hear.
    batch_size : int
        Windows a forward pass.
    workers : int
        Worker processes that decode.
    device : str
        Where the model is.

    Raises
    ------
    EmptyDataError
        If no clip can be decoded; ModelError as :func:`embedding`.
    """

    def forward(waveform: Tensor, lengths: Tensor) -> Tensor:
        return embedding(model, waveform, lengths)

    return clip_vectors(
        forward, model, clips, batch_size=batch_size, workers=workers, device=device, what="listening"
    )


def _before_logits(model: AudioModel, given: tuple[Any, ...]) -> Tensor:
    """Return what entered the last linear layer whose output is as wide as the logits."""
    passed: list[tuple[Tensor, int]] = []

    def listen(module: nn.Module, inputs: Any, output: Any) -> None:
        passed.append((inputs[0], int(output.shape[-1])))

    linears = [one for one in unwrap(model.net).modules() if isinstance(one, nn.Linear)]
    with ExitStack() as stack:
        for one in linears:
            stack.callback(one.register_forward_hook(listen).remove)
        logits = model.net(*given)
    heads = [entered for entered, width in passed if width == logits.shape[-1]]
    if not heads:
        raise ModelError(
            f"{model.spec or type(model.net).__name__} has no linear layer that gives its logits, so it is unknown "
            "what its embedding is: give its net a method embedding(*features) -> (clip, dimension)"
        )
    return positions_mean(heads[-1])


def positions_mean(entered: Tensor) -> Tensor:
    """Return the mean over everything between the first and the last axis.

    Examples
    --------
    >>> import torch
    >>> positions_mean(torch.ones(2, 5, 3)).shape
    torch.Size([2, 3])
    """
    return entered if entered.ndim == 2 else entered.flatten(1, -2).mean(1)
