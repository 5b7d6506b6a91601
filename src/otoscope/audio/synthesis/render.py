"""Turn a spec into samples, at the true peak level it states."""

from __future__ import annotations

import inspect

import numpy as np
from numpy.typing import NDArray

from otoscope.audio.synthesis.signals import fade_edges, true_peak
from otoscope.audio.synthesis.spec import Kind, Params, SoundSpec
from otoscope.audio.synthesis.table import KINDS
from otoscope.errors import InputError
from otoscope.registry import lookup


def find_kind(name: str) -> Kind:
    """Return the kind of that name.

    Raises
    ------
    UnknownNameError
        Listing the known kinds and the closest.
    """
    kind: Kind = lookup(KINDS, name, room="sounds", kind="kind of sound")
    return kind


def render(spec: SoundSpec, sample_rate: int) -> NDArray[np.float32]:
    """Return the sound's samples.

    Parameters
    ----------
    spec : SoundSpec
        What to render.
    sample_rate : int
        Samples per second, > 0; at least 16000 for every sound of a catalogue.

    Returns
    -------
    (1, time) float32
        True peak at ``spec.level_db`` decibels of full scale (digital silence: all zeros).

    Raises
    ------
    InputError
        If a parameter lies above the Nyquist frequency, or the kind takes other parameters.
    """
    if sample_rate <= 0:
        raise InputError(f"sample_rate must be > 0 Hz, got {sample_rate!r}")
    kind = find_kind(spec.kind)
    rng = np.random.default_rng(spec.seed)
    raw = kind.make(rng, sample_rate, spec.duration_s, **_checked(kind, spec.params))
    faded = fade_edges(raw, sample_rate)
    peak = true_peak(faded)
    gain = 10.0 ** (spec.level_db / 20.0) / peak if peak > 0 else 0.0
    return (faded * np.float32(gain))[None, :]


def _checked(kind: Kind, params: Params) -> Params:
    """Return the parameters, or raise where the kind needs others."""
    signature = inspect.signature(kind.make).parameters.values()
    needed = {one.name for one in signature if one.kind is inspect.Parameter.KEYWORD_ONLY}
    if needed != set(params):
        raise InputError(
            f"{kind.name!r} takes exactly the parameters {sorted(needed)}; "
            f"missing: {sorted(needed - set(params))}, unknown: {sorted(set(params) - needed)}."
        )
    return params


def onsets_s(spec: SoundSpec) -> tuple[float, ...] | None:
    """Return the times in seconds at which something in the sound starts, or None where they are not known.

    Kinds of separate events carry them as the parameter ``onset_s``, sounds that last the whole clip start
    at 0, silence has none ``()``, and those of random textures (rain) are not known.
    """
    if "onset_s" in spec.params:
        return tuple(float(time_s) for time_s in spec.params["onset_s"])
    return find_kind(spec.kind).onset_s
