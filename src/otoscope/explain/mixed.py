"""Sounds whose parts are known: mixtures of a collection, and clips with a contaminant added at a stated SNR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from otoscope.audio.windows import fit
from otoscope.data.clips import Clips
from otoscope.data.contaminate import Contaminated, Contaminator
from otoscope.data.contaminated import PairSource
from otoscope.data.mixture_source import MixtureSource
from otoscope.errors import EmptyDataError, Failure, OtoscopeError
from otoscope.explain.sounds import Sounds
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track

Parts = Mapping[str, NDArray[np.float32]]
OTHER = ""
"""Label of a part that is no class: noise, speech."""


def with_parts(sounds: Sounds, clips: Clips, model: AudioModel) -> Sounds:
    """Return sounds that know their parts where the collection mixes them (``mix:``, ``contaminated:``).

    Both at the network's rate.
    """
    source = clips.source
    if (
        not isinstance(source, MixtureSource | PairSource)
        or source.sample_rate != model.sample_rate
        or sounds.rows is None
    ):
        return sounds
    found = tuple(
        _parts_of(clips, source, int(row), sounds.waveforms.shape[2], model.clip_length.short)
        for row in sounds.rows
    )
    return replace(sounds, parts=found)


def _parts_of(
    clips: Clips, source: MixtureSource | PairSource, row: int, n_samples: int, short: str
) -> Parts:
    record = clips.record(row)
    labels = [str(one["label"]) for one in json.loads(record["parts"])]
    found: dict[str, NDArray[np.float32]] = {}
    for label, part in zip(labels, source.parts(record), strict=True):
        heard = fit(part[None, :n_samples], n_samples, short)
        found[label] = found[label] + heard if label in found else heard
    return found


def contaminated(
    sounds: Sounds, clips: Clips, add: Contaminator, snr_db: float
) -> tuple[Sounds, list[Contaminated]]:
    """Return the sounds with a contaminant in each, their parts known, and what was added.

    Clips that nothing can be added to (digital silence) are left out and named among the failures.

    Parameters
    ----------
    sounds : Sounds
        Of the collection, with rows.
    clips : Clips
        The collection, for ids.
    add : Contaminator
        Kind, seed, and what is drawn from.
    snr_db : float
        Energy of the clip above that of the contaminant.

    Raises
    ------
    EmptyDataError
        If none of the clips can be contaminated.
    """
    left, heard, failures = mixed_with(sounds, clips, add, snr_db)
    if left is None:
        raise EmptyDataError(f"none of the {len(sounds)} clips can be contaminated: {failures[-1].reason}")
    return replace(left, failures=(*sounds.failures, *failures)), heard


def mixed_with(
    sounds: Sounds, clips: Clips, add: Contaminator, snr_db: float
) -> tuple[Sounds | None, list[Contaminated], tuple[Failure, ...]]:
    """Return what :func:`contaminated` does, and what failed; the sounds are None where nothing is left."""
    rows = np.arange(len(sounds)) if sounds.rows is None else sounds.rows
    kept, heard, failures = [], [], []
    for place, row in enumerate(track(rows.tolist(), len(rows), "contaminating")):
        name = str(clips.table["id"][row])
        try:
            heard.append(add(sounds.waveforms[place], name, snr_db))
        except OtoscopeError as error:
            failures.append(Failure(row, name, "contaminate", str(error)))
            continue
        kept.append(place)
    if not kept:
        return None, [], tuple(failures)
    left = sounds.take(np.array(kept, np.int64))
    labels = left.labels or ((),) * len(left)
    parts = tuple(
        _both(one, wave, names, _label(clips, one.source) if add.kind == "clip" else OTHER)
        for one, wave, names in zip(heard, left.waveforms, labels, strict=True)
    )
    waveforms = np.stack([one.waveform for one in heard])
    return replace(left, waveforms=waveforms, parts=parts, events=None), heard, tuple(failures)


def _both(one: Contaminated, clean: NDArray[np.float32], labels: tuple[str, ...], other: str) -> Parts:
    parts: dict[str, NDArray[np.float32]] = dict.fromkeys(labels, clean)
    return parts | {other: one.added}


def _label(clips: Clips, name: str) -> str:
    """Return the primary label of the clip that was added."""
    row = clips.table["id"].to_list().index(name)
    value = clips.record(row)[clips.label_set().name]
    return str(value if isinstance(value, str) else value[0])
