"""Files of AAPE and LAPE: how often neurons are active for each class, and a task's embeddings and labels.

=================  ===================================================================  ==============================
``over_zero.pt``   activation probabilities of every layer, neuron and class            ``counts``, ``n_observations``
LAPE's             ``{"n": tokens, "over_zero": (layer, neuron)}``, a file a class  the same, with one class
``features.pt``    embeddings of a task's clips                                         ``embeddings``
``gts.pt``         their labels: class indices, or a row of 0 and 1 a clip              ``targets``
=================  ===================================================================  ==============================

``counts`` is ``(layer, neuron, class)`` and ``n_observations`` ``(class,)``, which
:func:`otoscope.selectivity.entropy.select` takes as they are; for probabilities every n is 1 (the note then says
``unit: probability``). Which axis is the class is known by the number of names: in ``classes.txt`` beside the file (a
name a line), or given (``--classes``). Without names the last axis is taken, as LAPE has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from otoscope.errors import FormatError
from otoscope.models.published.reader import Content, Reader, Released

NAMES = "classes.txt"


def is_counts(content: Content) -> bool:
    """Return whether this is a table of activity by layer, neuron and class, or LAPE's of one class."""
    data = content.data
    if isinstance(data, Mapping):
        return {"n", "over_zero"} <= data.keys() and isinstance(data["over_zero"], Tensor)
    return isinstance(data, Tensor) and data.ndim == 3 and "over_zero" in content.path.stem


def is_task(content: Content) -> bool:
    """Return whether this is a task's embeddings or labels, by the name of the file."""
    return isinstance(content.data, Tensor) and content.path.stem in ("features", "gts")


def read(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return counts and observations; class names are in the note.

    Raises
    ------
    FormatError
        If no axis, or more than one, has as many entries as there are names; or a number is no count.
    """
    names = classes or _beside(content.path)
    if isinstance(content.data, Mapping):
        counts = content.data["over_zero"][..., None]
        observed = torch.as_tensor([content.data["n"]], dtype=torch.int64)
    else:
        counts = content.data.movedim(_class_axis(content, names), 2)
        observed = torch.ones(counts.shape[2], dtype=torch.int64)
    if bool((counts < 0).any()) or not bool(torch.isfinite(counts.float()).all()):
        raise FormatError(f"{content.path.name} holds numbers that are neither counts nor probabilities")
    probabilities = counts.is_floating_point()
    if not probabilities and not isinstance(content.data, Mapping):
        raise FormatError(
            f"{content.path.name} holds counts without how many were observed: probabilities are needed, or LAPE's "
            "files with 'n'"
        )
    if probabilities and bool((counts > 1).any()):
        raise FormatError(f"{content.path.name} holds probabilities above 1")
    notes: dict[str, Any] = {"unit": "probability" if probabilities else "token", "classes": list(names)}
    kept = counts.to(torch.float32) if probabilities else counts.to(torch.int64)
    return Released(arrays={"counts": kept, "n_observations": observed}, notes=notes)


def read_task(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return embeddings or labels as they are."""
    name = "embeddings" if content.path.stem == "features" else "targets"
    return Released(arrays={name: content.data}, notes={"classes": list(classes or _beside(content.path))})


def _beside(path: Path) -> tuple[str, ...]:
    """Return the names in ``classes.txt`` beside a file; none where there is no such file."""
    place = path.with_name(NAMES)
    if not place.is_file():
        return ()
    return tuple(line.strip() for line in place.read_text(encoding="utf-8").splitlines() if line.strip())


def _class_axis(content: Content, names: tuple[str, ...]) -> int:
    shape = tuple(content.data.shape)
    fitting = [axis for axis in (2, 0, 1) if not names or shape[axis] == len(names)]
    if not fitting:
        raise FormatError(
            f"{content.path.name} has shape {shape}; none of its axes has {len(names)} entries, the number of names"
        )
    return fitting[0]


COUNTS = Reader("activity by layer, neuron and class, of AAPE or LAPE", is_counts, read)
TASK = Reader("the embeddings or labels of a task, of AAPE", is_task, read_task)
