"""Words for neurons: which concept goes with a neuron's activations, how surely, and does it hold on other clips?

Start at :mod:`otoscope.describe.stage` (a run folder in, a table of descriptions out) or
:mod:`otoscope.describe.closed` (the same on arrays); the measures stand in :mod:`otoscope.describe.similarity`.
A new similarity function is one file with a ``bind`` function plus one line in :data:`SIMILARITIES`; a new way of
describing is one file with a function ``(run, config, **tools) -> name of its table`` plus one line in
:data:`METHODS`.
"""

from otoscope.callable_room import callable_room

callable_room(__name__, "otoscope.describe.stage:describe")

METHODS: dict[str, str] = {
    "db": "otoscope.describe.db:describe_by_captions",
    "icl": "otoscope.describe.icl:describe_by_icl",
    "open": "otoscope.describe.open_concepts:describe_by_open_concepts",
    "summary": "otoscope.describe.summary:describe_by_summary",
    "tab": "otoscope.describe.tab:describe_by_sound",
}
"""Describing method -> function that writes ``descriptions/<method>-<hash8>.parquet`` of a run."""

ESTIMATES: dict[str, str] = {
    "icl": "otoscope.describe.icl:estimate_icl",
    "open": "otoscope.describe.open_concepts:estimate_open",
    "summary": "otoscope.describe.summary:estimate_summary",
}
"""Describing method that may ask a chat model -> function that says what it would ask."""

SIMILARITIES: dict[str, str] = {
    "cos": "otoscope.describe.bind:bind_cos",
    "cos_cubed": "otoscope.describe.bind:bind_cos_cubed",
    "rank_reorder": "otoscope.describe.bind:bind_rank_reorder",
    "soft_wpmi": "otoscope.describe.bind:bind_soft_wpmi",
    "wpmi": "otoscope.describe.bind:bind_wpmi",
}
"""Similarity function -> what sets its parameters and returns something to bind affinities to."""

PRESETS: dict[str, dict[str, str]] = {
    "and-2024": {
        "db": "otoscope.describe.presets:and_2024_db",
        "icl": "otoscope.describe.icl:and_2024",
        "open": "otoscope.describe.open_concepts:and_2024",
        "summary": "otoscope.describe.summary:and_2024",
        "tab": "otoscope.describe.presets:and_2024_tab",
    },
}
"""Published protocol -> method -> function that returns the method's configuration as published."""
