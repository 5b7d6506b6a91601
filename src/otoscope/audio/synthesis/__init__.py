"""Make labelled sounds whose properties are known, so that a method can be checked against the truth.

A *kind* (``"pure_tone"``, ``"rain"``) is a recipe with declared parameter ranges, a :class:`SoundSpec` is
one sound of a kind with every parameter fixed, and :func:`render` turns the spec into samples. The same spec
gives the same samples at every call; :func:`catalogue` spreads specs evenly over kinds and parameter ranges.

Conventions: a rendered sound is float32 ``(1, time)``; its *true peak* (largest value of the band-limited
curve through the samples, found at four times the rate) equals ``level_db`` decibels of full scale, so
nothing clips; nothing is aliased, since every component at or above the Nyquist frequency is left out
(harmonics) or refused (a named parameter); the first and last 5 ms are faded.

Adding a kind is one :class:`Kind` in a file here, and one line in :data:`KINDS`.

Example
-------
>>> specs = catalogue(40, seed=0)
>>> render(specs[0], sample_rate=16000).shape
(1, 32000)
"""

from __future__ import annotations

from otoscope.audio.synthesis.catalogue import catalogue
from otoscope.audio.synthesis.render import find_kind, onsets_s, render
from otoscope.audio.synthesis.spec import Choice, Kind, Range, SoundSpec
from otoscope.audio.synthesis.table import KINDS

__all__ = [
    "KINDS",
    "Choice",
    "Kind",
    "Range",
    "SoundSpec",
    "catalogue",
    "find_kind",
    "onsets_s",
    "render",
]
