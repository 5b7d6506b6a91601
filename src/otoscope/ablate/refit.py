"""How much of the loss does a probe make good that may learn again on the ablated network?

For each set the saved probe's training and validation clips are heard with the neurons ablated, a probe of the same
kind is trained on these embeddings, and it names the held-out clips, heard with the neurons ablated, too. Beside it
stand the saved (fixed) probe on the same clips, the untouched network, and the mean of probes trained again under
matched random sets. Where the fixed probe loses and the trained one does not, the information is still there and only
lies elsewhere.

``refit``, one row a concept and class (``class`` null: over all clips): accuracies, and the changes of both probes with
intervals over groups. Cost: the training clips are heard under every set, and one probe is trained for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.ablate.bench import Bench, lesion_of, reader_of
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.hearing import Hearing
from otoscope.ablate.lesion import Lesion
from otoscope.ablate.plan import Plan
from otoscope.ablate.probe import FITTERS
from otoscope.ablate.probe.config import ProbeConfig
from otoscope.ablate.probe.fitted import Material
from otoscope.ablate.probe.folder import Probe
from otoscope.ablate.tables import number
from otoscope.errors import InputError
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.progress import track
from otoscope.registry import lookup

Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]
_MEMORY = 2**29
"""Bytes of embeddings held at a time."""


@dataclass(frozen=True)
class Judgements:
    """Which held-out clips are named rightly, bool ``(set, clip)``: by the saved probe, by one trained again."""

    fixed: Bools
    again: Bools


def refitted(bench: Bench, plan: Plan, config: AblateConfig) -> pl.DataFrame:
    """Return one row a concept and class.

    Parameters
    ----------
    bench : Bench
        With a saved probe.
    plan : Plan
    config : AblateConfig
        ``probe_random`` matched random sets a concept are refitted, too.
    """
    if bench.saved is None:
        raise InputError("refitting needs a saved probe: otoscope ablate RUN --probe NAME")
    masks = plan.probe_masks(config.probe_random)
    parts = {name: _rows(bench, bench.saved, name) for name in ("train", "valid")}
    rows = np.concatenate([parts["train"], parts["valid"], bench.evaluated])
    lesion = lesion_of(bench, config, reader_of(bench))
    found: list[tuple[Bools, Bools]] = []
    heard = np.zeros(0, dtype=np.int64)
    for some in masks.split(_at_once(len(rows), bench.saved)):  # type: ignore[no-untyped-call]
        vectors, heard = listened(lesion, bench, rows, some, config)
        for one in track(vectors, len(vectors), "training probes again"):
            found.append(_judged(bench, bench.saved, one, heard, parts))
    test = heard[np.isin(heard, bench.evaluated)]
    judged = Judgements(*(np.stack(one) for one in zip(*found, strict=True)))
    lines = list(_table(bench, plan, judged, test, config))
    types = {"class": pl.String, "target": pl.Boolean, "refit_random": pl.Float64}
    return pl.DataFrame(lines, schema_overrides=types, infer_schema_length=None)


def _rows(bench: Bench, saved: Probe, part: str) -> Rows:
    inside = bench.clips.table["id"].is_in(saved.part(part)).to_numpy()
    return np.intersect1d(bench.run.usable_rows(), np.flatnonzero(inside))


def _at_once(n_clips: int, saved: Probe) -> int:
    dimension = int(saved.fits[0].weight.shape[1])
    return max(1, _MEMORY // (4 * max(1, n_clips) * dimension))


def listened(
    lesion: Lesion, bench: Bench, rows: Rows, masks: Tensor, config: AblateConfig
) -> tuple[NDArray[np.float32], Rows]:
    """Return what is read of each clip under each set, ``(set, clip, dimension)``, and the rows that could be heard."""
    hearing = Hearing(bench.model, bench.clips, np.sort(rows), memory_bytes=0, workers=config.workers)
    kept, found = [], []
    for row, own in track(groupby(hearing, key=lambda window: window.row), len(rows), "hearing ablated"):
        total, seconds = torch.zeros(()), 0.0
        for window in own:
            total = total + window.seconds * lesion.logits(window, masks)
            seconds += window.seconds
        kept.append(row)
        found.append((total / seconds).numpy())
    return np.stack(found, axis=1), np.array(kept, dtype=np.int64)


def _judged(
    bench: Bench, saved: Probe, vectors: NDArray[np.float32], rows: Rows, parts: dict[str, Rows]
) -> tuple[Bools, Bools]:
    """Return which held-out clips the saved probe names rightly, and which one that is trained on these vectors."""
    targets = bench.labelled.targets
    train, valid, test = (np.isin(rows, one) for one in (parts["train"], parts["valid"], bench.evaluated))
    config = ProbeConfig.model_validate(_tuples(saved.manifest["config"]))
    material = Material(
        vectors[train], targets[rows[train]], vectors[valid], targets[rows[valid]], len(saved.classes)
    )
    fitter = lookup(FITTERS, config.method, room="probe", kind="probe")
    truth = targets[rows[test]]
    fixed, again = (
        one.logits(vectors[test]).argmax(axis=1) == truth
        for one in (saved.fits[0], fitter(material, config, config.seeds[0]))
    )
    return fixed, again


def _tuples(config: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in config.items()}


def _table(
    bench: Bench, plan: Plan, judged: Judgements, test: Rows, config: AblateConfig
) -> Iterator[dict[str, Any]]:
    targets, groups = bench.labelled.targets[test], bench.labelled.groups[test]
    weights = group_weights(groups, config.replicates, config.seed)
    start = 1 + len(plan.sets)
    for at, one in enumerate(plan.sets):
        stop = start + min(config.probe_random, len(plan.drawn[at]))
        for place in (None, *range(len(bench.labelled.classes))):
            own = np.ones(len(test), dtype=np.bool_) if place is None else targets == place
            if own.any():
                name = None if place is None else bench.labelled.classes[place]
                yield {
                    "concept": one.concept,
                    "class": name,
                    "target": None if place is None else place in one.targets,
                    **_row(judged, own, 1 + at, range(start, stop), weights),
                }
        start = stop


def _row(
    judged: Judgements, own: Bools, at: int, draws: Sequence[int], weights: NDArray[np.float64]
) -> dict[str, Any]:
    fixed, again = judged.fixed[:, own].astype(np.float64), judged.again[:, own].astype(np.float64)
    drawn = again[list(draws)]
    row: dict[str, Any] = {"before": fixed[0].mean(), "fixed_after": fixed[at].mean()}
    row |= {"refit_before": again[0].mean(), "refit_after": again[at].mean()}
    row["refit_random"] = drawn.mean() if len(drawn) else None
    for name, change in (("fixed", fixed[at] - fixed[0]), ("refit", again[at] - again[0])):
        total = weights[:, own].sum(axis=1)
        means = np.divide(weights[:, own] @ change, total, out=np.full(len(total), np.nan), where=total > 0)
        low, high = percentile_interval(means)
        row |= {
            f"{name}_change": change.mean(),
            f"{name}_change_low": number(low),
            f"{name}_change_high": number(high),
        }
    return {key: one if one is None else number(one) for key, one in row.items()}
