"""Hear each training example once: hidden maps, output and features of a frozen network, kept in memory where they fit.

A frozen network says the same of the same sound in every epoch, so what it says of clean sound is kept in half
precision (1.1 MB an example of the compact network at 5 s), unless all examples would take more than ``most_bytes``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from otoscope.explain.hidden import Heard, HiddenMaps
from otoscope.explain.setting import Part
from otoscope.record.probe import device_of

MOST_BYTES = 2 * 2**30
TOGETHER = 16
"""Examples that are heard in one pass."""

_Said = tuple[tuple[Tensor, ...], Tensor, Tensor]


@dataclass
class Remembered:
    """What a frozen network said of the examples of a part.

    Attributes
    ----------
    part : Part
        The examples.
    maps : HiddenMaps
        The layers.
    features : callable
        Waveform ``(example, 1, time)`` to features ``(example, frequency, frame)``.
    most_bytes : int
        Memory at most; beyond it everything is heard anew each time.
    """

    part: Part
    maps: HiddenMaps
    features: Callable[[Tensor], Tensor]
    most_bytes: int = MOST_BYTES
    _kept: dict[int, _Said] = field(default_factory=dict, repr=False)
    _fits: bool | None = field(default=None, repr=False)

    def __call__(self, chosen: Tensor) -> tuple[Heard, Tensor]:
        """Return maps and output, and the features, of the chosen examples ``(example,)``."""
        wanted = [int(one) for one in chosen]
        missing = [one for one in wanted if one not in self._kept]
        fresh = {} if not missing else self._kept if self._remember(missing) else self._heard(missing)
        found = [self._kept.get(one) or fresh[one] for one in wanted]
        device = device_of(self.part.model)
        maps = tuple(
            torch.stack(layer).to(device).float() for layer in zip(*(one[0] for one in found), strict=True)
        )
        output, features = (torch.stack([one[i] for one in found]).to(device) for i in (1, 2))  # type: ignore[misc]
        return Heard(maps, output), features.float()

    def _remember(self, missing: list[int]) -> bool:
        """Hear and keep the examples that lie around the missing ones; return False where all would not fit.

        Always the same examples are heard together: with several threads the last bits of a convolution depend on its
        batch, and a training that was killed meets its examples in another order.
        """
        if self._fits is None:
            maps, _, features = self._heard(missing[:1])[missing[0]]
            size = sum(2 * each.numel() for each in (*maps, features))
            self._fits = size * len(self.part) <= self.most_bytes
        if not self._fits:
            return False
        for group in sorted({one // TOGETHER for one in missing}):
            first = group * TOGETHER
            self._kept |= self._heard(list(range(first, min(first + TOGETHER, len(self.part)))))
        return True

    def _heard(self, some: list[int]) -> dict[int, _Said]:
        with torch.no_grad():
            waveform = self.part.sound(some)
            heard, features = self.maps(self.part.model, waveform), self.features(waveform)
        return {
            example: (
                tuple(one[place].half().cpu() for one in heard.maps),
                heard.output[place].cpu(),
                features[place].half().cpu(),
            )
            for place, example in enumerate(some)
        }
