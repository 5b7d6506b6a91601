"""Which noise lies under a training clip? A folder's sounds, or synthetic noise where there is no folder.

``synthetic``: Gaussian noise whose power falls as 1 / f^a, a uniform in [0, 2] (white to brown), one draw a clip.
A folder (WHAM!'s ``wav16k/max/tr``): a random stretch of a random file, mono, at the network's rate; files shorter than
a clip are repeated. The noise is added at a signal-to-noise ratio (:mod:`otoscope.audio.mix`); a clip or a noise that
is digital silence stays as it is, since there is no ratio.

Reference: G. Wichern et al. (2019), WHAM!: extending speech separation to noisy environments, Interspeech. Published
ESC-50 recipes add it at 0 dB, the first five seconds of each file, and divide the sum by its largest value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from otoscope.audio.mix import mix_at_snr
from otoscope.audio.read import info, read
from otoscope.audio.resample import resample
from otoscope.audio.windows import fit
from otoscope.errors import InputError

Waveform = NDArray[np.float32]
#: ``(generator, samples) -> noise``
Source = Callable[[np.random.Generator, int], Waveform]
SYNTHETIC = "synthetic"
ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")
STEEPEST = 2.0


def source(name: str, sample_rate: int) -> Source:
    """Return what draws noise: ``synthetic``, or the sounds of a folder.

    Parameters
    ----------
    name : str
        ``synthetic`` or a folder.
    sample_rate : int
        In hertz.

    Raises
    ------
    InputError
        If the folder does not exist or holds no sound.
    """
    if name == SYNTHETIC:
        return synthetic
    folder = Path(name).expanduser()
    files = tuple(sorted(one for one in folder.rglob("*") if one.suffix.lower() in ENDINGS))
    if not files:
        there = "it holds no sound" if folder.is_dir() else "there is no such folder"
        raise InputError(f"noise {name!r}: {there}; give a folder of sounds, or {SYNTHETIC}")
    return partial(_of_folder, files, sample_rate)


def synthetic(rng: np.random.Generator, n_samples: int) -> Waveform:
    """Return coloured noise ``(n_samples,)`` of standard deviation 1."""
    slope = rng.uniform(0.0, STEEPEST)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-slope / 2)
    noise = np.fft.irfft(spectrum, n_samples)
    scaled: Waveform = (noise / max(float(noise.std()), 1e-12)).astype(np.float32)
    return scaled


def _of_folder(
    files: tuple[Path, ...], sample_rate: int, rng: np.random.Generator, n_samples: int
) -> Waveform:
    path = files[int(rng.integers(len(files)))]
    duration_s, wanted_s = info(path).duration_s, n_samples / sample_rate
    start_s = float(rng.uniform(0.0, max(duration_s - wanted_s, 0.0)))
    samples, rate = read(path, start_s=start_s, end_s=min(start_s + wanted_s, duration_s))
    heard = resample(samples.mean(0, dtype=np.float32), rate, sample_rate)
    whole: Waveform = fit(heard, n_samples, "repeat").astype(np.float32)
    return whole


def under(
    waveform: Waveform, draw: Source, snr_db: tuple[float, float], share: float, rng: np.random.Generator
) -> Waveform:
    """Return a clip with noise under it, or as it is for a share ``1 - share`` of clips.

    Parameters
    ----------
    waveform : float32 (time,)
        The clip.
    draw : callable
        See :func:`source`.
    snr_db : pair of float
        Lowest and highest level of the clip above the noise.
    share : float
        Of clips that get noise.
    rng : numpy.random.Generator
        Draws all of it.
    """
    if rng.random() >= share:
        return waveform
    ratio, noise = float(rng.uniform(*snr_db)), draw(rng, waveform.size)
    if not waveform.any() or not noise.any():
        return waveform
    mixed: Waveform = mix_at_snr(waveform, noise, ratio).astype(np.float32)
    return mixed
