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
untestable described, but not tested, or the data cannot reach alpha
undescribed no description in this run
dead       the activation never varied; nothing to describe
========== =======================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.report.said import Said

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
class DescriptionView:
    """What one pole of a neuron was found to listen to, and how far to trust it.

    Attributes
    ----------
    table : str
        The table of descriptions it stands in.
    pole : {"high", "low"}
    said : Said
        Its words, and how they came about.
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
    n_describe, n_score : int or None
        Clips used for describing and for scoring.
    flags : tuple of str
        Remarks of the describing stage, in plain words.
    verdict : str
        One of ``VERDICTS``.
    """

    table: str
    pole: str
    said: Said
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
    n_describe: int | None
    n_score: int | None
    flags: tuple[str, ...]
    verdict: str

    @property
    def words(self) -> str:
        """The description in the fewest words."""
        return self.said.words


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
        Of the table that the page is about: at most one per pole, ``high`` first.
    others : tuple of DescriptionView
        Of every other table of the run, table by table.
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
    others: tuple[DescriptionView, ...]
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
