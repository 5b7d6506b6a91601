"""What is missed when a patch of the spectrogram is silenced? Occlusion, by captum.

A patch of ``patch_s`` seconds and ``patch_hz`` hertz slides over the spectrogram in steps of ``step`` of its size; each
bin's relevance is the mean fall of the explained number over the patches that cover it. Needs no gradient, so it works
for every network; costs one pass a patch (5 s at 16 kHz with the defaults: 320).

Reference: M. Zeiler, R. Fergus (2014), Visualizing and Understanding Convolutional Networks, ECCV.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from otoscope.explain.features import Attribution, Features, captum


class Occlusion(Attribution):
    """Sliding silence.

    Attributes
    ----------
    patch_s : float
        Seconds of a patch.
    patch_hz : float
        Hertz of a patch.
    step : float
        Share of a patch from one to the next.
    batch_size : int
        Spectrograms a forward pass, about.
    """

    patch_s: float = Field(0.5, gt=0)
    patch_hz: float = Field(1000.0, gt=0)
    step: float = Field(0.5, gt=0, le=1)
    batch_size: int = Field(32, ge=1)

    def attributions(self, features: Features) -> Tensor:
        """Return the mean fall of the explained number over the patches that cover each bin."""
        patch = self.patch(features)
        steps = tuple(max(1, round(self.step * size)) for size in patch)
        with torch.no_grad():
            found: Tensor = (
                captum()
                .Occlusion(features.number)
                .attribute(
                    features.values,
                    sliding_window_shapes=patch,
                    strides=steps,
                    baselines=0.0,
                    perturbations_per_eval=max(1, self.batch_size // len(features.values)),
                    additional_forward_args=features.arguments(),
                )
            )
        return found

    def patch(self, features: Features) -> tuple[int, int]:
        """Return the patch's size in bins, ``(frequency, frame)``, within the spectrogram."""
        on = features.reentry.spectrogram
        rows = round(self.patch_hz * on.settings.n_fft / on.sample_rate)
        columns = round(self.patch_s * on.sample_rate / on.settings.hop_length)
        _, n_rows, n_columns = features.values.shape
        return min(max(rows, 1), n_rows), min(max(columns, 1), n_columns)
