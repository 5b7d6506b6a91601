"""View models of explained clips: frozen data, before any HTML or picture exists; missing numbers are None."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from otoscope.store.explanations import Kept

MEASURES: Mapping[str, tuple[str, str, str, str]] = {
    "average_increase": ("AI", "%", "up", "more probable on the explanation alone"),
    "average_drop": ("AD", "%", "down", "probability lost on the explanation alone, as defined"),
    "average_drop_published": (
        "AD, published",
        "%",
        "down",
        "the same with softmax taken twice, as the recipes do",
    ),
    "average_gain": ("AG", "%", "up", "missing probability gained on the explanation alone"),
    "faithfulness": ("FF", "", "up", "probability lost when the explanation is removed"),
    "input_fidelity": ("Fid-In", "", "up", "the explanation alone is named as the whole sound"),
    "top_3_fidelity": (
        "Top-3 fidelity",
        "",
        "up",
        "the whole sound's class is among the explanation's three first",
    ),
    "insertion_area": (
        "Insertion",
        "",
        "up",
        "mean probability while the most relevant bins are put in first",
    ),
    "deletion_area": (
        "Deletion",
        "",
        "down",
        "mean probability while the most relevant bins are taken out first",
    ),
    "area_difference": ("Insertion - deletion", "", "up", "0 for a random order"),
    "localisation_auroc": ("Localisation AUROC", "", "up", "energy passed in frames where the class sounds"),
    "energy_in_events": ("Energy in events", "", "up", "share of the passed energy while the class sounds"),
    "pointing_game": ("Pointing", "", "up", "the strongest frame lies in an event of the class"),
    "target_share": ("Target's share", "", "up", "share of the passed energy that is the class's own sound"),
    "input_share": ("Share before", "", "", "the same share in the whole sound"),
    "target_kept": ("Target kept", "", "up", "share of the class's own sound that passes"),
    "improvement_db": ("Improvement", "dB", "up", "gain of the class's sound on the rest"),
    "sparseness": ("SPS", "", "up", "Gini index of the mask"),
    "complexity": ("COMP", "nats", "down", "entropy of the mask"),
    "mask_size": ("Mask size", "", "", "mean of the mask"),
    "energy_share": ("Energy passed", "", "", "share of the sound's energy that passes"),
}
"""Measure -> short name, unit, which way is better, what it is."""

CONTROLS: Mapping[str, str] = {
    "random-size": "random, same size",
    "random-energy": "random, same energy",
    "random-smooth": "random, as smooth",
    "random-matched": "random, matched",
    "loudest": "loudest bins",
    "rolled": "rolled in time",
    "other-same": "same class's mask",
    "other-different": "other class's mask",
    "all-pass": "everything",
}
"""Control -> what it is called on a page."""

OF_CLIP = (
    "average_increase",
    "average_drop",
    "average_gain",
    "faithfulness",
    "input_fidelity",
    "mask_size",
    "energy_share",
    "sparseness",
    "complexity",
)
"""Measures that are shown for a single clip."""


@dataclass(frozen=True)
class Cell:
    """A number with its interval, both ends None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class MeasureRow:
    """A measure of an explanation beside its controls, in the order of the view's controls."""

    key: str
    value: float | None
    controls: tuple[Cell, ...]


@dataclass(frozen=True)
class Probability:
    """What the network gives a class for input, explanation and remainder; ``explained`` marks the target."""

    name: str
    explained: bool
    input: float
    explanation: float
    remainder: float


@dataclass(frozen=True)
class Part:
    """A component or code: its relevance relative to the largest, whether it is used, and its sound if written."""

    name: str
    share: float
    chosen: bool
    sound: str | None


@dataclass(frozen=True)
class Heard:
    """How a sound sounds."""

    level_db: float
    peak_db: float
    centroid_hz: float | None
    active_s: float
    silent: bool


@dataclass(frozen=True)
class ExplanationView:
    """One explanation.

    Attributes
    ----------
    kept : Kept
        Where it lies.
    method, target : str
    options : str
        Of the method, in words; empty where there are none.
    probabilities : tuple of Probability
    controls : tuple of str
        What stands beside the measures.
    measures : tuple of MeasureRow
    sounds : dict of str to Heard
        ``explanation``, ``remainder``, ``original``.
    parts : tuple of Part
        Those used, and the next ones, the most relevant first.
    n_parts, n_chosen : int
    """

    kept: Kept
    method: str
    target: str
    options: str
    probabilities: tuple[Probability, ...]
    controls: tuple[str, ...]
    measures: tuple[MeasureRow, ...]
    sounds: Mapping[str, Heard]
    parts: tuple[Part, ...]
    n_parts: int
    n_chosen: int


@dataclass(frozen=True)
class ExplainedClip:
    """A clip with its explanations.

    Attributes
    ----------
    folder, id, label : str
    row : int or None
        In the run's collection.
    duration_s : float
    named : str
        The class that the network finds most probable.
    named_p : float
        Its probability.
    explanations : tuple of ExplanationView
    """

    folder: str
    id: str
    label: str
    row: int | None
    duration_s: float
    named: str
    named_p: float
    explanations: tuple[ExplanationView, ...]


def clips(kept: Iterable[Kept]) -> tuple[ExplainedClip, ...]:
    """Return the explained clips, in the order of ``kept``."""
    found = []
    for folder, group in groupby(kept, key=lambda one: one.clip):
        views = tuple(explanation(one) for one in group)
        first = views[0]
        head = first.kept.manifest
        best = max(first.probabilities, key=lambda one: one.input)
        labels = ", ".join(head["clip"]["labels"])
        found.append(
            ExplainedClip(
                folder,
                head["clip"]["id"],
                labels,
                head["clip"]["row"],
                head["duration_s"],
                best.name,
                best.input,
                views,
            )
        )
    return tuple(found)


def explanation(one: Kept) -> ExplanationView:
    """Return the view of one explanation."""
    head, scores = one.manifest, one.scores
    options = ", ".join(f"{key} {value}" for key, value in sorted(head["method"]["options"].items()))
    parts = scores["parts"] or {"n_parts": 0, "n_chosen": 0, "listed": []}
    return ExplanationView(
        kept=one,
        method=head["method"]["name"],
        target=head["target"]["name"],
        options=options,
        probabilities=tuple(_probability(p, head["target"]["index"]) for p in scores["probabilities"]),
        controls=tuple(control["control"] for control in scores["controls"]),
        measures=tuple(_measures(scores)),
        sounds={name: _heard(sound) for name, sound in scores["sounds"].items()},
        parts=_parts(parts["listed"]),
        n_parts=parts["n_parts"],
        n_chosen=parts["n_chosen"],
    )


def _probability(one: Mapping[str, Any], explained: int | None) -> Probability:
    return Probability(
        str(one["class"]), one["index"] == explained, one["input"], one["explanation"], one["remainder"]
    )


def _measures(scores: Mapping[str, Any]) -> Iterable[MeasureRow]:
    for key in OF_CLIP:
        if key in scores["measures"]:
            beside = (control[key] for control in scores["controls"])
            cells = tuple(Cell(one["mean"], one["low"], one["high"]) for one in beside)
            yield MeasureRow(key, scores["measures"][key], cells)


def _heard(sound: Mapping[str, Any]) -> Heard:
    return Heard(
        sound["level_db"], sound["peak_db"], sound["centroid_hz"], sound["active_s"], sound["silent"]
    )


def _parts(listed: Iterable[Mapping[str, Any]], most: int = 12) -> tuple[Part, ...]:
    shown = [one for one in listed if one["chosen"] or one.get("sound")][:most]
    largest = max((abs(one["relevance"]) for one in shown), default=0.0) or 1.0
    return tuple(
        Part(one["name"], one["relevance"] / largest, one["chosen"], one.get("sound")) for one in shown
    )
