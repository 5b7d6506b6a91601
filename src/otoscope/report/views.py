"""View models: what a person is shown of a run, as frozen data, before any HTML, JSON or picture exists.

The page, the notebook cards and the local explorer render these same models. Nothing here knows where a number
came from; missing numbers are None, never NaN.

Two poles: ``high`` is what makes a neuron most active, ``low`` what makes it least active (for a signed neuron:
most negative). A neuron's *verdict* is the strongest statement that the numbers allow:

========== =======================================================================================
confirmed  its description is significant (q <= alpha) and its held-out score lies above the
           95th percentile of its layer's control scores (5 % would by chance)
significant q <= alpha, but the held-out score does not clear the control
chance     described, not significant
untestable described, but the data cannot reach alpha
undescribed no description in this run
dead       the activation never varied; nothing to describe
========== =======================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

VERDICTS = ("confirmed", "significant", "chance", "untestable", "undescribed", "dead")
POLES = ("high", "low")


@dataclass(frozen=True)
class Credit:
    """Who made a clip and under which terms, as the data says."""

    title: str | None
    author: str | None
    license: str | None
    source: str | None


@dataclass(frozen=True)
class ClipView:
    """One clip of the run.

    Attributes
    ----------
    row : int
        Its row in ``clips.parquet``.
    id : str
        Its path in the data.
    label : str
        Its primary label or labels, ``""`` where it has none.
    duration_s : float or None
        Seconds; None where it failed.
    credit : Credit or None
        None where the data carries no attribution.
    """

    row: int
    id: str
    label: str
    duration_s: float | None
    credit: Credit | None


@dataclass(frozen=True)
class Trace:
    """A neuron's activation over the time of one clip.

    Attributes
    ----------
    levels : tuple of float
        Highest activation in each of up to 64 even spans, in the neuron's units.
    start_s, end_s : float
        Seconds that the spans cover.
    """

    levels: tuple[float, ...]
    start_s: float
    end_s: float


@dataclass(frozen=True)
class RankedClip:
    """A clip among a neuron's most (or least) active ones.

    Attributes
    ----------
    rank : int
        1 is the extreme.
    row : int
        The clip.
    value : float
        Pooled activation.
    peak_s, peak_hz : float or None
        Where in the clip the extreme lies; None where the layer has no time or no frequency.
    trace : Trace or None
        None where the layer has a single position.
    """

    rank: int
    row: int
    value: float
    peak_s: float | None
    peak_hz: float | None
    trace: Trace | None


@dataclass(frozen=True)
class Candidate:
    """One concept with its score, among a description's five best."""

    concept: str
    score: float | None


@dataclass(frozen=True)
class DescriptionView:
    """What one pole of a neuron was found to listen to, and how far to trust it.

    Attributes
    ----------
    pole : {"high", "low"}
    concept : str
        The best concept.
    score, margin : float or None
        Its score and the distance to the runner-up; higher is better.
    p, q : float or None
        Of the best-of-many test, and after Benjamini-Hochberg.
    heldout : float or None
        Pearson correlation with the concept on clips not used for describing; ``heldout_low`` and
        ``heldout_high`` bound it (95 %, bootstrap over groups).
    control : float or None
        The same score for another neuron's description.
    auprc_gain, auroc : float or None
        Average precision minus prevalence, and area under the ROC curve, held out.
    candidates : tuple of Candidate
        The five best concepts.
    n_describe, n_score : int or None
        Clips used for describing and for scoring.
    flags : tuple of str
        Remarks of the describing stage.
    verdict : str
        One of ``VERDICTS``.
    """

    pole: str
    concept: str
    score: float | None
    margin: float | None
    p: float | None
    q: float | None
    heldout: float | None
    heldout_low: float | None
    heldout_high: float | None
    control: float | None
    auprc_gain: float | None
    auroc: float | None
    candidates: tuple[Candidate, ...]
    n_describe: int | None
    n_score: int | None
    flags: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class Histogram:
    """Counts of a neuron's pooled activations: ``edges`` has one entry more than ``counts``."""

    counts: tuple[int, ...]
    edges: tuple[float, ...]


@dataclass(frozen=True)
class Confound:
    """How much a neuron moves with a simple measure of the sound.

    Attributes
    ----------
    measure : str
        ``level``, ``centroid``, ``duration``, ``silence`` or ``pitch``.
    r : float or None
        Spearman correlation over clips, [-1, 1]; None where it is not defined.
    n : int
        Clips that have the measure.
    """

    measure: str
    r: float | None
    n: int


@dataclass(frozen=True)
class NeuronView:
    """All that is shown of one neuron.

    Attributes
    ----------
    neuron : int
        Global row in ``neurons.parquet``.
    layer, index : str, int
        Its identity.
    class_name : str or None
        For a neuron of ``logits``: the class it stands for.
    dead, silent, signed : bool
        No variance; never positive; two poles.
    mean, std, share_positive : float or None
        Moments of the pooled activations; share of positive positions.
    descriptions : tuple of DescriptionView
        At most one per pole, ``high`` first.
    top, bottom : tuple of RankedClip
        Most and least active clips.
    histogram : Histogram or None
    confounds : tuple of Confound
    verdict : str
        The best verdict of its descriptions, or ``dead`` or ``undescribed``.
    """

    neuron: int
    layer: str
    index: int
    class_name: str | None
    dead: bool
    silent: bool
    signed: bool
    mean: float | None
    std: float | None
    share_positive: float | None
    descriptions: tuple[DescriptionView, ...]
    top: tuple[RankedClip, ...]
    bottom: tuple[RankedClip, ...]
    histogram: Histogram | None
    confounds: tuple[Confound, ...]
    verdict: str

    @property
    def main(self) -> DescriptionView | None:
        """The description with the best verdict, then the best held-out score."""
        ranked = sorted(
            self.descriptions, key=lambda one: (VERDICTS.index(one.verdict), -(one.heldout or -1.0))
        )
        return ranked[0] if ranked else None


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
