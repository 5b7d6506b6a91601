"""The published decoders from hidden maps to a mask, layer by layer: PIQ's and L-MAC's.

They see maps ``(clip, neuron, frame, frequency)``, time before frequency as SpeechBrain stores them, and give a picture
``(clip, 1, frame, frequency)`` before the sigmoid. Kernels fit the published networks' maps alone; with 431 frames of
513 bins::

    PIQ, Conv2D       map 26 x 32 -> quantised 13 x 16 -> picture 417 x 513: the last 14 frames get no mask
    PIQ, FocalNet     map 7 x 7, stretched to 14 x 14 -> 7 x 7 -> 431 x 513
    PIQ, ViT          map 14 x 14 -> 7 x 7 -> 431 x 513
    L-MAC             maps of CNN14's blocks 6, 5, 4, 3 -> picture 425 x 513 (or x 80 mel bands)

Names of parameters are the published ones, so published weights load. For other networks and all frames:
:mod:`otoscope.explain.decoder`.

Reference: SpeechBrain's ESC-50 interpretability recipes (C. Subakan et al., PIQ; F. Paissan et al. 2024, L-MAC). At
full width L-MAC's decoder has 236.7 million parameters, PIQ's network 6.8 million.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.quantise import Quantised, Quantiser

Kernel = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Kernel, stride and padding of a transposed convolution, (frame, frequency) each."""

_CNN: tuple[Kernel, ...] = (
    ((3, 3), (2, 2), (1, 1)),
    *((((4, 4), (2, 2), (1, 1)),) * 3),
    ((12, 12), (1, 1), (1, 1)),
)
_SQUARE: tuple[Kernel, ...] = (
    ((3, 3), (4, 5), (1, 1)),
    ((4, 1), (2, 2), (1, 1)),
    ((4, 1), (2, 2), (1, 1)),
    ((4, 2), (2, 2), (1, 1)),
    ((10, 8), (1, 1), (1, 1)),
)
PIQ_KERNELS: dict[str, tuple[Kernel, ...]] = {"cnn": _CNN, "focalnet": _SQUARE, "vit": _SQUARE}
"""Family of the classifier -> transposed convolutions of PIQ's decoder."""

LMAC_KERNELS: dict[str, tuple[Kernel, ...]] = {
    "stft": (
        ((3, 3), (2, 4), (1, 1)),
        ((3, 3), (2, 4), (1, 1)),
        ((7, 4), (2, 4), (1, 1)),
        ((5, 4), (2, 4), (1, 1)),
        ((3, 5), (2, 2), (1, 1)),
        ((3, 3), (2, 4), (1, 1)),
        ((4, 3), (2, 2), (0, 5)),
        ((3, 4), (2, 2), (0, 2)),
        ((1, 5), (1, 4), (0, 0)),
    ),
    "mel": (
        ((3, 3), (2, 2), (1, 1)),
        ((3, 3), (2, 2), (1, 1)),
        ((7, 4), (2, 4), (1, 1)),
        ((5, 4), (2, 2), (1, 1)),
        ((3, 3), (2, 2), (1, 1)),
        ((3, 3), (2, 2), (1, 1)),
        ((4, 3), (2, 2), (0, 0)),
        ((3, 4), (2, 2), (0, 0)),
    ),
}
"""What the mask lies on -> transposed convolutions of L-MAC's decoder, first to last."""


class ResidualBlock(nn.Module):
    """``x + BN(1x1(ReLU(BN(3x3(x)))))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape ``(clip, neuron, row, column)``."""
        changed: Tensor = self.block(maps)
        return maps + changed


class PublishedPiq(nn.Module):
    """PIQ's network: adapter, quantiser between two halvings, decoder.

    Parameters
    ----------
    family : {"cnn", "focalnet", "vit"}
        Of the classifier.
    width : int
        Neurons of its map; 256, 1024 and 768 as published.
    n_codes, n_classes, n_shared, shared
        As in :class:`otoscope.explain.quantise.Quantiser`; 1024 codes as published.
    """

    def __init__(
        self,
        family: str,
        width: int,
        n_codes: int,
        n_classes: int,
        n_shared: int = 0,
        shared: str = "forbidden-in-training",
    ) -> None:
        super().__init__()
        if family not in PIQ_KERNELS:
            raise UnknownNameError.of("family of PIQ's decoder", family, PIQ_KERNELS)
        self.family = family
        self.adapter = ResidualBlock(width)
        self.down = nn.Conv2d(width, width, 4, 2, 1)
        self.codebook = Quantiser(n_codes, width, n_classes, n_shared, shared)
        self.up = nn.ConvTranspose2d(width, width, 4, 2, 1)
        self.decoder = nn.Sequential(*stages(PIQ_KERNELS[family], width))
        self.apply(xavier)

    def coded(self, maps: Tensor) -> Tensor:
        """Return what is quantised, ``(clip, neuron, row, column)``, of a map ``(clip, neuron, frame, frequency)``."""
        halved: Tensor = self.down(self.adapter(maps))
        return halved

    def picture(self, codes: Tensor) -> Tensor:
        """Return the picture ``(clip, 1, frame, frequency)`` of a map in codes."""
        seen: Tensor = self.decoder(self.up(codes))
        return seen

    def forward(self, maps: Tensor, labels: Tensor) -> tuple[Tensor, Quantised]:
        """Return picture and codes of maps of clips of these classes ``(clip,)``."""
        found: Quantised = self.codebook(self.coded(maps), labels)
        return self.picture(found.passed), found


def stretched(maps: Tensor) -> Tensor:
    """Return FocalNet's map at twice its size, bilinearly, as PIQ's network for FocalNet takes it."""
    return functional.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


class PublishedLmac(nn.Module):
    """L-MAC's decoder: transposed convolutions of four maps, summed at three places.

    Parameters
    ----------
    width : int
        Neurons of the deepest map, a multiple of 8; the others have 1/2, 1/4 and 1/8. 2048 as published.
    on : {"stft", "mel"}
        What the mask lies on.
    """

    def __init__(self, width: int = 2048, on: str = "stft") -> None:
        super().__init__()
        if on not in LMAC_KERNELS:
            raise UnknownNameError.of("picture of L-MAC's decoder", on, LMAC_KERNELS)
        if width < 8 or width % 8:
            raise InputError(f"the width of L-MAC's published decoder is a multiple of 8, got {width}")
        self.n_layers = len(LMAC_KERNELS[on])
        for place, (before, after) in enumerate(_lmac_widths(width, on)):
            layer = nn.ConvTranspose2d(before, after, *LMAC_KERNELS[on][place])
            self.add_module(f"convt{place + 1}", layer)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the picture ``(clip, 1, frame, frequency)`` of the maps of blocks 6, 5, 4 and 3."""
        hidden = self.joined(maps)
        for place in range(8, self.n_layers + 1):  # no ReLU between the last ones
            hidden = self._layer(place)(hidden)
        return hidden

    def joined(self, maps: Sequence[Tensor]) -> Tensor:
        """Return what the first seven layers make of the four maps, ``(clip, neuron, frame, frequency)``."""
        six, five, four, three = maps
        hidden = self._relu(1, six) + self._relu(2, five)
        hidden = self._relu(3, hidden) + self._relu(4, four)
        hidden = self._relu(5, hidden) + self._relu(6, three)
        return self._relu(7, hidden)

    def _layer(self, place: int) -> nn.Module:
        return self.get_submodule(f"convt{place}")

    def _relu(self, place: int, maps: Tensor) -> Tensor:
        return functional.relu(self._layer(place)(maps))


def _lmac_widths(w: int, on: str) -> tuple[tuple[int, int], ...]:
    if on == "mel":
        return ((w, w), (w // 2, w), (w, w), (w // 4, w), (w, w), (w // 8, w), (w, w), (w, 1))
    return (
        *((w, w), (w // 2, w), (w, w), (w // 4, w), (w, w // 2), (w // 8, w // 2)),
        *((w // 2, w // 4), (w // 4, w // 8), (w // 8, 1)),
    )


def stages(kernels: tuple[Kernel, ...], width: int) -> list[nn.Module]:
    """Return transposed convolutions, each followed by ReLU and batch normalisation but the last, to one channel."""
    stages: list[nn.Module] = []
    for kernel, stride, padding in kernels[:-1]:
        stages += [
            nn.ConvTranspose2d(width, width, kernel, stride, padding),
            nn.ReLU(),
            nn.BatchNorm2d(width),
        ]
    return [*stages, nn.ConvTranspose2d(width, 1, *kernels[-1])]


def xavier(module: nn.Module) -> None:
    """Draw a convolution's weights by Glorot's rule, biases 0; for :meth:`torch.nn.Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
