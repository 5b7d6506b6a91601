r"""Neuron views as compact JSON for the page, safe to stand inside ``<script type="application/json">``.

Words, labels and remarks are written once in string tables and referred to by number; numbers carry four
significant digits; a trace is one character per span (64 levels between the neuron's lowest and highest shown
activation). The keys, per neuron::

    n  global number          l  layer (number)       i  index             v  verdict (number)
    f  bits: 1 dead, 2 silent, 4 signed               c  class name (string number)
    m  [mean, std, share of positive positions]
    d  descriptions: [table (number), pole, words, score, margin, p, q, held out, its low, its high, control,
                      AUPRC gain, AUROC, [flags], verdict, clips described on, clips scored on, [blocks]]
    o  the same of the run's other tables of descriptions
    y  [lowest, highest] activation of the traces
    t, b  most and least active clips: [row, value, peak_s, peak_hz, trace, start_s, end_s]
    h  [counts], e [edges, or first and last where they are even]       r  rank correlations, in the order of
                                                                           ``measures``

Words of a description are a string number, or text where they are a whole summary. The blocks are
``["candidates", title, [[concept, score]]]``, ``["sentences", title, note, [[text, kept, cosine, pair, reason]]]``,
``["chips", title, [[text, kept, reason]]]`` and ``["facts", title, [[name, value]]]``.

``<``, ``>``, ``&`` and the line separators U+2028 and U+2029 are written as ``\uXXXX``, so no text can end the
script element or begin another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from otoscope.report.said import Block, Candidates, Chips, Facts, Sentences
from otoscope.report.views import (
    POLES,
    VERDICTS,
    ClipView,
    DescriptionView,
    Histogram,
    NeuronView,
    RankedClip,
)

LEVELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SHORT = 60
"""Characters of words up to which they stand in the string table: longer ones are hardly ever said twice."""
_ESCAPES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


class Strings:
    """A table of strings that grows as they are met: ``number(text)`` is the place of ``text`` in ``all``."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._places: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Return the place of ``text``, added at the end where it is new."""
        if text not in self._places:
            self._places[text] = len(self.all)
            self.all.append(text)
        return self._places[text]


def script_json(content: Any) -> str:
    r"""Return JSON that is safe inside a script element.

    Examples
    --------
    >>> script_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def rounded(value: float | None) -> float | int | None:
    """Return ``value`` with four significant digits, a whole number where it is one."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short == int(short) else short


def neuron_record(view: NeuronView, layer: int, tables: Sequence[str], strings: Strings) -> dict[str, Any]:
    """Return one neuron for the page; the keys are explained in the module."""
    span = trace_span((*view.top, *view.bottom))
    record: dict[str, Any] = {
        "n": view.neuron,
        "l": layer,
        "i": view.index,
        "v": VERDICTS.index(view.verdict),
        "f": view.dead + 2 * view.silent + 4 * view.signed,
        "m": [rounded(one) for one in (view.mean, view.std, view.share_positive)],
        "d": [_description(one, tables, strings) for one in view.descriptions],
        "o": [_description(one, tables, strings) for one in view.others],
        "y": [rounded(one) for one in span],
        "t": [_ranked(one, span) for one in view.top],
        "b": [_ranked(one, span) for one in view.bottom],
        "r": [None if one.r is None else round(one.r, 2) for one in view.confounds],
    }
    if view.class_name is not None:
        record["c"] = strings.number(view.class_name)
    if view.histogram is not None:
        record |= {"h": list(view.histogram.counts), "e": _edges(view.histogram)}
    return record


def _description(view: DescriptionView, tables: Sequence[str], strings: Strings) -> list[Any]:
    numbers = (view.score, view.margin, view.p, view.q, view.heldout, view.heldout_low, view.heldout_high)
    return [
        tables.index(view.table),
        POLES.index(view.pole),
        strings.number(view.words) if len(view.words) <= _SHORT else view.words,
        *(rounded(one) for one in (*numbers, view.control, view.auprc_gain, view.auroc)),
        [strings.number(one) for one in view.flags],
        VERDICTS.index(view.verdict),
        view.n_describe,
        view.n_score,
        [block_record(one, strings) for one in view.said.blocks],
    ]


def block_record(block: Block, strings: Strings) -> list[Any]:
    """Return one block of a description for the page."""
    title = strings.number(block.title)
    match block:
        case Candidates():
            pairs = [[strings.number(one.concept), rounded(one.score)] for one in block.candidates]
            return ["candidates", title, pairs]
        case Sentences():
            own = [
                [one.text, int(one.kept), rounded(one.cosine), one.pair, strings.number(one.reason)]
                for one in block.sentences
            ]
            return ["sentences", title, strings.number(block.note), own]
        case Chips():
            chips = [[strings.number(c.text), int(c.kept), strings.number(c.reason)] for c in block.chips]
            return ["chips", title, chips]
        case Facts():
            return ["facts", title, [[strings.number(name), value] for name, value in block.pairs]]


def _edges(histogram: Histogram) -> list[Any]:
    edges = histogram.edges
    step = (edges[-1] - edges[0]) / len(histogram.counts)
    even = all(abs(edges[0] + i * step - edge) <= 1e-3 * abs(step) for i, edge in enumerate(edges))
    return [rounded(one) for one in ((edges[0], edges[-1]) if even else edges)]


def trace_span(ranked: Iterable[RankedClip]) -> tuple[float, float]:
    """Return the lowest and highest activation in the traces of these clips (0 to 1 where there is none)."""
    levels = [
        level for clip in ranked if clip.trace for level in (min(clip.trace.levels), max(clip.trace.levels))
    ]
    return (min(levels), max(levels)) if levels else (0.0, 1.0)


def _ranked(clip: RankedClip, span: tuple[float, float]) -> list[Any]:
    place = [clip.row, rounded(clip.value), rounded(clip.peak_s), rounded(clip.peak_hz)]
    if clip.trace is None:
        return place
    trace = clip.trace
    return [*place, trace_text(trace.levels, span), rounded(trace.start_s), rounded(trace.end_s)]


def trace_text(levels: Sequence[float], span: tuple[float, float]) -> str:
    """Return a trace as one character per span, ``A`` for the lowest and ``/`` for the highest activation.

    Examples
    --------
    >>> trace_text([0.0, 1.0, 0.5], (0.0, 1.0))
    'A/g'
    """
    width = (span[1] - span[0]) or 1.0
    return "".join(LEVELS[max(0, min(63, round(63 * (level - span[0]) / width)))] for level in levels)


def clip_records(clips: Iterable[ClipView], rows: set[int], strings: Strings) -> dict[str, list[Any]]:
    """Return ``{row: [id, label, duration_s, credit]}`` of the clips in ``rows``."""
    return {
        str(one.row): [one.id, strings.number(one.label), rounded(one.duration_s), credit_line(one)]
        for one in clips
        if one.row in rows
    }


def credit_line(clip: ClipView) -> str:
    """Return author and licence in one line, ``""`` where the data carries none."""
    if clip.credit is None:
        return ""
    return ", ".join(filter(None, (clip.credit.author, clip.credit.license)))
