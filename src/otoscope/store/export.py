"""A run's tables for other programs: JSON, CSV or Parquet, in the schema of the run format.

Files: ``run.json`` (identity), ``clips``, ``neurons``, and every table of captions and descriptions under its name.
CSV holds lists as JSON text. Numbers that are not finite are empty in CSV and null in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from otoscope.errors import InputError, UnknownNameError
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
    InputError
        If ``out`` lies inside the run, is a file, or holds something that is no export.
    """
    opened, folder = _checked(run, out, to)
    written = [folder / "run.json"]
    manifest.write(written[0], opened.manifest)
    for name, table in _tables(opened):
        path = folder / f"{name}.{to}"
        WRITERS[to](path, table)
        written.append(path)
    return written


def plan(run: Run | Path | str, out: Path | str, to: str = "parquet") -> dict[str, int]:
    """Return the files that :func:`export` would write and how many rows each holds; nothing is written."""
    opened, folder = _checked(run, out, to)
    return {str(folder / f"{name}.{to}"): table.height for name, table in _tables(opened)}


def _checked(run: Run | Path | str, out: Path | str, to: str) -> tuple[Run, Path]:
    if to not in WRITERS:
        raise UnknownNameError.of("export format", to, WRITERS)
    opened, folder = open_run(run), Path(out)
    if folder.resolve().is_relative_to(opened.root.resolve()):
        raise InputError(f"{folder} lies inside the run {opened.root}: choose a folder outside it")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose a folder")
    if (folder / "stages").exists():
        raise InputError(f"{folder} is a run itself: choose another folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "run.json").is_file():
        raise InputError(
            f"{folder} holds something that is no export of a run: choose an empty or a new folder"
        )
    return opened, folder


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
