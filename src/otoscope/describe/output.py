"""How every describing method leaves its table in the run: once per configuration and inputs, and found again.

``descriptions/<method>-<hash8>.parquet``, the hash of the configuration and of all that the method reads, with the
marker ``stages/describe-<method>-<hash8>.json``. ``stages/describe.json`` names the table that was asked for last
among those that name a concept per neuron, which is what a report shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from otoscope.store import run as runs
from otoscope.store import tables
from otoscope.store.run import Run

STAGE = "describe"


def write_descriptions(
    run: Run,
    method: str,
    version: int,
    identity: Mapping[str, Any],
    compute: Callable[[], pl.DataFrame],
    *,
    notes: Callable[[pl.DataFrame], dict[str, Any]] | None = None,
    headline: bool = True,
) -> str:
    """Return the name of the method's table, computed only if it is not there for this identity.

    Parameters
    ----------
    run : Run
        A recorded run.
    method : str
        Name in :data:`otoscope.describe.METHODS`; the table is ``<method>-<hash8>``.
    version : int
        Of the method: a change that alters results raises it.
    identity : mapping
        Everything that decides the table beside the recording: options, names of the tables read, ids of encoders
        and chat models. JSON-able.
    compute : callable
        Gives the table.
    notes : callable, optional
        What a person wants to know of the table first, JSON-able: kept in the marker and the log. Where its
        ``failed`` is not 0, the table is made again when it is asked for again.
    headline : bool
        Whether ``stages/describe.json`` shall name this table: it holds ``concept`` and the scores that a report
        shows.
    """
    inputs, name = _inputs(run), table_name(run, method, version, identity)
    output, marker = f"descriptions/{name}.parquet", f"{STAGE}-{name}"
    started = time.perf_counter()
    if not runs.is_done(run, marker, version, identity, inputs) or _failed(run, marker):
        table = compute()
        tables.write(run.root / output, table)
        found = {} if notes is None else notes(table)
        runs.commit_stage(run, marker, version, identity, inputs, [output], found)
        run.log(STAGE, name=name, seconds=time.perf_counter() - started, **found)
    if headline:
        runs.commit_stage(run, STAGE, version, {"name": name}, inputs, [output])
    return name


def table_name(run: Run, method: str, version: int, identity: Mapping[str, Any]) -> str:
    """Return the name that :func:`write_descriptions` gives the table."""
    return f"{method}-{runs.hash8([version, identity, _inputs(run)])}"


def _inputs(run: Run) -> dict[str, Any]:
    return {"record": (runs.read_stage(run, "record") or {}).get("hash")}


def _failed(run: Run, marker: str) -> bool:
    """Return whether questions failed when the table was made: a later run asks those again."""
    return bool((runs.read_stage(run, marker) or {}).get("notes", {}).get("failed"))
