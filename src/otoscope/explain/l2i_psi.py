"""From a classifier's hidden maps to the activations of a dictionary's components: the networks called Psi.

    psi(maps, n_frames) -> H (clip, component, frame) >= 0,    maps (clip, neuron, frequency, frame), one per layer

``compact``    of any maps: each is folded over frequency by one convolution, brought to the spectrogram's frames
               linearly, summed, and three convolutions in time follow. About 0.2 million parameters for a small
               network.
``authors``    of three maps of L2I's own network (512, 256 and 128 neurons; 4, 8 and 16 mel rows), 2.9 million.
``cnn14``      SpeechBrain's cascade of transposed convolutions of CNN14's blocks 6, 5, 4, 3; 237.6 million at full
               width. Gives 425 + 6 frames for 431; whatever is missing is filled with zeros.
``conv2d``     SpeechBrain's decoder of one map of its Conv2D network; 417 of 431 frames, the rest are zeros.

Parameters of the published ones have the published names, and their maps are transposed to (frame, frequency) inside.

References: J. Parekh et al. (2022), Listen to Interpret, NeurIPS, and the authors' release; SpeechBrain's ESC-50
interpretability recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError
from otoscope.explain.decoder_published import PIQ_KERNELS, PublishedLmac, stages, xavier
from otoscope.registry import load as load_object
from otoscope.registry import lookup

Shape = tuple[int, int, int]
"""Neurons, frequency rows and frames of a map."""


class Psi(Protocol):
    """What gives activations."""

    def __call__(self, maps: Sequence[Tensor], n_frames: int) -> Tensor:
        """Return activations ``(clip, component, frame)``, not negative; ``frame`` may differ from ``n_frames``."""


class CompactPsi(nn.Module):
    """A small network for any maps.

    Parameters
    ----------
    shapes : sequence of (neuron, frequency, frame)
        Of the maps.
    n_components : int
        Of the dictionary.
    width : int
        Channels inside.
    """

    def __init__(self, shapes: Sequence[Shape], n_components: int, width: int = 64) -> None:
        super().__init__()
        self.folds = nn.ModuleList(nn.Conv1d(neurons * rows, width, 1) for neurons, rows, _ in shapes)
        self.norms = nn.ModuleList(nn.GroupNorm(1, width) for _ in shapes)
        self.first = nn.Conv1d(width, width, 5, padding=2)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.last = nn.Conv1d(width, n_components, 1)

    def forward(self, maps: Sequence[Tensor], n_frames: int) -> Tensor:
        """Return activations, see the module."""
        folded = [
            functional.interpolate(
                norm(fold(one.flatten(1, 2))), n_frames, mode="linear", align_corners=False
            )
            for one, fold, norm in zip(maps, self.folds, self.norms, strict=True)
        ]
        hidden = functional.relu(torch.stack(folded).sum(0))  # (clip, width, frame)
        hidden = hidden + functional.relu(self.first(hidden))
        hidden = hidden + functional.relu(self.second(hidden))
        return functional.softplus(self.last(hidden))


class AuthorsPsi(nn.Module):
    """The network of L2I's authors.

    Parameters
    ----------
    shapes : sequence of (neuron, frequency, frame)
        Of the three maps, deepest first: (2 n, 4, t), (n, 8, 2 t or more), (n / 2, 16, 4 t or more).
    n_components : int
        Of the dictionary.
    """

    def __init__(self, shapes: Sequence[Shape], n_components: int) -> None:
        super().__init__()
        if len(shapes) != 3 or [rows for _, rows, _ in shapes] != [4, 8, 16]:
            raise InputError(
                "psi='authors' takes three maps with 4, 8 and 16 mel rows, deepest first (layers out2, out1, out0 of "
                f"L2I's network at 128 mel bands), got {[tuple(one) for one in shapes]}; use psi='compact'"
            )
        deep, middle, early = (neurons for neurons, _, _ in shapes)
        self.conv1 = nn.Conv2d(middle, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(512, 256, 3, padding=1)
        self.conv4 = nn.Conv1d(256, n_components, 5, padding=2)
        self.conv5 = nn.Conv1d(n_components, n_components, 5, padding=2)
        self.conv6 = nn.Conv2d(256, 256, (4, 1))
        self.conv7 = nn.Conv2d(deep, 128, 3, padding=1)
        self.conv8 = nn.Conv2d(early, 128, (4, 1), stride=(4, 1))

    def forward(self, maps: Sequence[Tensor], n_frames: int) -> Tensor:
        """Return activations, see the module."""
        deep, middle, early = maps
        frames = deep.shape[3]
        from_middle = functional.relu(self.conv1(_widened(middle[..., : 2 * frames], 2)))
        joined = torch.cat(
            [
                functional.avg_pool2d(from_middle, (2, 1)),
                _widened(functional.relu(self.conv7(_widened(deep, 2))), 2),
                functional.relu(self.conv8(early[..., : 4 * frames])),
            ],
            dim=1,
        )  # (clip, 512, 4, 4 frames)
        hidden = _widened(functional.relu(self.conv2(_widened(joined, 2))), 2)
        flat = functional.relu(self.conv6(hidden))  # (clip, 256, 1, 16 frames)
        flat = functional.interpolate(flat, (1, n_frames), mode="bilinear", align_corners=True)[:, :, 0]
        return functional.relu(self.conv5(functional.relu(self.conv4(flat))))


class Cnn14Psi(PublishedLmac):
    """SpeechBrain's network for CNN14: L-MAC's cascade, then one map a component, averaged over frequency.

    Parameters
    ----------
    shapes : sequence of (neuron, frequency, frame)
        Of the maps of blocks 6, 5, 4 and 3: w, w / 2, w / 4 and w / 8 neurons.
    n_components : int
        Of the dictionary.
    """

    def __init__(self, shapes: Sequence[Shape], n_components: int) -> None:
        width = shapes[0][0]
        if [neurons for neurons, _, _ in shapes] != [width, width // 2, width // 4, width // 8]:
            raise InputError(
                "psi='cnn14' takes the maps of CNN14's blocks 6, 5, 4 and 3 (w, w/2, w/4, w/8 neurons), got "
                f"{[tuple(one) for one in shapes]}; use psi='compact'"
            )
        super().__init__(width, "stft")
        self.convt9 = nn.ConvTranspose2d(width // 8, n_components, (7, 5), (1, 4))

    def forward(self, maps: Sequence[Tensor], n_frames: int) -> Tensor:  # type: ignore[override]
        """Return activations, see the module."""
        hidden = self._relu(8, self.joined([one.mT for one in maps]))
        return self._relu(9, hidden).mean(3)


class Conv2dPsi(nn.Module):
    """SpeechBrain's network for its Conv2D classifier: PIQ's decoder, then a linear layer over its 513 rows.

    Parameters
    ----------
    shapes : sequence of (neuron, frequency, frame)
        Of one map.
    n_components : int
        Of the dictionary.
    """

    def __init__(self, shapes: Sequence[Shape], n_components: int) -> None:
        super().__init__()
        if len(shapes) != 1 or shapes[0][1] != 32:
            raise InputError(
                f"psi='conv2d' takes one map of 32 rows, got {[tuple(one) for one in shapes]}; use psi='compact'"
            )
        made = [*stages(PIQ_KERNELS["cnn"], shapes[0][0]), nn.ReLU(), nn.Linear(513, n_components), nn.ReLU()]
        self.decoder = nn.Sequential(*made)
        self.apply(xavier)

    def forward(self, maps: Sequence[Tensor], n_frames: int) -> Tensor:
        """Return activations, see the module."""
        found: Tensor = self.decoder(maps[0].mT)  # (clip, 1, frame, component)
        return found[:, 0].mT


PSIS: dict[str, str] = {
    "compact": "otoscope.explain.l2i_psi:CompactPsi",
    "authors": "otoscope.explain.l2i_psi:AuthorsPsi",
    "cnn14": "otoscope.explain.l2i_psi:Cnn14Psi",
    "conv2d": "otoscope.explain.l2i_psi:Conv2dPsi",
}
"""Psi -> class ``(shapes, n_components)``."""


LAYERS: dict[str, tuple[str, ...]] = {
    "authors": ("netx.layer16", "netx.layer14", "netx.layer11"),
    "cnn14": tuple(f"encoder.conv_block{block}" for block in (6, 5, 4, 3)),
    "conv2d": ("encoder.resblock",),
}
"""Psi -> layers of the published network whose maps it takes, where no layers are named."""


def psi_of(name: str, shapes: Sequence[Shape], n_components: int, width: int | None = None) -> nn.Module:
    """Return an untrained Psi; ``width`` goes to ``compact`` alone."""
    made = lookup(PSIS, name, room="l2i_psi", kind="Psi")
    options = {} if width is None or made is not load_object(PSIS["compact"]) else {"width": width}
    network: nn.Module = made(tuple(shapes), n_components, **options)
    return network


def to_frames(activations: Tensor, n_frames: int) -> Tensor:
    """Return activations at exactly ``n_frames``: cut, or filled with zeros."""
    return functional.pad(activations[..., :n_frames], (0, max(0, n_frames - activations.shape[-1])))


def _widened(maps: Tensor, factor: int) -> Tensor:
    """Return maps with ``factor`` times the frames, linearly, first and last frame on first and last."""
    size = (maps.shape[2], factor * maps.shape[3])
    return functional.interpolate(maps, size, mode="bilinear", align_corners=True)
