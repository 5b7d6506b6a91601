"""The spectrogram that a mask lies on: which frames, which frequencies, at which rate.

A mask means nothing without it: bin 100 of 513 is 1.6 kHz at 16 kHz and 4.3 kHz at 44.1 kHz. So every mask, dictionary
and explainer carries its :class:`Spectrogram`, and whatever meets another one refuses it (:meth:`Spectrogram.require`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor

from otoscope.audio.stft import StftSettings, istft, stft
from otoscope.errors import FormatError, InputError
from otoscope.models.audio_model import AudioModel

WINDOW_S, HOP_S = 0.064, 0.016


@dataclass(frozen=True)
class Spectrogram:
    """A complex spectrogram's frames and rate.

    Attributes
    ----------
    settings : StftSettings
        One-sided.
    sample_rate : int
        In hertz.
    """

    settings: StftSettings
    sample_rate: int

    def __post_init__(self) -> None:
        """Refuse what no mask could lie on."""
        if not self.settings.one_sided or self.sample_rate < 1:
            raise InputError(f"masks lie on one-sided spectrograms at a positive rate, got {self}")

    @classmethod
    def of(cls, model: AudioModel) -> Self:
        """Return the spectrogram inside a network's front end, else one of 64 ms Hann windows every 16 ms."""
        settings = getattr(model.front_end, "stft_settings", None)
        if isinstance(settings, StftSettings) and settings.one_sided:
            return cls(settings, model.sample_rate)
        return cls(
            StftSettings(2 * round(WINDOW_S * model.sample_rate / 2), round(HOP_S * model.sample_rate)),
            model.sample_rate,
        )

    def spectrum(self, waveform: Tensor) -> Tensor:
        """Return the complex spectrogram ``(..., frequency, frame)`` of waveforms ``(..., time)``."""
        return stft(waveform, self.settings)

    def sound(self, spectrum: Tensor, n_samples: int) -> Tensor:
        """Return the waveform ``(..., n_samples)`` of a complex spectrogram ``(..., frequency, frame)``."""
        return istft(spectrum, self.settings, n_samples)

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames a sound of that length has."""
        return self.settings.n_frames(n_samples)

    def frequencies_hz(self) -> Tensor:
        """Return the frequency of each row, ``(frequency,)``."""
        rows = torch.arange(self.settings.n_frequencies, dtype=torch.float64)
        return rows * (self.sample_rate / self.settings.n_fft)

    def times_s(self, n_frames: int) -> Tensor:
        """Return the centre of each frame, ``(frame,)``."""
        stride, first = self.settings.frame_times_s(self.sample_rate)
        return first + stride * torch.arange(n_frames, dtype=torch.float64)

    def require(self, other: Spectrogram, what: str) -> None:
        """Raise if ``other`` is another spectrogram.

        Parameters
        ----------
        other : Spectrogram
            What ``what`` was made with.
        what : str
            For the message: ``"the dictionary"``.

        Raises
        ------
        InputError
            Naming the first difference.
        """
        mine, theirs = self.to_json(), other.to_json()
        for name, value in mine.items():
            if theirs[name] != value:
                raise InputError(
                    f"{what} was made on a spectrogram with {name} = {theirs[name]}, and is used with {value}: its "
                    "bins are other frequencies or moments. Learn it at the rate and STFT it is used with"
                )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict; every number is explicit."""
        fields = asdict(self.settings) | {"win_length": self.settings.frame_length}
        return {"sample_rate": self.sample_rate, **fields}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the spectrogram written by :meth:`to_json`.

        Raises
        ------
        FormatError
            If a field is missing or unknown.
        """
        rest = dict(fields)
        try:
            return cls(sample_rate=rest.pop("sample_rate"), settings=StftSettings(**rest))
        except (KeyError, TypeError) as error:
            raise FormatError(f"these are no settings of a spectrogram: {dict(fields)} ({error})") from error
