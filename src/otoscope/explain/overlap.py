"""Two sounds at once: does the explanation of each pass that one? L2I's overlap experiment, with the ratio controlled.

Pairs of clips of different classes are mixed at stated signal-to-noise ratios (the first clip's energy above the
second's). For each mixture both classes are explained, whatever the network names, and beside each mask stand its
controls. Per explanation:

- *target's share*: of the energy that passes, the share that is the explained class's own sound
  (:mod:`otoscope.metrics.separation`), beside the same share of the whole mixture (``input_share``);
- *named*: what the network names for the mixture: ``explained``, the ``other`` of the two, or ``neither``. An
  explanation of a class that the network does not hear need not find it, so means are read under each.

``published``: the four pairs of the authors' code, mixed as there, x_i / max x_i + weight x_j / max x_j (no ratio is
controlled: the ratio of energies that comes of it is reported). Pairs whose clips are not in the collection have a
reason.

Reference: J. Parekh et al. (2022), Listen to Interpret, NeurIPS, overlap experiment, and the authors' code. *Where we
differ*: the ratio of energies is set, not one of signed peaks; both sources are explained, not the first alone; the
share of energy is measured where they listen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import Field

from otoscope import heap
from otoscope.audio.mix import Overlap, overlap_at_snr, overlap_by_peak
from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.seeded import seeded
from otoscope.errors import EmptyDataError, InputError
from otoscope.explain.controls import Case, control
from otoscope.explain.hearing import outputs
from otoscope.explain.judge import Judge
from otoscope.explain.located import SEPARATED, power
from otoscope.explain.methods import Method, methods
from otoscope.explain.sounds import Sounds
from otoscope.explain.windows import explain
from otoscope.metrics import separation
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.metrics.faithfulness import softmax
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.stage_config import Seed, StageConfig
from otoscope.store.explanations import slug

CONTROLS = ("random-size", "random-matched", "loudest", "rolled")
PUBLISHED: tuple[tuple[str, str, str, str, float], ...] = (
    ("1-60997-A-20", "crying_baby", "1-30226-A-0", "dog", 0.6),
    ("1-30226-A-0", "dog", "1-60997-A-20", "crying_baby", 0.15),
    ("1-40154-A-46", "church_bells", "1-34119-B-1", "rooster", 1.0),
    ("1-30226-A-0", "dog", "1-47819-A-5", "cat", 0.09),
)
"""Clip and class of the explained sound, of the mixed-in one, and its weight; clips of ESC-50's fold 1, which is where
the code's indices 300, 157, 199, 178 and 229 lead."""


class OverlapConfig(StageConfig):
    """Which pairs, at which ratios.

    Attributes
    ----------
    methods, options
        As for ``otoscope explain``.
    snrs_db : tuple of float
        Energy of the first clip above that of the second.
    pairs : int
        Pairs of clips of different classes and groups, drawn with the seed.
    published : bool
        The four published pairs instead.
    controls : tuple of str
    replicates : int
        Of the bootstrap over the first clips' groups.
    seed : int
    """

    methods: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)
    snrs_db: tuple[float, ...] = (-10.0, 0.0, 10.0)
    pairs: int = Field(20, ge=1)
    published: bool = False
    controls: tuple[str, ...] = CONTROLS
    replicates: int = Field(1000, ge=2)
    seed: Seed = 0


@dataclass(frozen=True)
class Mixture:
    """One mixture: places of its two clips, their classes (indices), and the sounds."""

    first: int
    second: int
    classes: tuple[int, int]
    sounds: Overlap
    nominal_db: float | None


@dataclass(frozen=True)
class Overlapped:
    """What was found.

    Attributes
    ----------
    table : polars.DataFrame
        One row per mixture, method, explained sound and mask.
    summary : polars.DataFrame
        Means with 95 % intervals over groups, by method, mask, ratio and what the network names.
    missing : tuple of str
        Published pairs that could not be made, and why.
    """

    table: pl.DataFrame
    summary: pl.DataFrame
    missing: tuple[str, ...] = ()


def overlap(
    model: AudioModel | str,
    clips: Clips | str,
    config: OverlapConfig | Mapping[str, Any] | None = None,
    *,
    rows: Sequence[int] | None = None,
    explainers: Sequence[Path | str] = (),
) -> Overlapped:
    """Explain both sounds of mixtures of two.

    Parameters
    ----------
    model : AudioModel or str
        A classifier whose classes are labels of the clips; given back as it was lent.
    clips : Clips or str
    config : OverlapConfig or dict, optional
    rows : sequence of int, optional
        Clips that pairs are drawn from; None: all.
    explainers : sequence of path
        Folders of trained explainers and dictionaries.

    Raises
    ------
    InputError, EmptyDataError
        If no pair of different classes of the network can be made.
    """
    model, clips, how = model_of(model), clips_of(clips), OverlapConfig.of(config)
    found = methods(how.methods, explainers, how.options, model)
    missing: list[str] = []
    mixtures, groups = _mixtures(model, clips, how, rows, missing)
    with lent(model), heap.kept():
        told = [
            row
            for one in track(mixtures, len(mixtures), "explaining overlaps")
            for row in _rows(model, one, found, how)
        ]
    table = pl.DataFrame(told, infer_schema_length=None)
    table = table.with_columns(group=pl.col("first").replace_strict(groups, return_dtype=pl.String))
    return Overlapped(table, summarise(table, how.replicates, how.seed), tuple(missing))


def _mixtures(
    model: AudioModel, clips: Clips, how: OverlapConfig, rows: Sequence[int] | None, missing: list[str]
) -> tuple[list[Mixture], dict[str, str]]:
    """Return the mixtures and the group of each clip by id; says which published pairs are missing."""
    wanted = (
        list(_published(clips, model, missing)) if how.published else list(_drawn(clips, model, how, rows))
    )
    if not wanted:
        raise EmptyDataError(
            "no pair can be made: " + ("; ".join(missing) or "all clips are of one class or group")
        )
    needed = sorted({row for one in wanted for row in one[:2]})
    sounds = Sounds.of(clips, model, needed)
    places = {} if sounds.rows is None else {int(row): place for place, row in enumerate(sounds.rows)}
    made: list[Mixture] = []
    for first, second, classes, weight in wanted:
        if first not in places or second not in places:
            missing.append(f"{clips.table['id'][first]} with {clips.table['id'][second]}: not decodable")
            continue
        waves = sounds.waveforms[places[first]], sounds.waveforms[places[second]]
        if weight is not None:
            made.append(Mixture(first, second, classes, overlap_by_peak(*waves, weight), None))
            continue
        made += [Mixture(first, second, classes, overlap_at_snr(*waves, snr), snr) for snr in how.snrs_db]
    groups = dict(
        clips.table.select(pl.col("row").cast(pl.String), pl.col("group").cast(pl.String)).iter_rows()
    )
    return made, groups


Wanted = tuple[int, int, tuple[int, int], float | None]


def _drawn(
    clips: Clips, model: AudioModel, how: OverlapConfig, rows: Sequence[int] | None
) -> Iterator[Wanted]:
    """Yield seeded pairs of different classes and groups; first clips go through the rows, each as often as others."""
    labels = _classes(clips, model)
    groups = clips.table["group"].to_list()
    chosen = [row for row in (range(len(clips)) if rows is None else rows) if labels[row] >= 0]
    if not chosen:
        raise InputError(f"the labels of {clips.spec} are no classes of {model.spec or 'the network'}")
    order = np.random.default_rng(how.seed).permutation(chosen)
    for place in range(how.pairs):
        first = int(order[place % len(order)])
        others = [row for row in chosen if labels[row] != labels[first] and groups[row] != groups[first]]
        if others:
            rng = seeded(how.seed, "overlap", str(clips.table["id"][first]), str(place // len(order)))
            second = int(rng.choice(others))
            yield first, second, (int(labels[first]), int(labels[second])), None


def _published(clips: Clips, model: AudioModel, missing: list[str]) -> Iterator[Wanted]:
    place = {slug(str(one)): row for row, one in enumerate(clips.table["id"])}
    for first, own, second, other, weight in PUBLISHED:
        named = f"{own} ({first}) with {other} ({second})"
        lacking = [one for one in (first, second) if one not in place]
        unknown = [one for one in (own, other) if one not in model.classes]
        if lacking or unknown:
            why = (
                f"no clip {', '.join(lacking)}"
                if lacking
                else f"the network has no class {', '.join(unknown)}"
            )
            missing.append(f"{named}: {why}")
            continue
        classes = model.classes.index(own), model.classes.index(other)
        yield place[first], place[second], classes, weight


def _classes(clips: Clips, model: AudioModel) -> NDArray[np.int64]:
    """Return the network's class of each clip by its label, -1 where it has none."""
    index = {name: place for place, name in enumerate(model.classes)}
    column = clips.table[clips.label_set().name].to_list()
    single = [one if isinstance(one, str) else (one[0] if one and len(one) == 1 else None) for one in column]
    return np.array([-1 if one is None else index.get(one, -1) for one in single], np.int64)


def _rows(
    model: AudioModel, one: Mixture, found: Sequence[Method], how: OverlapConfig
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one mixture."""
    waveform = torch.from_numpy(np.asarray(one.sounds.mix, np.float32))[None].to(device_of(model))
    with torch.no_grad():
        p = softmax(outputs(model, waveform).double().cpu().numpy())[0]
    named = int(p.argmax())
    for method in found:
        for place, (target, own) in enumerate(
            zip(one.classes, (one.sounds.first, one.sounds.second), strict=True)
        ):
            other = one.classes[1 - place]
            keys = {
                "first": str(one.first),
                "second": str(one.second),
                "snr_db": one.sounds.snr_db,
                "nominal_db": one.nominal_db,
                "method": method.name,
                "explained": ("first", "second")[place],
                "target": model.classes[target],
                "other": model.classes[other],
                "named": "explained" if named == target else "other" if named == other else "neither",
                "p": float(p[target]),
            }
            for mask, values in _shares(model, waveform, method, target, own, one.sounds.mix, how).items():
                yield keys | {"mask": mask} | values


def _shares(
    model: AudioModel,
    waveform: torch.Tensor,
    method: Method,
    target: int,
    own: NDArray[np.float32],
    mix: NDArray[np.float32],
    how: OverlapConfig,
) -> dict[str, dict[str, float]]:
    """Return the measures of separation of the explanation and of its controls."""
    with torch.no_grad():
        explanation = explain(method.explainer, model, waveform, target)
    judge = Judge(model, explanation.spectrogram, explanation.domain)
    magnitude = explanation.spectrogram.spectrum(waveform).abs().mean(1)[0].cpu().numpy()
    mask = explanation.mask[0].float().cpu().numpy()
    made = {"explanation": mask}
    for place, name in enumerate(how.controls):
        drawn = control(
            name,
            Case(mask, magnitude),
            int(np.random.SeedSequence([how.seed, target, place]).generate_state(1)[0]),
        )
        if drawn is not None:
            made[name] = np.asarray(drawn, np.float32)
    gains = judge.gains(np.stack(list(made.values())), magnitude)
    powers = (np.broadcast_to(power(judge, one), gains.shape) for one in (own, mix - own))
    values = separation.evaluate(gains, *powers)
    sizes = np.stack(list(made.values())).mean((1, 2))
    return {
        name: {**{key: float(values[key][place]) for key in SEPARATED}, "mask_size": float(sizes[place])}
        for place, name in enumerate(made)
    }


def summarise(table: pl.DataFrame, replicates: int = 1000, seed: int = 0) -> pl.DataFrame:
    """Return means and 95 % intervals over groups by method, mask, ratio, explained sound and what is named.

    ``named`` null: whatever the network names. ``gain`` is the target's share minus its share of the mixture.
    """
    table = table.with_columns(gain=pl.col("target_share") - pl.col("input_share"))
    both = pl.concat([table, table.with_columns(named=pl.lit(None, pl.String))])
    keys = ["method", "mask", "nominal_db", "named"]
    rows = []
    for key, part in both.partition_by(keys, as_dict=True, maintain_order=True).items():
        row: dict[str, Any] = {**dict(zip(keys, key, strict=True)), "n": part.height}
        weights = group_weights(part["group"].to_numpy(), replicates, seed)
        for name in ("target_share", "input_share", "gain", "improvement_db"):
            values = part[name].fill_nan(None)
            there = values.is_not_null().to_numpy() & np.isfinite(values.fill_null(0).to_numpy())
            ends = _interval(values.fill_null(0).to_numpy(), there, weights)
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        rows.append(row | {"n_dropped": int(part["target_share"].is_nan().sum())})
    return pl.DataFrame(rows, infer_schema_length=None).sort(keys, nulls_last=True)


def _interval(
    values: NDArray[np.float64], there: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[float, float, float]:
    if not there.any():
        return float("nan"), float("nan"), float("nan")
    used = weights * there
    total = used.sum(axis=1)
    filled = np.where(there, values, 0.0)
    means = np.where(total > 0, used @ filled / np.where(total > 0, total, 1.0), np.nan)
    low, high = percentile_interval(means)
    return float(values[there].mean()), float(low), float(high)
