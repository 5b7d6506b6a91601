"""Of what an explanation lets through, how much belongs to the sound it should be about?

Definitions. A mixture is a target t and another sound o, both known, with powers |T|^2 and |O|^2 in each bin of the
spectrogram; the explanation multiplies each bin's magnitude by a gain g in [0, 1].

- *target's share*    sum g^2 |T|^2 / (sum g^2 |T|^2 + sum g^2 |O|^2)      in [0, 1]; all-pass: the mixture's
- *target kept*       sum g^2 |T|^2 / sum |T|^2                            in [0, 1]
- *improvement*       10 log10 of passed T / passed O, minus the same of the mixture, in decibels

Conventions: one value per clip; a gain that passes nothing has no share and no improvement (NaN). An explanation is
not a separation: a network may need a tenth of a sound only, so the share stands first and "kept" beside it.
A mask that acts on log(1 + X) has the gain (exp(m log(1 + X)) - 1) / X; a mask on X is its own gain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import EmptyDataError, InputError
from otoscope.metrics.classification import Floats


def validate(gain: Floats, target_power: Floats, other_power: Floats) -> None:
    """Raise if the three are not stacks ``(clip, frequency, frame)`` of one shape, none of them negative."""
    if not gain.shape == target_power.shape == other_power.shape or gain.ndim < 2:
        raise InputError(
            "expected gain and both powers (clip, frequency, frame), got "
            f"{gain.shape}, {target_power.shape} and {other_power.shape}"
        )
    if gain.size == 0:
        raise EmptyDataError(f"nothing to separate: the stack is {gain.shape}")
    if min(gain.min(), target_power.min(), other_power.min()) < 0:
        raise InputError("gains and powers are not negative; pass squared magnitudes")


def passed(gain: Floats, power: Floats) -> NDArray[np.float64]:
    """Return the energy of a sound that a gain lets through, ``(clip,)``: sum of g^2 |X|^2."""
    weighted = np.square(np.asarray(gain, np.float64)) * power
    return np.asarray(weighted.reshape(len(weighted), -1).sum(axis=1), dtype=np.float64)


def target_share(gain: Floats, target_power: Floats, other_power: Floats) -> NDArray[np.float64]:
    """Return the share of the passed energy that belongs to the target, ``(clip,)``, in [0, 1], higher is better.

    Examples
    --------
    >>> target_share(np.array([[1.0, 0.5]]), np.array([[1.0, 0.0]]), np.array([[0.0, 4.0]]))
    array([0.5])
    """
    validate(gain, target_power, other_power)
    own, other = passed(gain, target_power), passed(gain, other_power)
    return _ratio(own, own + other)


def target_kept(gain: Floats, target_power: Floats) -> NDArray[np.float64]:
    """Return the share of the target's energy that is let through, ``(clip,)``, in [0, 1]."""
    validate(gain, target_power, target_power)
    return _ratio(passed(gain, target_power), passed(np.ones_like(gain), target_power))


def improvement_db(gain: Floats, target_power: Floats, other_power: Floats) -> NDArray[np.float64]:
    """Return by how many decibels the target gains on the other sound, ``(clip,)``; 0 for all-pass.

    Infinite where none of the other sound passes.
    """
    validate(gain, target_power, other_power)
    through = np.ones_like(gain)
    after = _ratio(passed(gain, target_power), passed(gain, other_power), at_zero=np.inf)
    before = _ratio(passed(through, target_power), passed(through, other_power), at_zero=np.inf)
    nothing = (passed(gain, target_power) + passed(gain, other_power)) == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(nothing, np.nan, 10 * np.log10(after) - 10 * np.log10(before))


def evaluate(gain: Floats, target_power: Floats, other_power: Floats) -> dict[str, NDArray[np.float64]]:
    """Return all measures per clip by name, with ``input_share``, the share before the explanation."""
    return {
        "target_share": target_share(gain, target_power, other_power),
        "input_share": target_share(np.ones_like(gain), target_power, other_power),
        "target_kept": target_kept(gain, target_power),
        "improvement_db": improvement_db(gain, target_power, other_power),
    }


def _ratio(part: Floats, whole: Floats, at_zero: float = np.nan) -> NDArray[np.float64]:
    filled = np.where(whole > 0, whole, 1.0)
    return np.asarray(np.where(whole > 0, part / filled, at_zero), dtype=np.float64)
