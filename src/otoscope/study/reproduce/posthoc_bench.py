"""What the exhibits of the post-hoc reproduction share: networks, their explainers, and scores made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.data.clips import Clips
from otoscope.data.select import chosen_rows
from otoscope.errors import InputError
from otoscope.explain.dictionary import MANIFEST as DICTIONARY
from otoscope.explain.methods import OCCLUSION, Method, methods, variant_of
from otoscope.explain.sounds import Sounds
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.trained import read_explainer
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.models import open_model
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.store import manifest
from otoscope.study.reproduce.posthoc_config import PosthocConfig
from otoscope.study.reproduce.posthoc_scores import Judged, judge, scoring, sounds_for
from otoscope.study.reproduce.posthoc_train import Workshop

PROTOCOL = "posthoc"
FAMILIES: Mapping[str, str] = {
    "cnn14": "cnn14",
    "cnn14-speechbrain": "cnn14",
    "conv2d": "conv2d",
    "focalnet": "focalnet",
    "vit-image": "vit",
}
"""Architecture of ours -> network of the published tables."""
ATTENTION = ("vit", "transformer", "vit-image")
"""Networks whose attention AMT maps."""


@dataclass(frozen=True)
class Network:
    """A classifier with its explainers.

    Attributes
    ----------
    name : str
        As published where its architecture is, else the architecture.
    model : AudioModel
    methods : dict of str to Method
        By name; the seeds of one method are ``lmac@0``, ``lmac@1``.
    """

    name: str
    model: AudioModel
    methods: dict[str, Method]


@dataclass
class Bench:
    """Networks, clips, and the tables that were made of them.

    Attributes
    ----------
    networks : list of Network
        The main one first.
    clips : Clips
        The whole collection.
    rows : tuple of int
        The judged clips.
    config : PosthocConfig
    folder : Path
        Gets ``explainers/`` and ``scores/``.
    made : dict
        ``(network, kind of sounds)`` -> scores.
    """

    networks: list[Network]
    clips: Clips
    rows: tuple[int, ...]
    config: PosthocConfig
    folder: Path
    made: dict[tuple[str, str], Judged] = field(default_factory=dict)

    def sounds(self, network: Network, kind: str) -> Sounds:
        """Return a set of sounds of :mod:`otoscope.study.reproduce.posthoc_scores` as this network hears it."""
        return sounds_for(network.model, self.clips, self.rows, kind, self.config)

    def scores(self, network: Network, kind: str) -> Judged:
        """Return the scores of a network's explanations of a set of sounds; made once."""
        key = (network.name, kind)
        if key not in self.made:
            where = self.folder / "scores" / f"{network.name}-{kind}"
            how = scoring(self.config, kind).scoring()
            self.made[key] = judge(network.model, self.sounds(network, kind), network.methods, how, where)
        return self.made[key]


def prepare(model: AudioModel, clips: Clips, out: Path, config: PosthocConfig) -> Bench:
    """Return the networks with their explainers, trained where that is asked for.

    Raises
    ------
    InputError
        If a folder is of none of the networks, or two networks are of one architecture.
    """
    models = [model, *(open_model(one) for one in config.networks)]
    names = [network_name(one) for one in models]
    if len(set(names)) < len(names):
        raise InputError(f"each network is of another architecture in these tables, got {', '.join(names)}")
    held = _by_network(config.explainers, dict(zip(names, models, strict=True)))
    networks = [
        Network(name, one, _methods(name, one, held[name], clips, out, config))
        for name, one in zip(names, models, strict=True)
    ]
    rows = chosen_rows(
        clips.table, folds=config.folds, split=None, limit=config.clips, seed=None, spec=clips.spec
    )
    judged = tuple(range(len(clips))) if rows is None else tuple(int(one) for one in rows)
    return Bench(networks, clips, judged, config, out)


def network_name(model: AudioModel) -> str:
    """Return the network of the published tables that a model is, else its architecture."""
    architecture = str(model.config.get("architecture") or model.spec or "network")
    return FAMILIES.get(architecture, architecture)


def _by_network(folders: Sequence[str], models: Mapping[str, AudioModel]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {name: [] for name in models}
    hashes = {hash_weights(one): name for name, one in models.items()}
    for one in map(Path, folders):
        if (one / DICTIONARY).is_file():
            on = Spectrogram.from_json(manifest.read(one / DICTIONARY)["spectrogram"])
            fits = [name for name, model in models.items() if Spectrogram.of(model) == on]
        else:
            fits = [hashes[h] for h in [read_explainer(one)["classifier"]["weights_hash"]] if h in hashes]
        if not fits:
            raise InputError(f"{one} is an explainer of none of the networks {', '.join(models)}")
        for name in fits:
            found[name].append(one)
    return found


def _methods(
    name: str, model: AudioModel, folders: Sequence[Path], clips: Clips, out: Path, config: PosthocConfig
) -> dict[str, Method]:
    """Return the methods of a network: untrained, given, and trained now once a seed."""
    options: dict[str, Any] = {"amt.placement": "stretch", "amt.threshold": "as-published"}
    if name in ATTENTION:
        options["amt.kind"] = "attention"
    untrained = methods(config.methods, (), options if "amt" in config.methods else {}, model)
    found = {one.name: one for one in untrained}
    held = [(variant_of(folder), folder) for folder in folders]
    held += _trained(
        Workshop(name, model, clips, out, config, [one for kind, one in held if kind == OCCLUSION]), held
    )
    for place, (kind, folder) in enumerate(held):
        number = [one for one, _ in held[:place]].count(kind)
        found[f"{kind}@{number}"] = methods((), [folder], {}, model)[0]
    return found


def _trained(workshop: Workshop, held: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Return method and folder of what is asked for and not given, trained once a seed."""
    config, there = workshop.config, {"nmf" if kind == OCCLUSION else kind for kind, _ in held}
    wanted = [one for one in config.train if one not in there]
    for one in wanted:
        workshop.check(one)
    places = [workshop.train(one, seed) for one in wanted for seed in config.seeds]
    return [(variant_of(place), place) for place in places]


def kind_of(method: str) -> str:
    """Return the method behind a name with a seed.

    Examples
    --------
    >>> kind_of("lmac@1"), kind_of("amt")
    ('lmac', 'amt')
    """
    return method.partition("@")[0]


def over_seeds(
    table: pl.DataFrame, groups: Sequence[Any], measures: Sequence[str], replicates: int, seed: int
) -> pl.DataFrame:
    """Return, per method and control, means over clips and seeds with 95 % intervals over groups.

    Columns: method, control, n_seeds, n, n_target (clips that hold the named class, where parts are known), then for
    each measure its mean, ``_low``, ``_high`` (clips by group; the seeds of a clip averaged) and ``_seeds_low``,
    ``_seeds_high`` (least and largest mean of a seed; null for one seed). Infinite values (the improvement of a mask
    that passes nothing of one sound) are left out; ``_n`` then says of how many clips the mean is.
    """
    told = table.with_columns(kind=pl.col("method").str.split("@").list.first())
    weights = group_weights(np.unique(np.asarray(groups), return_inverse=True)[1], replicates, seed)
    rows = []
    for (kind, control), part in told.partition_by(
        ["kind", "control"], as_dict=True, maintain_order=True
    ).items():
        row: dict[str, Any] = {"method": kind, "control": control, "n_seeds": part["method"].n_unique()}
        row |= {"n": part["clip"].n_unique()} | _with_target(part)
        for name in (one for one in measures if one in part.columns):
            value = pl.col(name).cast(pl.Float64)
            clean = part.with_columns(pl.when(value.is_finite()).then(value).alias(name))
            clip = (
                clean.group_by("clip", maintain_order=True).agg(pl.col(name).mean()).drop_nulls().sort("clip")
            )
            seeds = clean.group_by("method").agg(pl.col(name).mean())[name].drop_nulls()
            row[name] = clip[name].mean()
            if part[name].cast(pl.Float64).is_infinite().any():
                row[f"{name}_n"] = clip.height
            if clip.height:
                used = weights[:, clip["clip"].to_numpy()]
                total = used.sum(axis=1)
                means = np.where(
                    total > 0, used @ clip[name].to_numpy() / np.where(total > 0, total, 1), np.nan
                )
                low, high = percentile_interval(means)
                row |= {f"{name}_low": float(low), f"{name}_high": float(high)}
            ends = (seeds.min(), seeds.max()) if len(seeds) > 1 else (None, None)
            row |= {f"{name}_seeds_low": ends[0], f"{name}_seeds_high": ends[1]}
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _with_target(part: pl.DataFrame) -> dict[str, int]:
    if "target_share" not in part.columns:
        return {}
    return {"n_target": part.filter(pl.col("target_share").is_not_nan())["clip"].n_unique()}
