"""The main job on what comes with the package: known sounds, a small classifier, a network with planted concepts.

Both networks are dissected on the same synthesised sounds, offline. The classifier's page shows what a user's own
network would look like; the planted network tells how far such descriptions can be trusted here, since its truth is
known.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from otoscope.data import open_data
from otoscope.describe.config import DescribeConfig
from otoscope.models import open_model
from otoscope.store.run import Run
from otoscope.study.dissect import dissect
from otoscope.study.planted import planted

CLASSIFIER, PLANTED = "classifier", "planted"
NETWORKS = {CLASSIFIER: "demo:", PLANTED: "planted:"}
"""Folder -> network that is dissected into it."""


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes
    ----------
    classifier, planted : Run
        The two run folders, each with its ``report.html``.
    recovered : polars.DataFrame
        Of the planted concepts, see :func:`otoscope.study.planted.planted`.
    false_names : polars.DataFrame
        Rule-less neurons, and how many got a confident name.
    seconds : float
        Wall time.
    """

    classifier: Run
    planted: Run
    recovered: pl.DataFrame
    false_names: pl.DataFrame
    seconds: float


def demo(out: Path | str, *, n_sounds: int = 192, seed: int = 0) -> Demo:
    """Run the demo into the folder ``out``; what is done already is not done again.

    Parameters
    ----------
    out : Path or str
        Gets the folders ``classifier`` and ``planted``.
    n_sounds : int
        Synthesised sounds of 2 s.
    seed : int
        Of the sounds.
    """
    started = time.perf_counter()
    folder = Path(out)
    clips = open_data(f"sounds:{n_sounds}", seed=seed)
    classifier = dissect(
        open_model(NETWORKS[CLASSIFIER]),
        clips,
        folder / CLASSIFIER,
        describing=DescribeConfig(concepts="acoustic+sounds"),
    )
    truth = dissect(
        open_model(NETWORKS[PLANTED]), clips, folder / PLANTED, describing=DescribeConfig(concepts="acoustic")
    )
    found = planted(truth)
    seconds = time.perf_counter() - started
    return Demo(classifier, truth, found["summary"], found["false_names"], seconds)
