"""PIQ's network for any classifier: a hidden map in codes of a class, and what a decoder makes of them.

    z = residual block(entry(map))        at the map's own grid
    q = nearest codes of the class        otoscope.explain.quantise
    picture = decoder(q)                  otoscope.explain.decoder

Every position of the map becomes one code, so a code says what stands at a known moment and, where the map has rows, at
known frequencies.
"""

from __future__ import annotations

from torch import Tensor, nn

from otoscope.explain.decoder import MapDecoder
from otoscope.explain.quantise import Quantised, Quantiser


class Piq(nn.Module):
    """Adapter, quantiser and decoder of one map.

    Parameters
    ----------
    shape : (neuron, frequency, frame)
        Of the map.
    n_classes : int
        Of the classifier.
    width : int
        Length of a code, and neurons of the decoder.
    n_codes, n_shared : int
        As in :class:`otoscope.explain.quantise.Quantiser`.
    shared : {"allowed", "forbidden-in-training"}
    doublings : int or None
        As in :class:`otoscope.explain.decoder.MapDecoder`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        n_classes: int,
        width: int = 32,
        n_codes: int = 256,
        n_shared: int = 0,
        shared: str = "allowed",
        doublings: int | None = None,
    ) -> None:
        super().__init__()
        neurons, rows, columns = shape
        self.entry = nn.Sequential(nn.Conv2d(neurons, width, 1), nn.GroupNorm(1, width))
        self.adapter = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
        )
        self.codebook = Quantiser(n_codes, width, n_classes, n_shared, shared)
        self.decoder = MapDecoder([(width, rows, columns)], width, doublings)

    def coded(self, maps: Tensor) -> Tensor:
        """Return what is quantised, ``(clip, width, row, column)``, of maps ``(clip, neuron, row, column)``."""
        entered = self.entry(maps)
        changed: Tensor = entered + self.adapter(entered)
        return changed

    def picture(self, codes: Tensor) -> Tensor:
        """Return the picture ``(clip, 1, row, column)`` of a map in codes."""
        seen: Tensor = self.decoder([codes])
        return seen

    def forward(self, maps: Tensor, labels: Tensor) -> tuple[Tensor, Quantised]:
        """Return picture and codes of maps of clips of these classes ``(clip,)``."""
        found: Quantised = self.codebook(self.coded(maps), labels)
        return self.picture(found.passed), found
