"""How each describing method's rows are shown: one file and one line per method.

A table ``descriptions/<method>-<hash8>.parquet`` is shown by the :class:`~otoscope.report.methods.method.Method` that
:data:`METHODS` names for ``<method>``; another package adds its own under the entry point group ``otoscope.report``.
A method that nobody knows is shown plainly, column by column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otoscope import registry

if TYPE_CHECKING:
    from otoscope.report.methods.method import Method

METHODS: dict[str, str] = {
    "db": "otoscope.report.methods.closed:DB",
    "tab": "otoscope.report.methods.closed:TAB",
    "icl": "otoscope.report.methods.closed:ICL",
    "summary": "otoscope.report.methods.summary:SUMMARY",
    "open": "otoscope.report.methods.open:OPEN",
}
"""Method -> ``"module:object"``, in the order in which a page shows them."""


def method_of(table: str) -> Method:
    """Return how the rows of a table of descriptions are shown, by the table's name.

    Examples
    --------
    >>> method_of("db-44c55ab0").title
    'Concept from captions (DB)'
    """
    from otoscope.report.methods.plain import plain

    name = table.partition("-")[0]
    if name not in registry.known(METHODS, "report"):
        return plain(name)
    found: Method = registry.lookup(METHODS, name, room="report", kind="describing method")
    return found


def in_order(tables: list[str]) -> list[str]:
    """Return the names of tables in the order of :data:`METHODS`, those of unknown methods last."""
    places = {name: place for place, name in enumerate(registry.known(METHODS, "report"))}
    return sorted(tables, key=lambda table: (places.get(table.partition("-")[0], len(places)), table))
