"""View models of charts: bars by label, or curves over a number or a sequence; drawn alike on the page and on paper."""

from __future__ import annotations

import math
from dataclasses import dataclass

CONTROL, SECOND_CONTROL = "control", "second-control"
"""Roles of series that show what chance or another control gives."""


@dataclass(frozen=True)
class Series:
    """One line or one set of bars.

    Attributes
    ----------
    name : str
    values : tuple of float or None
        One per label of the chart; None where there is none.
    lows, highs : tuple of float or None
        Ends of the values' intervals; empty where there are none.
    role : str
        ``""``, ``control`` or ``second-control``.
    """

    name: str
    values: tuple[float | None, ...]
    lows: tuple[float | None, ...] = ()
    highs: tuple[float | None, ...] = ()
    role: str = ""


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes
    ----------
    name : str
        Of its file.
    kind : {"bars", "curves"}
    title, note : str
        What it shows, and how to read it.
    labels : tuple of str
        Of the bars, or of the places along the horizontal axis.
    series : tuple of Series
    x_label, y_label : str
        Names of the axes, with unit; bars have the value along x.
    places : tuple of float
        Where the labels stand along the axis of curves; evenly where empty.
    """

    name: str
    kind: str
    title: str
    note: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    places: tuple[float, ...] = ()

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round values that span everything drawn, and 0."""
        drawn = [v for one in self.series for v in (*one.values, *one.lows, *one.highs) if v is not None]
        return nice_ticks(min(0.0, *drawn), max(0.0, *drawn)) if drawn else (0.0, 1.0)

    @property
    def shares(self) -> tuple[float, ...]:
        """Where each label stands along the axis, 0 to 1."""
        at = self.places or tuple(map(float, range(len(self.labels))))
        first, last = min(at, default=0.0), max(at, default=0.0)
        return tuple((one - first) / ((last - first) or 1.0) for one in at)


def nice_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Return at most ``most`` round values whose ends enclose ``low`` and ``high``.

    Examples
    --------
    >>> nice_ticks(0.0, 0.87)
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / (most - 1)))
    for step in (power * one for one in (1, 2, 2.5, 5, 10, 20)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first < most:
            break
    last = max(last, first + 1)
    return tuple(round(step * i, 12) for i in range(first, last + 1))
