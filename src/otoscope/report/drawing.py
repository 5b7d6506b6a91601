"""How figures for paper look and are saved: one style, no date, no pyplot, no global state."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from otoscope.store.atomic import write_bytes

INK, SOFT, LINE = "#1d1c1a", "#5f5b54", "#e3ded4"
HIGH, HIGH_PALE, LOW, GREY = "#bf400d", "#e3a98f", "#1a5ea6", "#a29b8e"
INKS = (HIGH, LOW, "#05855c", "#a21caf", "#b45309", "#0e7490")
_STYLE = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "otoscope",
    "pdf.fonttype": 42,
    "text.parse_math": False,
}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as its suffix says (svg, pdf, png) and return the path."""
    kind = path.suffix[1:]
    out = io.BytesIO()
    dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with rc_context(_STYLE):
        figure.savefig(out, format=kind, metadata=dateless)
    write_bytes(path, out.getvalue())
    return path


def empty_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **grid: Any
) -> tuple[Figure, Any]:
    """Return an empty figure (inches) and its axes, laid out by constraint."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid or None)


def short(text: str, most: int = 32) -> str:
    """Return ``text`` in at most so many characters, its middle left out, with no mark-up of matplotlib's."""
    plain = text.replace("$", r"\$")
    return plain if len(plain) <= most else f"{plain[: most - 12]}…{plain[-11:]}"
