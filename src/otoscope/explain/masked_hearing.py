"""What does the network say of what a mask keeps and of what it leaves, while masks are being learnt?

With the magnitude X, the mask M and its gain g (:func:`otoscope.explain.explanation.gain`), mask-in is g(M) X and
mask-out g(1 - M) X. Both re-enter the network by magnitude where it takes one, else as sound with the input's phase
(:class:`otoscope.explain.hearing.Reentry`); gradients flow through either to the mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from otoscope.explain.explanation import gain
from otoscope.explain.hearing import Reentry, phase_of
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.audio_model import AudioModel


@dataclass(frozen=True)
class Bins:
    """The bins of some sounds that masks act on.

    Attributes
    ----------
    magnitude : Tensor, shape (clip, frequency, frame)
        X, of the mean over channels.
    phase : Tensor, complex, same shape
        Of modulus 1.
    """

    magnitude: Tensor
    phase: Tensor

    @property
    def features(self) -> Tensor:
        """``log1p`` of the magnitude: S of the published methods."""
        return self.magnitude.log1p()


def bins_of(waveform: Tensor, on: Spectrogram) -> Bins:
    """Return the bins of sounds ``(clip, channel, time)``."""
    spectrum = on.spectrum(waveform.mean(1))
    return Bins(spectrum.abs(), phase_of(spectrum))


@dataclass(frozen=True)
class MaskedHearing:
    """A frozen network that hears through masks.

    Attributes
    ----------
    model : AudioModel
        In evaluation mode.
    on : Spectrogram
        What masks lie on.
    domain : {"linear", "log1p"}
        What they multiply.
    entry : {"auto", "sound", "magnitude"}
        How masked magnitudes re-enter.
    n_samples : int
        Length of the sounds.
    """

    model: AudioModel
    on: Spectrogram
    domain: str
    entry: str
    n_samples: int

    def __call__(self, bins: Bins, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs ``(clip, class)`` for mask-in and mask-out; one forward pass."""
        reentry = Reentry(self.model, self.on, self.entry, self.n_samples)
        gains = torch.cat([gain(one, bins.magnitude, self.domain) for one in (mask, 1 - mask)])
        heard = reentry.output(bins.magnitude.repeat(2, 1, 1) * gains, bins.phase.repeat(2, 1, 1))
        kept, left = heard.chunk(2)
        return kept, left


def measures(output: Tensor, kept: Tensor, left: Tensor, mask: Tensor) -> Mapping[str, Tensor]:
    """Return what a mask achieves for the class that the network names, one value per clip.

    Parameters
    ----------
    output, kept, left : Tensor, shape (clip, class)
        For the whole sound, mask-in and mask-out.
    mask : Tensor, shape (clip, frequency, frame)

    Returns
    -------
    dict
        ``fidelity`` (1 where mask-in is named the same), ``faithfulness`` p - p_out, ``gain`` p_in - p, ``mask_size``;
        as in :mod:`otoscope.metrics.faithfulness`.
    """
    named = output.argmax(1)
    p, p_in, p_out = (one.softmax(1).gather(1, named[:, None])[:, 0] for one in (output, kept, left))
    return {
        "fidelity": (kept.argmax(1) == named).to(p),
        "faithfulness": p - p_out,
        "gain": p_in - p,
        "mask_size": mask.mean((1, 2)),
    }
