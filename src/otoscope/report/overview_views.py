"""View models of the overview: what was dissected, and what came out of it, as frozen data.

Like :mod:`otoscope.report.views` they are shown by templates and figures alike; missing numbers are None.
"""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.report.charts import Chart


@dataclass(frozen=True)
class Quartiles:
    """Lower quartile, median and upper quartile of some scores."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class LayerView:
    """One layer in the overview.

    Attributes
    ----------
    name, pooling : str
    n_neurons, n_dead, n_silent, n_described : int
    n_significant, n_confirmed : int
        Neurons with a description whose q <= alpha, and those that also clear the control.
    share_above_control : float or None
        Share of descriptions whose held-out score exceeds the 95th percentile of the control scores;
        0.05 is expected by chance.
    heldout, control : Quartiles or None
        Of the held-out scores and of the control scores.
    """

    name: str
    pooling: str
    n_neurons: int
    n_dead: int
    n_silent: int
    n_described: int
    n_significant: int
    n_confirmed: int
    share_above_control: float | None
    heldout: Quartiles | None
    control: Quartiles | None


@dataclass(frozen=True)
class ScoreChart:
    """Held-out scores beside control scores: counts per bin of ``edges``."""

    edges: tuple[float, ...]
    heldout: tuple[int, ...]
    control: tuple[int, ...]


@dataclass(frozen=True)
class ConceptCount:
    """How many neurons were significantly described by a concept, by pole."""

    concept: str
    n_high: int
    n_low: int

    @property
    def n(self) -> int:
        """Both poles together."""
        return self.n_high + self.n_low


@dataclass(frozen=True)
class ConfoundChart:
    """Share of each layer's live neurons with |r| >= ``threshold``: ``shares[layer][measure]``."""

    layers: tuple[str, ...]
    measures: tuple[str, ...]
    shares: tuple[tuple[float | None, ...], ...]
    threshold: float


@dataclass(frozen=True)
class FailureView:
    """A clip that could not be used, and why."""

    row: int
    id: str
    stage: str
    reason: str


@dataclass(frozen=True)
class Fact:
    """One line of "what was dissected": a name, a value, and the full value where it is shortened."""

    name: str
    value: str
    full: str | None = None


@dataclass(frozen=True)
class OverviewView:
    """The first page: what was dissected, and what came out of it."""

    title: str
    model: str
    data: str
    n_clips: int
    n_usable: int
    n_neurons: int
    n_dead: int
    n_described: int
    n_significant: int
    n_confirmed: int
    alpha: float
    heldout: Quartiles | None
    control: Quartiles | None
    facts: tuple[Fact, ...]
    cautions: tuple[str, ...]
    layers: tuple[LayerView, ...]
    scores: ScoreChart | None
    concepts: tuple[ConceptCount, ...]
    confounds: ConfoundChart | None
    failures: tuple[FailureView, ...]
    charts: tuple[Chart, ...] = ()
