"""A run's tables for other programs: JSON, CSV or Parquet, in the schema of the run format.

Files: ``run.json`` (identity), ``clips``, ``neurons``, and every table of captions and descriptions under its name.
CSV holds lists as JSON text. Numbers that are not finite are empty in CSV and null in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from otoscope.errors import StageError, UnknownNameError
from otoscope.store import manifest
from otoscope.store.atomic import write_text
from otoscope.store.run import Run, open_run
from otoscope.store.tables import write as write_parquet

KINDS = ("captions", "descriptions")


def export(run: Run | Path | str, out: Path | str, to: str = "parquet") -> list[Path]:
    """Write the tables of ``run`` into the folder ``out``; return the files.

    Parameters
    ----------
    run : Run or path
        A recorded run.
    out : path
        A folder, made if it is not there; files of the same names are replaced.
    to : {"json", "csv", "parquet"}
        The format.

    Raises
    ------
    UnknownNameError
        If the format is another.
    StageError
        If ``out`` lies inside the run.
    """
    if to not in WRITERS:
        raise UnknownNameError.of("export format", to, WRITERS)
    opened = run if isinstance(run, Run) else open_run(run)
    folder = Path(out)
    if folder.resolve().is_relative_to(opened.root.resolve()):
        raise StageError(f"{folder} lies inside the run {opened.root}: choose a folder outside it")
    written = [folder / "run.json"]
    manifest.write(written[0], opened.manifest)
    for name, table in _tables(opened):
        path = folder / f"{name}.{to}"
        WRITERS[to](path, table)
        written.append(path)
    return written


def _tables(run: Run) -> Iterator[tuple[str, pl.DataFrame]]:
    yield "clips", run.clips()
    yield "neurons", run.neurons()
    for kind in KINDS:
        for name in run.listing(kind):
            yield f"{kind}-{name}", run.table(kind, name)[1]


def _finite(table: pl.DataFrame) -> pl.DataFrame:
    floats = [name for name, kind in table.schema.items() if kind.is_float()]
    return table.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats
    )


def _write_json(path: Path, table: pl.DataFrame) -> None:
    text = json.dumps(_finite(table).to_dicts(), ensure_ascii=False, indent=1, default=str)
    write_text(path, text + "\n")


def _write_csv(path: Path, table: pl.DataFrame) -> None:
    lists = [name for name, kind in table.schema.items() if kind == pl.List]
    as_text = [
        pl.Series(
            name, [None if one is None else json.dumps(list(one), ensure_ascii=False) for one in table[name]]
        )
        for name in lists
    ]
    write_text(path, _finite(table).with_columns(as_text).write_csv())


WRITERS: dict[str, Callable[[Path, pl.DataFrame], None]] = {
    "json": _write_json,
    "csv": _write_csv,
    "parquet": write_parquet,
}
