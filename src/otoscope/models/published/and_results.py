"""Result files of Audio Network Dissection (its release's JSON): captions, summaries, calibration, ranked clips.

==================  ============================================================================================
captions            ``{file name: text}``                               ``filename``, ``text``
summaries           ``{neuron: text}``, one file a pole                 neuron columns, ``pole``, ``text``
calibration         ``{neuron: {"highly": ..., "adj_after_rbf": ...}}`` neuron columns, :data:`CALIBRATED`
ranked clips        ``{neuron: {"highly_filename": [...], ...}}``       neuron columns, ``pole``, ``rank``,
                                                                        ``filename``, ``label``, ``activation``
==================  ============================================================================================

A neuron is published as ``layer3_intermediate#1201``. The neuron columns are ``family`` (``ast`` or ``beats``, null
where the name does not say), ``layer`` (the module's path, AST without its prefix; ``fc`` where the family is
unknown) and ``index``. Rows are in the file's order; ``rank`` counts from 0 at the most extreme clip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from otoscope.errors import FormatError
from otoscope.models.layer_presets import module_path
from otoscope.models.published.reader import Content, Reader, Released

#: published key -> our column of the calibration
CALIBRATED = {
    "highly": "sentences_high",
    "lowly": "sentences_low",
    "adj_after_rbf": "adjectives",
    "adj_after_rbf_llmf": "open_concepts",
    "verbs": "verbs",
    "preps": "prepositions",
    "nouns": "nouns",
}
POLES = {"highly": "high", "lowly": "low"}
_NEURON = re.compile(r"^([A-Za-z]\w*)#(\d+)$")
_TEXTS = pl.List(pl.String)
_NEURON_SCHEMA: dict[str, Any] = {"family": pl.String, "layer": pl.String, "index": pl.Int64}


def neuron(key: str) -> dict[str, Any] | None:
    """Return the neuron columns of a published name, None where it names no neuron.

    Examples
    --------
    >>> neuron("layer3_intermediate#1201")
    {'family': 'ast', 'layer': 'layers.3.mlp.fc1', 'index': 1201}
    """
    found = _NEURON.match(key)
    if found is None:
        return None
    family, layer = module_path(found[1]) or (None, found[1])
    return {"family": family, "layer": layer, "index": int(found[2])}


def is_captions(content: Content) -> bool:
    """Return whether this maps file names to texts."""
    return _all_texts(content.data) and not any(_NEURON.match(key) for key in content.data)


def is_summaries(content: Content) -> bool:
    """Return whether this maps neurons to texts."""
    return _all_texts(content.data) and all(_NEURON.match(key) for key in content.data)


def is_calibration(content: Content) -> bool:
    """Return whether this maps neurons to calibrated sentences and words."""
    return _neurons_with(content.data, "adj_after_rbf") or _neurons_with(content.data, "highly")


def is_samples(content: Content) -> bool:
    """Return whether this maps neurons to ranked clips."""
    return _neurons_with(content.data, "highly_filename") or _neurons_with(content.data, "lowly_filename")


def captions(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return one row a clip."""
    rows = {"filename": list(content.data), "text": list(content.data.values())}
    return Released(table=pl.DataFrame(rows, schema={"filename": pl.String, "text": pl.String}))


def summaries(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return one row a neuron; the pole is read from the file's name, null where it does not say."""
    pole = next((POLES[word] for word in POLES if word in content.path.stem), None)
    rows = [{**(neuron(key) or {}), "pole": pole, "text": text} for key, text in content.data.items()]
    return Released(table=pl.DataFrame(rows, schema={**_NEURON_SCHEMA, "pole": pl.String, "text": pl.String}))


def calibration(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return one row a neuron: the sentences left and the words found in them; null where a list is absent.

    Raises
    ------
    FormatError
        If a list holds something that is no text, or a count is no number.
    """
    rows = []
    for key, entry in content.data.items():
        lists = {ours: _texts(entry.get(theirs), content, key) for theirs, ours in CALIBRATED.items()}
        rows.append(
            {**(neuron(key) or {}), **lists, "tokens": _count(entry.get("caption_len"), content, key)}
        )
    schema = {**_NEURON_SCHEMA, **dict.fromkeys(CALIBRATED.values(), _TEXTS), "tokens": pl.Int64}
    return Released(table=pl.DataFrame(rows, schema=schema))


def samples(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return one row a neuron, pole and ranked clip.

    Raises
    ------
    FormatError
        If the lists of a neuron and pole have different lengths, or hold something else.
    """
    rows = [row for key, entry in content.data.items() for row in _ranked(key, entry, content)]
    schema = {
        **_NEURON_SCHEMA,
        "pole": pl.String,
        "rank": pl.Int64,
        "filename": pl.String,
        "label": pl.String,
        "activation": pl.Float64,
    }
    return Released(table=pl.DataFrame(rows, schema=schema))


def _ranked(key: str, entry: Mapping[str, Any], content: Content) -> Iterator[dict[str, Any]]:
    for word, pole in POLES.items():
        names = entry.get(f"{word}_filename") or []
        labels = entry.get(f"{word}_label") or [None] * len(names)
        values = entry.get(f"{word}_activation_values") or [None] * len(names)
        columns = (names, labels, values)
        if not all(isinstance(one, list) and len(one) == len(names) for one in columns):
            raise FormatError(f"{content.path}: the {word} lists of {key} do not have one length")
        if not all(isinstance(one, int | float | None) for one in values):
            raise FormatError(f"{content.path}: an activation of {key} is no number")
        for rank, (name, label, value) in enumerate(zip(*columns)):
            where = {"pole": pole, "rank": rank, "filename": str(name)}
            said = None if label is None else str(label)
            heard = None if value is None else float(value)
            yield {**(neuron(key) or {}), **where, "label": said, "activation": heard}


def _texts(value: Any, content: Content, key: str) -> list[str] | None:
    """Return a list of texts; one text alone counts as a list of one."""
    found = [value] if isinstance(value, str) else value
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise FormatError(f"{content.path}: expected a list of texts in {key}, got {str(value)[:60]!r}")
    return found


def _count(value: Any, content: Content, key: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise FormatError(f"{content.path}: expected a number of tokens in {key}, got {str(value)[:60]!r}")


def _all_texts(data: Any) -> bool:
    return isinstance(data, Mapping) and bool(data) and all(isinstance(one, str) for one in data.values())


def _neurons_with(data: Any, part: str) -> bool:
    return (
        isinstance(data, Mapping)
        and bool(data)
        and all(_NEURON.match(key) and isinstance(one, Mapping) for key, one in data.items())
        and any(part in one for one in data.values())
    )


CAPTIONS = Reader("captions of clips of Audio Network Dissection", is_captions, captions)
SUMMARIES = Reader("summaries of neurons of Audio Network Dissection", is_summaries, summaries)
CALIBRATION = Reader("calibrated summaries of Audio Network Dissection", is_calibration, calibration)
SAMPLES = Reader("ranked clips of Audio Network Dissection", is_samples, samples)
