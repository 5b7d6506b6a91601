"""What breaks without these neurons? Sets of neurons are taken from a run's tables, ablated, and judged beside chance.

Start at :mod:`otoscope.ablate.stage` (a run folder, its network and clips in, tables of effects out). How a set is
chosen is a row of :data:`STRATEGIES`, what happens to its neurons a row of :data:`INTERVENTIONS`. Many sets are heard
in one forward pass (:mod:`otoscope.ablate.lesion`); :mod:`otoscope.ablate.checkpoint` writes an ablated network out.
"""

from otoscope.callable_room import callable_room

callable_room(__name__, "otoscope.ablate.stage:ablate")

STRATEGIES: dict[str, str] = {
    "db": "otoscope.ablate.closed_sets:choose",
    "tab": "otoscope.ablate.closed_sets:choose",
    "icl": "otoscope.ablate.closed_sets:choose",
    "open": "otoscope.ablate.open_sets:choose",
    "ocp": "otoscope.ablate.open_sets:choose",
    "table": "otoscope.ablate.table_sets:choose",
    "selection": "otoscope.ablate.selected_sets:choose",
    "random": "otoscope.ablate.random_sets:choose",
}
"""How neurons are chosen -> function ``(Request) -> tuple of NeuronSet``."""

INTERVENTIONS: dict[str, str] = {
    "zero": "otoscope.ablate.interventions:ZERO",
    "mean": "otoscope.ablate.interventions:MEAN",
    "gain": "otoscope.ablate.interventions:GAIN",
    "resample": "otoscope.ablate.interventions:RESAMPLE",
}
"""What becomes of a chosen neuron -> :class:`~otoscope.ablate.interventions.Intervention`."""

PRESETS: dict[str, str] = {
    "default": "otoscope.ablate.presets:default",
    "and-2024": "otoscope.ablate.presets:and_2024",
    "aape-2026": "otoscope.ablate.presets:aape_2026",
}
"""Protocol -> function that returns its :class:`~otoscope.ablate.config.AblateConfig`."""
