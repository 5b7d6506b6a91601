"""Strategies ``db``, ``tab``, ``icl``: a neuron stands for the concepts among its best n.

With n = 3 (as published) each neuron is in three sets, so the mean size of a set is 3 x neurons / concepts, whatever
the descriptions say; ``max_q`` keeps the significant ones only. A set is ordered by the concept's score.
"""

from __future__ import annotations

from collections import defaultdict

from otoscope.ablate.sets import NeuronSet, Request, column, key
from otoscope.errors import InputError


def choose(request: Request) -> tuple[NeuronSet, ...]:
    """Return one set a concept.

    Raises
    ------
    InputError
        If the table keeps fewer concepts per neuron than ``top_n``.
    UnknownNameError
        If the table has no ``top_concepts``.
    """
    name, table = request.table()
    top_n = request.config.top_n
    ranked = column(table, "top_concepts").to_list()
    if (most := max((len(one) for one in ranked if one is not None), default=0)) < top_n:
        raise InputError(
            f"{name} keeps the best {most} concepts of a neuron, top_n = {top_n} are asked for: describe with "
            f"n_best={top_n} or more, or ask for top_n={most}"
        )
    scores = column(table, "top_scores").to_list() if "top_scores" in table.columns else [None] * len(ranked)
    found: dict[str, list[tuple[int, float | None]]] = defaultdict(list)
    for neuron, concepts, values in zip(column(table, "neuron").to_list(), ranked, scores, strict=True):
        for place, concept in enumerate((concepts or [])[:top_n]):
            found[key(concept)].append((neuron, None if values is None else values[place]))
    made = []
    for concept in request.concepts:
        chosen = found[key(concept)]
        made.append(request.made(concept, [one for one, _ in chosen], [score for _, score in chosen]))
    return tuple(made)
