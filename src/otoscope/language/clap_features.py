"""What CLAP hears: a waveform of any length as log-mel features of a fixed length.

With N the samples that the network takes (10 s at 48 kHz)::

    shorter than N   repeated as often as it fits, then zeros (``repeatpad``); or ``repeat``, ``pad``
    longer than N    ``rand_trunc`` (unfused): a crop of N samples
                     ``fusion`` (fused): the mel spectrogram of the whole sound squeezed to N samples' frames,
                     and crops from its first, middle and last third: four channels
    features         10 log10 max(mel |STFT|^2, 1e-10); unfused on Slaney's filterbank, fused on HTK's

Conventions: the features equal those of transformers' ``ClapFeatureExtractor`` with the same crops. *Where we differ*:
crops are drawn from a seed and the sound itself, so a clip has the same features whenever and beside whatever it is
encoded, and no global generator is touched; and in a batch without a long sound the extractor declares a random one
long, which changes that one's vector, where ours leaves all as they are.

``int16=True`` rounds the waveform to 16 bits and back (clipped to [-1, 1], times 32767, truncated), as the scripts
around the original package do.

Reference: Y. Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
augmentation", ICASSP 2023, sections 3.2 and 3.3.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from otoscope.audio.mel import MelSettings, MelSpectrogram
from otoscope.audio.stft import StftSettings
from otoscope.errors import ModelError

PADDINGS = ("repeatpad", "repeat", "pad")
TRUNCATIONS = ("fusion", "rand_trunc")


@dataclass(frozen=True)
class ClapSettings:
    """How a checkpoint wants its sound.

    Attributes
    ----------
    sample_rate, n_fft, hop_length, n_mels : int
    f_min, f_max : float
        Hz.
    n_samples : int
        Length that the network takes.
    truncation : {"fusion", "rand_trunc"}
        What is done with a longer sound.
    padding : {"repeatpad", "repeat", "pad"}
        What is done with a shorter one.
    int16 : bool
        Round the waveform to 16 bits and back.
    seed : int
        Of the crops.
    """

    sample_rate: int
    n_fft: int
    hop_length: int
    n_mels: int
    f_min: float
    f_max: float
    n_samples: int
    truncation: str
    padding: str
    int16: bool = False
    seed: int = 0

    @classmethod
    def of(cls, extractor: Any, *, int16: bool = False, seed: int = 0) -> ClapSettings:
        """Return the settings of a ``ClapFeatureExtractor``.

        Raises
        ------
        ModelError
            If it truncates or pads in a way that is not known here.
        """
        if extractor.truncation not in TRUNCATIONS or extractor.padding not in PADDINGS:
            raise ModelError(
                f"the checkpoint truncates by {extractor.truncation!r} and pads by {extractor.padding!r}; known are "
                f"{', '.join(TRUNCATIONS)} and {', '.join(PADDINGS)}"
            )
        return cls(
            sample_rate=extractor.sampling_rate,
            n_fft=extractor.fft_window_size,
            hop_length=extractor.hop_length,
            n_mels=extractor.feature_size,
            f_min=extractor.frequency_min,
            f_max=extractor.frequency_max,
            n_samples=extractor.nb_max_samples,
            truncation=extractor.truncation,
            padding=extractor.padding,
            int16=int16,
            seed=seed,
        )

    @property
    def fused(self) -> bool:
        """Whether features have four channels."""
        return self.truncation == "fusion"

    @property
    def n_frames(self) -> int:
        """Frames of the features."""
        return self.n_samples // self.hop_length + 1

    def mel(self) -> MelSpectrogram:
        """Return the spectrogram: HTK's filters of height 1 where fused, else Slaney's of area 1."""
        return MelSpectrogram(
            MelSettings(
                self.sample_rate,
                StftSettings(self.n_fft, self.hop_length, pad_mode="reflect"),
                n_mels=self.n_mels,
                f_min=self.f_min,
                f_max=self.f_max,
                scale="htk" if self.fused else "slaney",
                area_normalised=not self.fused,
            )
        )


class ClapFeatures:
    """Features of waveforms.

    Attributes
    ----------
    settings : ClapSettings
    """

    def __init__(self, settings: ClapSettings) -> None:
        self.settings = settings
        self._mel = settings.mel()

    def __call__(self, waveform: NDArray[np.float32]) -> tuple[Tensor, bool]:
        """Return the features float32 (1 or 4, frame, mel) of a waveform (time,), and whether it is longer than N."""
        sound = to_16_bits(waveform) if self.settings.int16 else waveform
        excess = len(sound) - self.settings.n_samples
        if excess <= 0:
            return self._channels(self._spectrogram(self._padded(sound))), False
        if not self.settings.fused:
            start = int(self._generator(waveform).integers(excess + 1))
            return self._spectrogram(sound[start : start + self.settings.n_samples])[None], True
        whole = self._spectrogram(sound)
        if len(whole) == self.settings.n_frames:  # longer by less than a frame
            return self._channels(whole), False
        return self.fused(whole, self._starts(len(whole), self._generator(waveform))), True

    def fused(self, whole: Tensor, starts: tuple[int, int, int]) -> Tensor:
        """Return (4, frame, mel): all of a spectrogram (frame, mel) squeezed, and three crops from ``starts``."""
        n_frames = self.settings.n_frames
        size = [n_frames, self.settings.n_mels]
        squeezed = functional.interpolate(whole[None, None], size=size, mode="bilinear", align_corners=False)
        return torch.stack([squeezed[0, 0], *(whole[one : one + n_frames] for one in starts)])

    def _starts(self, n_whole: int, generator: np.random.Generator) -> tuple[int, int, int]:
        """Return where the crops start: one in each third of what is possible, the first where a third is empty."""
        thirds = np.array_split(np.arange(n_whole - self.settings.n_frames + 1), 3)
        front, middle, back = (int(generator.choice(one)) if len(one) else 0 for one in thirds)
        return front, middle, back

    def _spectrogram(self, sound: NDArray[np.float32]) -> Tensor:
        bands: Tensor = self._mel(torch.from_numpy(sound.astype(np.float64)))
        return bands.T.float()  # (frame, mel)

    def _channels(self, spectrogram: Tensor) -> Tensor:
        return spectrogram[None].repeat(4 if self.settings.fused else 1, 1, 1)

    def _padded(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        wanted = self.settings.n_samples
        times = wanted // len(sound)
        if self.settings.padding == "repeat":
            return np.tile(sound, times + 1)[:wanted]
        repeated = np.tile(sound, times) if self.settings.padding == "repeatpad" else sound
        return np.pad(repeated, (0, wanted - len(repeated)))

    def _generator(self, waveform: NDArray[np.float32]) -> np.random.Generator:
        content = hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).digest()
        return np.random.default_rng([self.settings.seed, int.from_bytes(content[:8], "little")])


def to_16_bits(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the waveform rounded towards zero to 16 bits, as float32 in [-1, 1].

    Examples
    --------
    >>> to_16_bits(np.array([2.0, 0.5, -0.00004], dtype=np.float32)).tolist()
    [1.0, 0.4999847412109375, -3.0518509447574615e-05]
    """
    whole = (np.clip(waveform, -1.0, 1.0) * 32767.0).astype(np.int16)
    return (whole / np.float32(32767.0)).astype(np.float32)
