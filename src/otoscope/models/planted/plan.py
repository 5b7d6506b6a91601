"""Decide which neurons are planted: from a list of rules, strengths and a seed.

    kind          the neuron's drive z, standardised over synthetic clips          responds to
    single        z_a                                                              rule a
    signed        (z_a - z_b) / norm, both signs kept                              a at the high pole, b at the low
    polysemantic  (z_a + z_b) / norm                                               a, or b
    conjunctive   z of the product v_a v_b                                         a and b at once
    distractor    noise with a rule's marginal distribution, or a random           nothing; or nothing nameable
                  projection of the band levels

Rules that share no accepted word and are little correlated (|r| <= 0.3) may form a polysemantic pair; a conjunctive
pair must also occur together on synthetic sounds (standard deviation of the product >= 0.08). The same pairs return
at every strength. Neurons are shuffled, so that an index says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from otoscope.errors import InputError, UnknownNameError
from otoscope.models.planted import calibration
from otoscope.models.planted.rules import RULES
from otoscope.models.planted.words import WORDS

KINDS = ("single", "signed", "polysemantic", "conjunctive", "distractor")
OPPOSITES = (
    ("high_band", "low_band"),
    ("high_pitch", "low_pitch"),
    ("noisy", "tonal"),
    ("fast_modulation", "steady"),
    ("loud", "quiet"),
    ("onset", "steady"),
)
"""Pairs (high pole, low pole) of signed neurons."""


@dataclass(frozen=True)
class PlantedNeuron:
    """What one neuron implements.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    rules : tuple of str
        One rule, or two; for a distractor ``("noise",)`` or ``("projection",)``.
    strength : float
        Correlation of the neuron's drive with its rule over synthetic clips, in [0, 1]; 0 for distractors.
    signed : bool
        Whether negative activations pass; otherwise the activation is relu(1 + drive).
    marginal : str or None
        The rule whose distribution a noise distractor copies.
    """

    kind: str
    rules: tuple[str, ...]
    strength: float
    signed: bool = False
    marginal: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError.of("kind of planted neuron", self.kind, KINDS)
        if not 0.0 <= self.strength <= 1.0:
            raise InputError(f"a planted neuron's strength lies in [0, 1], got {self.strength}")
        known = ("noise", "projection") if self.kind == "distractor" else tuple(RULES)
        for rule in self.rules:
            if rule not in known:
                raise UnknownNameError.of("rule", rule, known)
        expected = 2 if self.kind in ("signed", "polysemantic", "conjunctive") else 1
        if len(self.rules) != expected:
            raise InputError(f"a {self.kind} neuron takes {expected} rule(s), got {self.rules}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "rules": list(self.rules)}


@dataclass(frozen=True)
class PlantedOptions:
    """What ``planted:`` can be told.

    Attributes
    ----------
    seed : int
        Draws pairs, noise, projections and the neurons' order.
    rules : tuple of str
        Which rules occur; all by default.
    strengths : tuple of float
        Each rule and each pair is planted once per strength, in (0, 1].
    pairs : int
        Polysemantic pairs, and as many conjunctive ones (fewer where the rules allow fewer).
    distractors : int
        Neurons of noise; they copy the rules' distributions in turn, every fourth is signed and Gaussian.
    projections : int
        Random projections of the band levels.
    noise_scale_db : float
        How far apart in decibels two clips' mean spectra must be to get unrelated noise.
    floor : float
        Activation of an unsigned neuron without drive: relu(floor + drive). At 1 it is above zero nearly always, at -1
        only where its rule applies more than it does on average: what counts of positive positions need.
    """

    seed: int = 0
    rules: tuple[str, ...] = tuple(RULES)
    strengths: tuple[float, ...] = (1.0, 0.6, 0.3)
    pairs: int = 4
    distractors: int = 24
    projections: int = 8
    noise_scale_db: float = 1.0
    floor: float = 1.0

    def __post_init__(self) -> None:
        for rule in self.rules:
            if rule not in RULES:
                raise UnknownNameError.of("rule", rule, RULES)
        if not all(0.0 < strength <= 1.0 for strength in self.strengths):
            raise InputError(f"strengths must lie in (0, 1], got {self.strengths}")
        if min(self.seed, self.pairs, self.distractors, self.projections) < 0 or self.noise_scale_db <= 0:
            raise InputError(
                f"seed, pairs, distractors and projections must be >= 0 and noise_scale_db > 0, got {self}"
            )


def plan(options: PlantedOptions) -> list[PlantedNeuron]:
    """Return the neurons in order of their index, shuffled by the seed.

    Raises
    ------
    InputError
        If nothing would be planted.
    """
    rng = np.random.default_rng([options.seed, 1])
    combos = _combinations(options, rng)
    neurons = [
        PlantedNeuron(kind, rules, strength, signed=kind == "signed")
        for strength in options.strengths
        for kind, rules in combos
    ]
    neurons += [_distractor(turn, options.rules) for turn in range(options.distractors)]
    neurons += [PlantedNeuron("distractor", ("projection",), 0.0)] * options.projections
    if not neurons:
        raise InputError(f"no neuron to plant: give rules and strengths, or distractors; got {options}")
    return [neurons[at] for at in rng.permutation(len(neurons))]


def _combinations(options: PlantedOptions, rng: np.random.Generator) -> list[tuple[str, tuple[str, ...]]]:
    found: list[tuple[str, tuple[str, ...]]] = [("single", (rule,)) for rule in options.rules]
    found += [("signed", pair) for pair in OPPOSITES if set(pair) <= set(options.rules)]
    moments = calibration.read()
    place = {rule: at for at, rule in enumerate(moments.rules)}
    apart = [
        pair
        for pair in combinations(options.rules, 2)
        if not set(WORDS[pair[0]]) & set(WORDS[pair[1]])
        and abs(moments.correlation[place[pair[0]], place[pair[1]]]) <= 0.3
    ]
    together = [pair for pair in apart if moments.product_std[place[pair[0]], place[pair[1]]] >= 0.08]
    found += [("polysemantic", pair) for pair in _spread(apart, options.pairs, rng)]
    found += [("conjunctive", pair) for pair in _spread(together, options.pairs, rng)]
    return found


def _spread(pairs: Sequence[tuple[str, str]], n: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return up to ``n`` random pairs, those whose rules were used least first."""
    left = [pairs[at] for at in rng.permutation(len(pairs))]
    used: dict[str, int] = {}
    chosen: list[tuple[str, str]] = []
    while left and len(chosen) < n:
        pair = min(left, key=lambda one: used.get(one[0], 0) + used.get(one[1], 0))
        left.remove(pair)
        chosen.append(pair)
        for rule in pair:
            used[rule] = used.get(rule, 0) + 1
    return chosen


def _distractor(turn: int, rules: Iterable[str]) -> PlantedNeuron:
    names = tuple(rules) or tuple(RULES)
    if turn % 4 == 3:
        return PlantedNeuron("distractor", ("noise",), 0.0, signed=True)
    return PlantedNeuron("distractor", ("noise",), 0.0, marginal=names[(turn - turn // 4) % len(names)])
