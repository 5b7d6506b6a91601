"""Released PANNs: CNN14, CNN10 and CNN6, ``{"model": {key: tensor}, ...}`` or the tensors alone.

Which network it is follows from the keys, its width and sample rate from the shapes. The stored mel matrix replaces
the computed one. The stored STFT kernels must be those of the windowed Fourier transform: they are checked, to
1e-3, not used.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from otoscope.audio import taper
from otoscope.errors import ModelError
from otoscope.models.panns import FRONT_ENDS, build
from otoscope.models.published.reader import Content, Reader, Released
from otoscope.models.published.states import load_strictly, weights

KERNELS = ("spectrogram_extractor.stft.conv_real.weight", "spectrogram_extractor.stft.conv_imag.weight")
MELS = "logmel_extractor.melW"
_FIRST = "conv_block1.conv1.weight"


def is_panns(content: Content) -> bool:
    """Return whether this is one of the networks."""
    found = weights(content.data)
    return {_FIRST, "bn0.weight", "fc_audioset.weight", MELS} <= found.keys()


def read(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the network; it has no class names where none are given (published ones: 527 of AudioSet).

    Raises
    ------
    ModelError
        If keys or shapes do not fit, or the front end is another one.
    """
    state, what = weights(content.data), content.path.name
    count = int(state["fc_audioset.weight"].shape[0])
    if classes and len(classes) != count:
        raise ModelError(f"{what} has {count} output neurons; {len(classes)} class names were given")
    model = build(
        _kind(state),
        classes,
        n_classes=None if classes else count,
        width=int(state[_FIRST].shape[0]),
        sample_rate=_sample_rate(state, what),
    )
    own = {key: one for key, one in state.items() if key not in (*KERNELS, MELS)}
    load_strictly(model.net, own, what)
    model.front_end.get_buffer("mel.weights").copy_(state[MELS].T)
    return Released(model=model)


def _kind(state: Mapping[str, Tensor]) -> str:
    if "conv_block1.conv2.weight" not in state:
        return "cnn6"
    return "cnn14" if "conv_block6.conv1.weight" in state else "cnn10"


def _sample_rate(state: Mapping[str, Tensor], what: str) -> int:
    """Return the rate whose front end has these kernels, in hertz."""
    missing = [key for key in KERNELS if key not in state]
    if missing:
        raise ModelError(f"{what} lacks {', '.join(missing)}")
    length = int(state[KERNELS[0]].shape[2])
    for rate, (window, _, _) in FRONT_ENDS.items():
        if window == length:
            _check_kernels(state, length, what)
            return rate
    known = ", ".join(str(window) for window, _, _ in FRONT_ENDS.values())
    raise ModelError(f"{what} has windows of {length} samples; known are {known}")


def _check_kernels(state: Mapping[str, Tensor], length: int, what: str) -> None:
    turns = torch.outer(torch.arange(length // 2 + 1.0), torch.arange(float(length))) * (
        2 * torch.pi / length
    )
    window = taper.window("hann", length, periodic=True, dtype=torch.float64)
    for key, part in zip(KERNELS, (turns.double().cos(), -turns.double().sin())):
        if not torch.allclose(state[key][:, 0].double(), part * window, atol=1e-3, rtol=0):
            raise ModelError(f"{what}: {key} is not a Fourier transform under a periodic Hann window")


PANNS = Reader("a PANNs checkpoint: CNN14, CNN10 or CNN6", is_panns, read)
