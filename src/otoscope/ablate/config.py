"""What an ablation is: every choice that changes a number, and the few that only change the speed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from otoscope.ablate import INTERVENTIONS, STRATEGIES
from otoscope.errors import UnknownNameError
from otoscope.registry import known
from otoscope.stage_config import Seed, StageConfig

MEASURES = ("logit", "probability", "accuracy")
"""What is measured of a clip's own class: its logit, its softmax probability, and whether it is named."""


class AblateConfig(StageConfig):
    """Options of ablation; unknown keys are refused.

    Attributes
    ----------
    strategy : str
        A row of :data:`otoscope.ablate.STRATEGIES`; ``table:PATH`` takes the sets from a table.
    descriptions : str or None
        Table of descriptions, or the beginning of its name; None: the strategy's newest.
    concepts : tuple of str
        Concepts to ablate; empty: every class.
    label_set : str or None
        Labels of the clips; None: the primary ones, or those of the saved probe.
    saved_probe : str or None
        A probe of the run (the beginning of its name; ``last``), or a probe's folder, that judges in the place of the
        network's own head; judged are its test clips unless folds or split are named.
    refit : bool
        With a saved probe: also train it again on the ablated network's embeddings of its own training clips. This
        takes the place of ``probe``.
    task : str or None
        ``selection``: the task whose neurons are taken; None: the label set that is judged.
    selected_in : str or None
        ``selection``: another run of the same network that holds the selection, made on clips that judge nothing.
    shared : {"intersection", "exact"}
        ``selection``: what neurons of ``A & B`` are: those of both classes, or those whose classes are exactly these.
    neighbour : bool
        Beside the random draws also ablate the next neuron (index + 1 in its layer) of each one, as EVAR's published
        control does.
    top_n : int
        ``db``, ``tab``, ``icl``: a neuron belongs to the concepts among its best so many.
    poles : {"high", "both"}
        Whose concepts count: those of the high pole, or of either.
    max_q : float or None
        Leave out descriptions that are not significant at this level; None: take all, as published.
    match : {"lemma", "word", "substring"}
        ``open``: how a noun equals a word of the class's name.
    words_column : str
        ``open``: the column of words.
    layers : tuple of str
        Only neurons of these recorded layers; empty: all but the output.
    max_neurons : int or None
        Keep so many of each set, best first.
    random_neurons : float
        ``random``: how many neurons (1 or more), or which share of them (below 1).
    random_seed : int
        ``random``: of the shuffle.
    placement : {"index", "as-published"}
        ``random``: mask the drawn neurons, or, as the released scripts do, the first rows of each layer.
    intervention : str
        A row of :data:`otoscope.ablate.INTERVENTIONS`.
    gain : float
        Factor of ``gain``.
    folds, split : str or None
        The clips that the ablation is judged on; both None: all (flagged: not held out).
    n_random : int
        Matched random sets per concept; 0: no p-values.
    matching : {"rate-importance", "rate"}
        What random sets match beside the layer.
    stratum : int
        Neurons a stratum of the matching, about.
    curve_points : int
        Sizes of the trade-off curve per concept; 0: no curve.
    related : str or None
        Which classes are related, fixed beforehand: ``text:ENCODER`` (the most similar names), ``file:PATH`` (JSON,
        class -> list of classes), None: not asked.
    n_related : int
        Related classes per class, for ``text:``.
    probe : bool
        Train a fresh linear probe on the ablated network's embeddings.
    probe_layer : str or None
        The embedding; None: the last recorded layer before the output.
    probe_folds : int
        Of its cross-validation, by group.
    probe_random : int
        Matched random sets per concept that the probe is also trained on.
    replicates : int
        Of the bootstrap over groups.
    alpha : float
        Level at which a concept must be able to become significant to count as testable.
    seed : int
        Of draws, donors, folds and bootstrap.
    precision : {"float32", "bfloat16", "float16"}
        Autocast of the forward passes.
    sets_at_once : int
        Sets a forward pass. Not part of the identity.
    memory_mb : int
        Most memory for the clips' features between passes. Not part of the identity.
    workers : int or None
        Decoding processes. Not part of the identity.
    """

    strategy: str = "db"
    descriptions: str | None = None
    concepts: tuple[str, ...] = ()
    label_set: str | None = None
    saved_probe: str | None = None
    refit: bool = True
    task: str | None = None
    selected_in: str | None = None
    shared: Literal["intersection", "exact"] = "intersection"
    neighbour: bool = False
    top_n: int = Field(3, ge=1)
    poles: Literal["high", "both"] = "high"
    max_q: float | None = Field(None, gt=0, le=1)
    match: Literal["lemma", "word", "substring"] = "lemma"
    words_column: str = "nouns"
    layers: tuple[str, ...] = ()
    max_neurons: int | None = Field(None, ge=1)
    random_neurons: float = Field(0.05, gt=0)
    random_seed: Seed = 20
    placement: Literal["index", "as-published"] = "index"
    intervention: str = "mean"
    gain: float = Field(0.5, ge=0)
    folds: str | None = None
    split: str | None = None
    n_random: int = Field(199, ge=0)
    matching: Literal["rate-importance", "rate"] = "rate-importance"
    stratum: int = Field(8, ge=2)
    curve_points: int = Field(6, ge=0)
    related: str | None = "text:lexical"
    n_related: int = Field(3, ge=1)
    probe: bool = True
    probe_layer: str | None = None
    probe_folds: int = Field(5, ge=2)
    probe_random: int = Field(3, ge=0)
    replicates: int = Field(1000, ge=2)
    alpha: float = Field(0.05, gt=0, lt=1)
    seed: Seed = 0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    sets_at_once: int = Field(16, ge=1)
    memory_mb: int = Field(1024, ge=0)
    workers: int | None = Field(0, ge=0)

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        strategies = known(STRATEGIES, "strategies")
        if self.strategy_name not in strategies:
            raise UnknownNameError.of("strategy", self.strategy_name, strategies)
        interventions = known(INTERVENTIONS, "interventions")
        if self.intervention not in interventions:
            raise UnknownNameError.of("intervention", self.intervention, interventions)
        return self

    @property
    def strategy_name(self) -> str:
        """The strategy without what follows its colon."""
        return self.strategy.partition(":")[0]

    def identity(self) -> dict[str, object]:
        """Return the choices that change a number, JSON-able."""
        return self.model_dump(mode="json", exclude={"sets_at_once", "memory_mb", "workers"})
