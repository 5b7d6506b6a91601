"""What does the network say of a sound, or of a magnitude spectrogram that re-enters it?

A sound of any length is heard through the network's windows; its output is the mean over windows, each weighted by the
seconds it answers for, as in :mod:`otoscope.models.evaluate`. A masked magnitude re-enters by *sound* (resynthesised
with a phase; what a listener hears is what the network hears) or by *magnitude* (``front_end.from_magnitude``, as the
SpeechBrain recipes do: nothing of the phase, and no overlap of windows, is felt).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from otoscope.audio.windows import Window, plan
from otoscope.errors import InputError, UnknownNameError
from otoscope.explain.spectrogram import Spectrogram
from otoscope.models.audio_model import AudioModel

Entry = Literal["sound", "magnitude", "auto"]
ENTRIES: tuple[Entry, ...] = ("sound", "magnitude", "auto")


def outputs(model: AudioModel, waveform: Tensor) -> Tensor:
    """Return the network's output ``(clip, class)`` for sounds ``(clip, channel, time)`` of any length.

    Differentiable where the network is. The network should be in evaluation mode.
    """
    windows = plan(waveform.shape[-1], model.sample_rate, model.clip_length)
    total: Tensor | None = None
    for window in windows:
        lengths = torch.full((len(waveform),), window.n_valid, device=waveform.device)
        part = model(fitted(waveform, window, model.clip_length.short), lengths)
        weighted = part * (window.keep_end_s - window.keep_start_s)
        total = weighted if total is None else total + weighted
    if total is None:
        raise InputError("the network's windows leave nothing of this sound")
    return total / sum(window.keep_end_s - window.keep_start_s for window in windows)


def fitted(waveform: Tensor, window: Window, short: str) -> Tensor:
    """Return what the network hears through one window ``(clip, channel, window.n_samples)``."""
    heard = waveform[..., window.start_sample : window.start_sample + window.n_valid]
    missing = window.n_samples - heard.shape[-1]
    if missing <= 0:
        return heard
    if short == "repeat":
        return heard.repeat(1, 1, -(-window.n_samples // heard.shape[-1]))[..., : window.n_samples]
    return functional.pad(heard, (0, missing))


@dataclass(frozen=True)
class Reentry:
    """The way of an edited magnitude back into the network.

    Attributes
    ----------
    model : AudioModel
        In evaluation mode.
    spectrogram : Spectrogram
        Of the magnitude.
    entry : {"sound", "magnitude", "auto"}
        ``auto``: by magnitude where the front end offers it on this spectrogram and takes sounds at their own level,
        else by sound.
    n_samples : int
        Length of the sound.
    """

    model: AudioModel
    spectrogram: Spectrogram
    entry: str
    n_samples: int

    def __post_init__(self) -> None:
        """Refuse an entry that this network does not offer."""
        if self.entry not in ENTRIES:
            raise UnknownNameError.of("entry of a mask", self.entry, ENTRIES)
        if self.entry == "magnitude" and not self._offered:
            raise InputError(
                f"the front end of {self.model.spec or 'this network'} takes no magnitude spectrogram of this kind; "
                "use entry='sound'"
            )

    @property
    def by_magnitude(self) -> bool:
        """Whether the magnitude goes in without becoming sound."""
        levelled = (
            getattr(self.model.front_end, "level", "none") != "none"
        )  # a magnitude would miss its division
        return self.entry == "magnitude" or (self.entry == "auto" and self._offered and not levelled)

    @property
    def _offered(self) -> bool:
        front_end = self.model.front_end
        same = getattr(front_end, "stft_settings", None) == self.spectrogram.settings
        return same and hasattr(front_end, "from_magnitude")

    def output(self, magnitude: Tensor, phase: Tensor) -> Tensor:
        """Return the output ``(clip, class)`` of a magnitude with a phase, both ``(clip, frequency, frame)``.

        Parameters
        ----------
        magnitude : Tensor, real
            Not negative.
        phase : Tensor, complex
            Of modulus 1; not used by ``magnitude``.
        """
        if self.by_magnitude:
            features = self.model.front_end.from_magnitude(magnitude[:, None])  # type: ignore[operator]
            logits: Tensor = (
                self.model.net(*features) if isinstance(features, tuple) else self.model.net(features)
            )
            return logits
        return outputs(self.model, self.spectrogram.sound(magnitude * phase, self.n_samples)[:, None])


def phase_of(spectrum: Tensor) -> Tensor:
    """Return ``spectrum / |spectrum|``, 1 where it is 0; same shape."""
    size = spectrum.abs()
    return torch.where(size > 0, spectrum / size.clamp_min(torch.finfo(size.dtype).tiny), 1.0 + 0j)
