"""What a selection is: every choice that changes which neurons belong to which class."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from otoscope.errors import InputError, UnknownNameError
from otoscope.registry import known
from otoscope.selectivity import SELECTORS
from otoscope.stage_config import Seed, StageConfig


class SelectConfig(StageConfig):
    """Options of the select stage; unknown keys are refused.

    Attributes
    ----------
    labels : tuple of str
        Tasks, see :mod:`otoscope.selectivity.labels`; all label sets of the run where none is named.
    maps : dict
        ``{"octave=note": {"60": "4", ...}}``: label sets made of others.
    multi : {"refuse", "split", "every"}
        What is done with clips of several labels.
    method : str
        One of :data:`otoscope.selectivity.SELECTORS`.
    rule : {"fdr", "published"}
        q-value and least effect (:mod:`otoscope.selectivity.rules`), or the method's own quota or threshold.
    by : {"clip", "event"}
        What carries the labels: clips, or labelled events (of a run recorded with ``events``).
    folds, split : str or None
        Select on these clips of the run only, so that the others can judge what was found; None: on all.
    layers : tuple of str
        Layers or globs; all recorded ones where none is named (of events: those that have counts by event).
    unit : {"token", "clip-any", "clip-mean"}
        What is counted, see :mod:`otoscope.selectivity.firing`.
    value : {"share", "activation"}
        What methods that compare numbers per clip compare.
    alpha : float
        Expected share of false findings that is accepted.
    min_effect : float or None
        Least effect in the method's own unit; None: the method's.
    top_rate, eligibility, match
        Of published rules, see :class:`~otoscope.selectivity.selector.RuleOptions`.
    group : str
        Column of the clips that is exchanged whole; ``row``: clip by clip.
    strata : str or None
        Column within which groups change places.
    null : {"pooled", "tail", "counted"}
        Where p comes from, see :mod:`otoscope.selectivity.nulls`.
    n_permutations : int
        Deals of the null; 0: no p-values (``published`` only).
    n_chance : int
        Deals for which the whole selection is made again, to say what chance selects and covers.
    n_splits : int
        Halvings of the groups on which the selection is repeated; 0: none.
    seed : int
    """

    labels: tuple[str, ...] = ()
    maps: dict[str, dict[str, str]] = Field(default_factory=dict)
    multi: Literal["refuse", "split", "every"] = "refuse"
    method: str = "auroc"
    rule: Literal["fdr", "published"] = "fdr"
    by: Literal["clip", "event"] = "clip"
    folds: str | None = None
    split: str | None = None
    layers: tuple[str, ...] = ()
    unit: Literal["token", "clip-any", "clip-mean"] = "token"
    value: Literal["share", "activation"] = "share"
    alpha: float = Field(0.05, gt=0, lt=1)
    min_effect: float | None = None
    top_rate: float = Field(0.01, gt=0, le=1)
    eligibility: Literal["lape", "drop-lowest"] = "lape"
    match: float = Field(0.8, gt=0, le=1)
    group: str = "group"
    strata: str | None = None
    null: Literal["pooled", "tail", "counted"] = "tail"
    n_permutations: int = Field(1000, ge=0)
    n_chance: int = Field(20, ge=0)
    n_splits: int = Field(5, ge=0)
    seed: Seed = 0

    @model_validator(mode="after")
    def _fits(self) -> SelectConfig:
        if self.method not in known(SELECTORS, "selectors"):
            raise UnknownNameError.of("method", self.method, known(SELECTORS, "selectors"))
        if self.rule == "fdr" and self.n_permutations < 20:
            raise InputError(
                f"the rule 'fdr' needs permutations, at least 20; got n_permutations={self.n_permutations}. "
                "Ask for more, or for rule='published'"
            )
        for key in self.maps:
            if not all(key.partition("=")):
                raise InputError(f"a map is named NEW=LABEL_SET, such as octave=note; got {key!r}")
        return self

    def identity(self) -> dict[str, Any]:
        """Return the choices, JSON-able."""
        return self.model_dump(mode="json")


class ShareConfig(StageConfig):
    """Options of the share stage; unknown keys are refused.

    Attributes
    ----------
    selection : str or None
        Name of the run's selection, or its beginning; None where there is only one.
    other_selection : str or None
        Of the second task; None: the same, or the only one of the other run.
    folds, split : str or None
        Take the selection that was made on these clips of the run; None: whichever ``selection`` names.
    tasks : tuple of str
        One task (its classes among each other) or two (one's classes against the other's); None named: the first.
    null : {"margins", "labels"}
        Curveball swaps that keep both margins in each layer, or one task's labels permuted and selected again.
    contrasts : dict
        Name -> pairs (class, class of the other task) that are compared with all other pairs. Between two tasks there
        is always ``same name``, where classes of equal names exist.
    n_permutations : int
    alpha : float
    seed : int
    """

    selection: str | None = None
    other_selection: str | None = None
    folds: str | None = None
    split: str | None = None
    tasks: tuple[str, ...] = Field((), max_length=2)
    null: Literal["margins", "labels"] = "margins"
    contrasts: dict[str, tuple[tuple[str, str], ...]] = Field(default_factory=dict)
    n_permutations: int = Field(999, ge=1)
    alpha: float = Field(0.05, gt=0, lt=1)
    seed: Seed = 0
