"""Who recorded each clip of ESC-50, under which title and licence?

The titles are short descriptions by the people who recorded the sounds, so they are also real text about
them. Read from ``meta/attribution.csv`` (filename, title, author, license, source) where there is one, else
from the ``LICENSE`` file of the official archive, whose lines are ``- [1-100032-A.ogg]: clip derived from
TITLE (URL) by AUTHOR [LICENCE]``.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from otoscope.data.delimited import read_delimited
from otoscope.data.table import is_sound, require_columns

CREDITS = ("title", "author", "license", "source")
"""The columns."""

_LINE = re.compile(
    r"^- \[(?P<clip>[^\]]+)\]:\s+clip derived from (?P<title>.+) "
    r"\((?P<source>https?://\S+)\) by (?P<author>.+) \[(?P<license>[^\]]+)\]\s*$"
)
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


def with_credits(frame: pl.DataFrame, root: Path) -> pl.DataFrame:
    """Return ``frame`` with the columns of :data:`CREDITS`, null where a clip is not named.

    Where the folder names nobody, the frame comes back as it is.

    Parameters
    ----------
    frame : polars.DataFrame
        With ``filename``, ``fold``, ``src_file`` and ``take``.
    root : Path
        The dataset's folder.

    Raises
    ------
    DataLayoutError
        If ``meta/attribution.csv`` lacks a column.
    """
    table = root / "meta" / "attribution.csv"
    if table.is_file():
        known = read_delimited(table, text=("filename", *CREDITS))
        require_columns(known, ("filename", *CREDITS), table)
        clip = pl.col("filename").str.replace(r"-\d+\.[^.]*$", "")
        known = known.select(clip.alias("clip"), *CREDITS)
    elif (root / "LICENSE").is_file():
        known = _from_licence((root / "LICENSE").read_text(encoding="utf-8", errors="replace"))
    else:
        return frame
    known = known.unique("clip", keep="first", maintain_order=True)
    clip = pl.format("{}-{}-{}", "fold", "src_file", "take").alias("clip")
    return frame.with_columns(clip).join(known, on="clip", how="left", maintain_order="left").drop("clip")


def _from_licence(text: str) -> pl.DataFrame:
    found = [match.groupdict() for match in map(_LINE.match, text.splitlines()) if match]
    rows = [
        {
            "clip": Path(one["clip"]).stem,
            "title": _title(one["title"]),
            "author": one["author"],
            "license": one["license"],
            "source": one["source"],
        }
        for one in found
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("clip", *CREDITS), pl.String))


def _title(text: str) -> str:
    r"""Return a title without its file suffix and with ``\xf6`` read as the letter it stands for."""
    plain = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    return plain.rpartition(".")[0] if is_sound(plain) else plain  # a title may hold a slash
