"""Where a dictionary comes from: a folder, or an official ``.npy``."""

from __future__ import annotations

from pathlib import Path

from otoscope.errors import InputError
from otoscope.explain.dictionary import Dictionary, from_npy
from otoscope.explain.spectrogram import Spectrogram


def open_dictionary(place: Path | str, on: Spectrogram) -> Dictionary:
    """Return the dictionary at ``place`` for use on ``on``.

    Parameters
    ----------
    place : path
        A folder with ``dictionary.json``, or a ``.npy`` of the authors' (513 x K, learnt at 44.1 kHz, 1024/512).
    on : Spectrogram
        What it is to be used on.

    Raises
    ------
    InputError
        If there is none, or it was learnt at another rate or STFT.
    FormatError
        If it cannot be read.
    """
    where = Path(place)
    if where.suffix == ".npy" and where.is_file():
        found = from_npy(where)
        on.require(found.spectrogram, f"the dictionary {where}")
        return found
    if not where.is_dir():
        raise InputError(
            f"there is no dictionary {where}: expected a folder that `otoscope train-explainer nmf` wrote, or a .npy"
        )
    return Dictionary.load(where, on)
