"""What does a linear probe read from a frozen network, and what does it still read without some neurons?

Start at :mod:`otoscope.ablate.probe.stage`. A probe is trained once, saved as a folder
(:mod:`otoscope.ablate.probe.folder`) and can then judge ablations in the place of the network's own head
(``otoscope ablate RUN --probe NAME``). How it is trained is a row of :data:`FITTERS`.
"""

from otoscope.callable_room import callable_room

callable_room(__name__, "otoscope.ablate.probe.stage:probe")

FITTERS: dict[str, str] = {
    "logistic": "otoscope.ablate.probe.logistic:fit",
    "linear": "otoscope.ablate.probe.linear:fit",
}
"""Method -> function ``(Material, ProbeConfig, seed) -> Fitted``."""

PRESETS: dict[str, str] = {
    "default": "otoscope.ablate.probe.presets:default",
    "aape-2026": "otoscope.ablate.probe.presets:aape_2026",
}
"""Protocol -> function that returns its :class:`~otoscope.ablate.probe.config.ProbeConfig`."""
