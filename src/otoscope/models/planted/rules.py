"""What a planted neuron responds to: rules, each a value in [0, 1] for every clip and frame.

A rule sees power spectrograms only and is written from scratch here: it shares neither code nor thresholds with
the captioners, which hear the waveform, nor with the word lists. Where nothing is audible every rule but ``quiet``
is 0. Below, P is the fine spectrogram, a the amplitude, g the audibility gate (see :mod:`.heard`).

    family        rule               value
    band_energy   low_band           g * share of P below 300 Hz
                  high_band          g * share of P above 3500 Hz
    onset         onset              rise of a within 20 ms over its maximum nearby, above 0.35; fades in 60 ms
    am_rate       slow_modulation    2 * autocorrelation of a at lags of 1/6 to 2/3 s, less fast_modulation
                  fast_modulation    modulation depth of a at 8-20 Hz, less that at 2-5.5 Hz
    noisiness     noisy, tonal       local flatness of P (see Heard.flatness_db) above -6 / below -10 dB
    pitch_range   low_pitch          tonal * probability that the pitch lies in 55-220 Hz
                  high_pitch         tonal * probability that the pitch lies above 1500 Hz
    level         loud, quiet        level above -18 dB / below -50 dB of full scale
    steadiness    steady             g * exp(-change of level and of spectral centroid over 200 ms)

Adding a rule: a function here, a row in :data:`RULES`, its words in ``words.py``, ``RULES_VERSION``
raised, and ``calibration.write()`` run again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from otoscope.models.planted.heard import Heard, nearby_max, shifted, smooth
from otoscope.models.planted.modulation import fast_modulation, slow_modulation
from otoscope.models.planted.pitch import between


@dataclass(frozen=True)
class Rule:
    """A named rule.

    Attributes
    ----------
    family : str
        ``band_energy``, ``onset``, ``am_rate``, ``noisiness``, ``pitch_range``, ``level`` or ``steadiness``.
    value : callable
        Heard -> ``(clip, frame)`` in [0, 1].
    """

    family: str
    value: Callable[[Heard], Tensor]


def _share(heard: Heard, low_hz: float, high_hz: float) -> Tensor:
    inside = ((heard.frequency_hz >= low_hz) & (heard.frequency_hz < high_hz)).to(heard.fine.dtype)
    return heard.audible * torch.einsum("bft,f->bt", heard.fine, inside) / heard.power


def low_band(heard: Heard) -> Tensor:
    """Return the share of power below 300 Hz."""
    return _share(heard, 0.0, 300.0)


def high_band(heard: Heard) -> Tensor:
    """Return the share of power above 3500 Hz."""
    return _share(heard, 3500.0, 1e9)


def onset(heard: Heard) -> Tensor:
    """Return how suddenly the amplitude has just risen: 1 for a step out of silence, fading within 60 ms."""
    reference = nearby_max(heard.amplitude, 25) + 1e-4
    rise = (shifted(heard.amplitude, 1) - shifted(heard.amplitude, -1)) / reference
    sudden = functional.relu((rise - 0.35) / 0.65).clamp(max=1.0)
    age_s = 0.01 * torch.arange(-20, 21, device=rise.device, dtype=rise.dtype).neg()
    fading = torch.where(age_s >= 0, torch.exp(-age_s / 0.06), torch.zeros_like(age_s))
    return (smooth(sudden, fading) / 2.0).clamp(max=1.0)


def noisy(heard: Heard) -> Tensor:
    """Return 1 where the spectrum is locally flat, as noise is."""
    return heard.audible * torch.sigmoid(heard.flatness_db + 6.0)


def tonal(heard: Heard) -> Tensor:
    """Return 1 where power stands in narrow peaks, as tones and voices have them."""
    return heard.audible * torch.sigmoid((-10.0 - heard.flatness_db) / 1.5)


def low_pitch(heard: Heard) -> Tensor:
    """Return how surely there is a pitch between 55 and 220 Hz."""
    return tonal(heard) * between(heard.pitch_probability, 55.0, 220.0)


def high_pitch(heard: Heard) -> Tensor:
    """Return how surely there is a pitch above 1500 Hz."""
    return tonal(heard) * between(heard.pitch_probability, 1500.0, 8000.0)


def loud(heard: Heard) -> Tensor:
    """Return 1 above -18 dB of full scale."""
    return torch.sigmoid((heard.level_db + 18.0) / 2.0)


def quiet(heard: Heard) -> Tensor:
    """Return 1 below -50 dB of full scale."""
    return torch.sigmoid((-50.0 - heard.level_db) / 3.0)


def steady(heard: Heard) -> Tensor:
    """Return 1 where neither level (3 dB) nor spectral centroid (a quarter octave) changes over 200 ms."""
    octaves = torch.log2(heard.frequency_hz.clamp_min(20.0))
    centroid = torch.einsum("bft,f->bt", heard.fine, octaves) / heard.power
    turning = (shifted(centroid, 10) - shifted(centroid, -10)).abs() / 0.25
    level = heard.level_db.clamp_min(-70.0)
    swelling = (shifted(level, 10) - shifted(level, -10)).abs() / 3.0
    return heard.audible * torch.exp(-turning - swelling)


RULES: dict[str, Rule] = {
    "low_band": Rule("band_energy", low_band),
    "high_band": Rule("band_energy", high_band),
    "onset": Rule("onset", onset),
    "slow_modulation": Rule("am_rate", slow_modulation),
    "fast_modulation": Rule("am_rate", fast_modulation),
    "noisy": Rule("noisiness", noisy),
    "tonal": Rule("noisiness", tonal),
    "low_pitch": Rule("pitch_range", low_pitch),
    "high_pitch": Rule("pitch_range", high_pitch),
    "loud": Rule("level", loud),
    "quiet": Rule("level", quiet),
    "steady": Rule("steadiness", steady),
}
