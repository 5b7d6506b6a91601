"""Say which kinds of sound there are: ``name -> "module:object"``, each object a ``Kind``."""

from __future__ import annotations

_ROOM = "otoscope.audio.synthesis"

KINDS: dict[str, str] = {
    "pure_tone": f"{_ROOM}.tones:PURE_TONE",
    "harmonic_tone": f"{_ROOM}.tones:HARMONIC_TONE",
    "rising_chirp": f"{_ROOM}.tones:RISING_CHIRP",
    "falling_chirp": f"{_ROOM}.tones:FALLING_CHIRP",
    "am_tone": f"{_ROOM}.tones:AM_TONE",
    "fm_tone": f"{_ROOM}.tones:FM_TONE",
    "vowel": f"{_ROOM}.voices:VOWEL",
    "band_noise": f"{_ROOM}.noises:BAND_NOISE",
    "broadband_noise": f"{_ROOM}.noises:BROADBAND_NOISE",
    "am_noise": f"{_ROOM}.noises:AM_NOISE",
    "silence": f"{_ROOM}.noises:SILENCE",
    "clicks": f"{_ROOM}.rhythms:CLICKS",
    "tone_bursts": f"{_ROOM}.rhythms:TONE_BURSTS",
    "noise_bursts": f"{_ROOM}.rhythms:NOISE_BURSTS",
    "rain": f"{_ROOM}.weather:RAIN",
    "wind": f"{_ROOM}.weather:WIND",
    "fire": f"{_ROOM}.weather:FIRE",
    "siren": f"{_ROOM}.machines:SIREN",
    "alarm": f"{_ROOM}.machines:ALARM",
    "engine": f"{_ROOM}.machines:ENGINE",
    "knocking": f"{_ROOM}.machines:KNOCKING",
    "birds": f"{_ROOM}.animals:BIRDS",
    "crickets": f"{_ROOM}.animals:CRICKETS",
    "heartbeat": f"{_ROOM}.animals:HEARTBEAT",
}
