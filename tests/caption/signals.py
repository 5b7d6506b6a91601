"""Sounds whose properties are known, by plain numpy at the analysis rate."""

from __future__ import annotations

import numpy as np

RATE = 20_000


def seconds(duration_s: float) -> np.ndarray:
    return np.arange(round(duration_s * RATE)) / RATE


def sine(hz: float, duration_s: float = 2.0, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * seconds(duration_s))).astype(np.float32)


def harmonics(hz: float, duration_s: float = 2.0, amplitude: float = 0.1, most: int = 12) -> np.ndarray:
    t = seconds(duration_s)
    numbers = [k for k in range(1, most + 1) if k * hz < RATE / 2]
    return sum(amplitude / k * np.sin(2 * np.pi * hz * k * t + k) for k in numbers).astype(np.float32)


def noise(duration_s: float = 2.0, amplitude: float = 0.1, seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed).standard_normal(round(duration_s * RATE))
    return (amplitude * draws).astype(np.float32)


def band_noise(low_hz: float, high_hz: float, duration_s: float = 2.0, seed: int = 0) -> np.ndarray:
    spectrum = np.fft.rfft(noise(duration_s, seed=seed))
    hz = np.fft.rfftfreq(round(duration_s * RATE), 1 / RATE)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0
    return np.fft.irfft(spectrum, round(duration_s * RATE)).astype(np.float32)


def tremolo(hz: float, rate_hz: float, depth: float, duration_s: float = 3.0) -> np.ndarray:
    t = seconds(duration_s)
    return (0.3 * (1 + depth * np.cos(2 * np.pi * rate_hz * t)) * np.sin(2 * np.pi * hz * t)).astype(
        np.float32
    )


def vibrato(hz: float, rate_hz: float, semitones: float, duration_s: float = 3.0) -> np.ndarray:
    t = seconds(duration_s)
    track = hz * 2 ** (semitones * np.sin(2 * np.pi * rate_hz * t) / 12)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(track) / RATE)).astype(np.float32)


def sweep(from_hz: float, to_hz: float, duration_s: float = 2.0) -> np.ndarray:
    t = seconds(duration_s)
    track = from_hz * (to_hz / from_hz) ** (t / duration_s)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(track) / RATE)).astype(np.float32)


def clicks(times_s: np.ndarray | list[float], duration_s: float = 5.0, length_s: float = 0.01) -> np.ndarray:
    """Short decaying noise bursts."""
    found = np.zeros(round(duration_s * RATE), np.float32)
    burst = noise(length_s, 0.5, 1) * np.exp(-seconds(length_s) / (length_s / 4))
    for one in times_s:
        start = round(one * RATE)
        stop = min(start + burst.size, found.size)
        found[start:stop] += burst[: stop - start].astype(np.float32)
    return found


def between(sound: np.ndarray, before_s: float, after_s: float) -> np.ndarray:
    """The sound with silence around it."""
    silence = [np.zeros(round(one * RATE), np.float32) for one in (before_s, after_s)]
    return np.concatenate([silence[0], sound, silence[1]]).astype(np.float32)
