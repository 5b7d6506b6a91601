"""What would chance do? Masks that know nothing of the decision, to stand beside every explanation.

========================  =========================================================================================
``random-size``           the mask's own values, dealt to random bins: same size, same values, no smoothness
``random-energy``         random bins, kept one after the other until as much energy passes as the mask passes
``random-smooth``         the mask's own values on a random field with the mask's spectrum of variations, smoothed until
                          its roughness is the mask's: same size, same values, about the same smoothness
``random-matched``        the same, the field tilted towards (or away from) loud bins until the passed energy is the
                          mask's too: size and energy, and smoothness as far as the loud bins allow
``loudest``               the mask's own values, dealt to bins by loudness
``rolled``                the mask, rolled in time by a random quarter to three quarters of the clip
``other-same``            the mask of another clip whose explained class is the same
``other-different``       the mask of another clip whose explained class is another
``all-pass``              ones
========================  =========================================================================================

A control that does not exist for a clip (no other clip of its class) is None, and the clip counts as dropped there.
Reference for surrogates: J. Theiler et al. (1992), Testing for nonlinearity in time series: the method of surrogate
data, Physica D 58.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter

from otoscope.explain import CONTROLS
from otoscope.registry import lookup

Mask = NDArray[np.floating[Any]]
_TILTS = 12
_STEPS = 4096
_NARROW, _FLAT = 4.0, 1e-12
_WIDTHS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True)
class Case:
    """One explained clip.

    Attributes
    ----------
    mask : array (frequency, frame)
        In [0, 1].
    magnitude : array (frequency, frame)
        Of the clip.
    same, different : array (frequency, frame) or None
        Masks of other clips whose explained class is the same, or another.
    """

    mask: Mask
    magnitude: Mask
    same: Mask | None = None
    different: Mask | None = None


def control(name: str, case: Case, seed: int) -> Mask | None:
    """Return the mask of a control, ``(frequency, frame)``; None where this clip has none.

    Raises
    ------
    UnknownNameError
        If there is no such control.
    """
    made: Mask | None = lookup(CONTROLS, name, room="controls", kind="control")(
        case, np.random.default_rng(seed)
    )
    return made


def random_size(case: Case, rng: np.random.Generator) -> Mask:
    """Return the mask's values at random places."""
    return rng.permutation(case.mask.ravel()).reshape(case.mask.shape)


def random_energy(case: Case, rng: np.random.Generator) -> Mask:
    """Return random bins, as many as pass the energy that the mask passes (to within a bin)."""
    power = np.square(case.magnitude.ravel(), dtype=np.float64)
    order = rng.permutation(power.size)
    wanted = passed_energy(case.mask, case.magnitude)
    count = int(np.searchsorted(np.cumsum(power[order]), wanted))
    mask = np.zeros(power.size, case.mask.dtype)
    mask[order[:count]] = 1
    return mask.reshape(case.mask.shape)


def random_smooth(case: Case, rng: np.random.Generator) -> Mask:
    """Return the mask's values dealt by rank to a random field with its spectrum of variations."""
    return fitting(case.mask, Blur(surrogate(case.mask, rng)))[1]


def random_matched(case: Case, rng: np.random.Generator) -> Mask:
    """Return a random mask of the same values, passed energy and about the same roughness.

    The field of ``random-smooth`` is tilted by the log power, equally smoothed; the tilt is found by bisection on the
    passed energy. Loud bins may lie too scattered for a mask as smooth: of four widths, the one counts whose roughness
    is nearest among those that reach the energy within 5 %.
    """
    field = Blur(surrogate(case.mask, rng))
    loud = Blur(np.log(np.square(case.magnitude, dtype=np.float64) + 1e-12))
    wanted, rough = passed_energy(case.mask, case.magnitude), roughness(case.mask)
    width = fitting(case.mask, field)[0]
    best: tuple[float, Mask] = (np.inf, case.mask)
    for one in sorted({0.0, 2.0, width / 2, width}):
        mask = _tilted(case, field.by(one), loud.by(one), wanted)
        error = abs(passed_energy(mask, case.magnitude) - wanted) / max(wanted, 1e-12)
        badness = abs(roughness(mask) - rough) / max(rough, 1e-12) + 100 * max(0.0, error - 0.05)
        best = min(best, (badness, mask), key=lambda pair: pair[0])
    return best[1]


def loudest(case: Case, rng: np.random.Generator) -> Mask:
    """Return the mask's values dealt to bins by loudness."""
    return dealt(case.mask, case.magnitude)


def rolled(case: Case, rng: np.random.Generator) -> Mask:
    """Return the mask rolled in time by a quarter to three quarters of the clip."""
    n = case.mask.shape[1]
    return np.roll(case.mask, int(rng.integers(n // 4, max(3 * n // 4, n // 4 + 1))), axis=1)


def other_same(case: Case, rng: np.random.Generator) -> Mask | None:
    """Return the mask of another clip of the same explained class."""
    return case.same


def other_different(case: Case, rng: np.random.Generator) -> Mask | None:
    """Return the mask of a clip of another explained class."""
    return case.different


def all_pass(case: Case, rng: np.random.Generator) -> Mask:
    """Return ones."""
    return np.ones_like(case.mask)


def passed_energy(mask: Mask, magnitude: Mask) -> float:
    """Return the sum of (mask times magnitude) squared."""
    return float(np.square(mask * magnitude, dtype=np.float64).sum())


def roughness(mask: Mask) -> float:
    """Return the mean absolute step between neighbouring bins, in frequency and in time together; 0 for a constant."""
    exact = np.asarray(mask, np.float64)
    steps = [np.abs(np.diff(exact, axis=axis)) for axis in (0, 1)]
    return float(sum(one.sum() / max(one.size, 1) for one in steps))


def surrogate(mask: Mask, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a random field ``(frequency, frame)`` with the mask's power spectrum, mean 0 and deviation 1."""
    exact = np.asarray(mask, np.float64)
    noise = np.fft.rfft2(rng.standard_normal(exact.shape))
    size = np.abs(np.fft.rfft2(exact - exact.mean()))
    field = np.fft.irfft2(size * noise / np.maximum(np.abs(noise), 1e-12), s=exact.shape)
    spread = float(field.std())
    return np.asarray(field / spread if spread > 1e-9 else rng.standard_normal(exact.shape))


class Blur:
    """A field blurred by Gaussians of any width, each brought back to mean 0 and deviation 1.

    Narrow ones (4 bins or less) are sums over neighbours, wide ones products with the field's cosine transform: a field
    that is mirrored at its edges, as here, has that of the kernel for a factor. Both end at four deviations.

    Parameters
    ----------
    field : array (frequency, frame)
    """

    def __init__(self, field: Mask) -> None:
        self.field = np.asarray(field, np.float64)

    @cached_property
    def _cosines(self) -> NDArray[np.float64]:
        return np.asarray(dctn(self.field, norm="ortho"))

    def by(self, width: float) -> NDArray[np.float64]:
        """Return the field blurred by so many bins; 0: not at all."""
        if not width:
            blurred = self.field
        elif width <= _NARROW:
            blurred = gaussian_filter(self.field, width)
        else:
            rows, columns = (_transfer(n, width) for n in self.field.shape)
            blurred = idctn(self._cosines * rows[:, None] * columns, norm="ortho")
        middle, spread = float(blurred.mean()), float(blurred.std())
        flat = spread <= _FLAT * max(abs(middle), 1.0)  # rounding is no field
        return np.zeros(blurred.shape) if flat else np.asarray((blurred - middle) / spread)


def _transfer(n: int, width: float) -> NDArray[np.float64]:
    """Return the factors ``(n,)`` of a Gaussian that ends at four deviations, for the cosine transform."""
    place = np.arange(1, int(4 * width + 0.5) + 1)
    kernel = np.exp(-0.5 * np.square(place / width))
    waves = np.cos(np.pi * np.arange(n)[:, None] * place / n)
    return np.asarray((1 + 2 * (waves * kernel).sum(axis=1)) / (1 + 2 * kernel.sum()))


def fitting(mask: Mask, field: Blur) -> tuple[float, Mask]:
    """Return the blur at which the mask's values dealt by the field are about as rough as the mask, and what is dealt.

    The wider the blur, the smoother the mask, so the widths are halved until two are left.
    """
    rough = roughness(mask)
    made: dict[int, tuple[float, Mask]] = {}

    def excess(place: int) -> float:
        if place not in made:
            one = dealt(mask, field.by(_WIDTHS[place]))
            made[place] = roughness(one) - rough, one
        return made[place][0]

    low, high = 0, len(_WIDTHS) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    best = min((low, high), key=lambda place: abs(excess(place)))
    return _WIDTHS[best], made[best][1]


def dealt(values: Mask, field: Mask) -> Mask:
    """Return the values of a mask dealt to bins by the rank of ``field``: the highest value to the highest bin.

    Among bins of one rank, later ones count as higher where values differ.
    """
    flat, mask = values.ravel(), np.zeros(values.size, values.dtype)
    count = int(np.count_nonzero(flat))
    if not (flat[flat != 0] == 1).all():
        mask[_order(field)] = np.sort(flat)
    elif count:
        mask[np.argpartition(field, flat.size - count, axis=None)[flat.size - count :]] = 1
    return mask.reshape(values.shape)


def _order(field: Mask) -> NDArray[np.int64]:
    """Return the bins by rising field, those that are equal in their own order."""
    if (
        field.dtype == np.float64
    ):  # a drawn field: hardly two bins are equal, and the plain sort is twice as fast
        order = np.argsort(field, axis=None)
        rising = field.ravel()[order]
        if not (rising[1:] == rising[:-1]).any():
            return np.asarray(order)
    return np.asarray(np.argsort(field, axis=None, kind="stable"))


def _tilted(case: Case, field: Mask, slope: Mask, wanted: float) -> Mask:
    """Return the mask dealt by ``(1 - |t|) field + t slope`` whose passed energy is nearest, t in [-1, 1].

    While t is sought bins are ranked by 4096 equal steps of the field, which is within 1 % of the energy dealt exactly.
    """
    power = np.square(case.magnitude.ravel(), dtype=np.float64)
    squares = np.concatenate([[0.0], np.cumsum(np.square(np.sort(case.mask, axis=None), dtype=np.float64))])
    made, added = np.empty_like(field), np.empty_like(field)

    def mixed(tilt: float) -> NDArray[np.float64]:
        np.multiply(field, 1 - abs(tilt), out=made)
        np.multiply(slope, tilt, out=added)
        return np.add(made, added, out=made)

    low, high = -1.0, 1.0
    for _ in range(_TILTS):
        tilt = (low + high) / 2
        if _energy(mixed(tilt).ravel(), power, squares) < wanted:
            low = tilt
        else:
            high = tilt
    return dealt(case.mask, mixed((low + high) / 2))


def _energy(field: NDArray[np.float64], power: NDArray[np.float64], squares: NDArray[np.float64]) -> float:
    """Return about the energy that a mask passes when its values are dealt by a field.

    Parameters
    ----------
    field, power : array (bin,)
        What deals (it is overwritten), and the energy of each bin.
    squares : array (bin + 1,)
        Sums of the lowest 0, 1, 2, ... squared values of the mask.
    """
    bottom, top = float(field.min()), float(field.max())
    field -= bottom
    field *= (_STEPS - 1) / max(top - bottom, 1e-12)
    step = field.astype(np.int64)
    counts = np.bincount(step, minlength=_STEPS)
    ends = np.cumsum(counts)
    means = (squares[ends] - squares[ends - counts]) / np.maximum(counts, 1)
    return float((np.bincount(step, weights=power, minlength=_STEPS) * means).sum())
