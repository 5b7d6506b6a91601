"""Files that others released, as ours: weights to safetensors, result files to Parquet.

Each row of :data:`READERS` knows one kind of file by its keys and converts it; the first row that recognises a file
reads it. A row names a :class:`otoscope.models.published.reader.Reader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otoscope.models.audio_model import AudioModel
    from otoscope.models.published.reader import Imported

#: kind -> Reader; asked in this order
READERS: dict[str, str] = {
    "beats": "otoscope.models.published.beats:BEATS",
    "beats-and": "otoscope.models.published.beats:WRAPPED",
    "panns": "otoscope.models.published.panns:PANNS",
    "m2d": "otoscope.models.published.m2d:M2D",
    "l2i": "otoscope.models.published.l2i:L2I",
    "speechbrain": "otoscope.models.published.speechbrain:CLASSIFIER",
    "speechbrain-explainer": "otoscope.models.published.speechbrain:EXPLAINER",
    "focalnet": "otoscope.models.published.pictures:FOCALNET",
    "vit-image": "otoscope.models.published.pictures:VIT",
    "aape-counts": "otoscope.models.published.aape:COUNTS",
    "aape-task": "otoscope.models.published.aape:TASK",
    "and-activations": "otoscope.models.published.and_tensors:ACTIVATIONS",
    "and-samples": "otoscope.models.published.and_results:SAMPLES",
    "and-calibration": "otoscope.models.published.and_results:CALIBRATION",
    "and-summaries": "otoscope.models.published.and_results:SUMMARIES",
    "and-captions": "otoscope.models.published.and_results:CAPTIONS",
}


def import_weights(
    path: Path | str, out: Path | str, *, kind: str | None = None, classes: Sequence[str] = ()
) -> Imported:
    """Convert a released file and return what it was; see :func:`otoscope.models.published.convert.import_weights`."""
    from otoscope.models.published import convert

    return convert.import_weights(path, out, kind=kind, classes=classes)


def open_published(path: Path | str, families: Sequence[str]) -> AudioModel:
    """Return the network in a released file; see :func:`otoscope.models.published.convert.open_published`."""
    from otoscope.models.published import convert

    return convert.open_published(path, families)
