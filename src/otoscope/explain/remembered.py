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
    _kept: dict[int, tuple[tuple[Tensor, ...], Tensor, Tensor]] = field(default_factory=dict, repr=False)
    _bytes: int = field(default=0, repr=False)

    def __call__(self, chosen: Tensor) -> tuple[Heard, Tensor]:
        """Return maps and output, and the features, of the chosen examples ``(example,)``."""
        wanted = [int(one) for one in chosen]
        missing = [one for one in wanted if one not in self._kept]
        fresh = self._heard(missing) if missing else {}
        found = [self._kept.get(one) or fresh[one] for one in wanted]
        device = device_of(self.part.model)
        maps = tuple(
            torch.stack(layer).to(device).float() for layer in zip(*(one[0] for one in found), strict=True)
        )
        output, features = (torch.stack([one[i] for one in found]).to(device) for i in (1, 2))  # type: ignore[misc]
        return Heard(maps, output), features.float()

    def _heard(self, missing: list[int]) -> dict[int, tuple[tuple[Tensor, ...], Tensor, Tensor]]:
        with torch.no_grad():
            waveform = self.part.sound(missing)
            heard, features = self.maps(self.part.model, waveform), self.features(waveform)
        fresh = {}
        for place, example in enumerate(missing):
            maps = tuple(one[place].half().cpu() for one in heard.maps)
            fresh[example] = (maps, heard.output[place].cpu(), features[place].half().cpu())
            self._keep(example, fresh[example])
        return fresh

    def _keep(self, example: int, one: tuple[tuple[Tensor, ...], Tensor, Tensor]) -> None:
        size = sum(2 * each.numel() for each in (*one[0], one[2]))
        if self._bytes == 0 and size * len(self.part) > self.most_bytes:
            return
        self._kept[example] = one
        self._bytes += size
