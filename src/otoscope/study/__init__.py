"""The only room where methods meet: one short function per end-to-end question."""

from __future__ import annotations

STUDIES: dict[str, str] = {
    "planted": "otoscope.study.planted:planted",
    "last-layer": "otoscope.study.last_layer:last_layer",
}
"""Name -> function of a run that measures descriptions against known truth."""
