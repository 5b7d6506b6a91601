"""Listen to Interpret's tables on a network and sounds of one's own (``otoscope reproduce l2i-2022``).

Explainers are trained by the published protocol, on what is not in the test part, and everything is judged on the test
part. Where the release's faults decide a number (:mod:`otoscope.explain.l2i_relevance`), the corrected number stands
beside it; controls (random components, chance, shuffled copies) and intervals over groups are ours where the paper has
none.

Reference: J. Parekh et al., "Listen to Interpret: Post-hoc Interpretability for Audio Networks with NMF", NeurIPS 2022,
and the authors' release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from otoscope.audio.mix import overlap_at_snr
from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.seeded import seeded
from otoscope.errors import NotHereError
from otoscope.explain.judge import Judge, probabilities
from otoscope.explain.l2i import ListenToInterpret, RandomComponents
from otoscope.explain.located import power
from otoscope.explain.overlap import OverlapConfig
from otoscope.explain.overlap import overlap as overlapped
from otoscope.explain.squashing import settled
from otoscope.explain.windows import explain
from otoscope.metrics import label_fidelity, separation
from otoscope.metrics.faithfulness import top_k_fidelity
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.models.evaluate import group_interval
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.store import tables
from otoscope.study.reproduce.exhibits import Made, Result, exhibits, made, write
from otoscope.study.reproduce.l2i_bench import PROTOCOL, L2IBench, L2IReproduceConfig
from otoscope.study.reproduce.l2i_removal import drops, row

CONFIG = L2IReproduceConfig
"""Settings of this reproduction."""


def reproduce(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: L2IReproduceConfig | Mapping[str, Any] | None = None,
) -> tuple[Path, list[Made]]:
    """Make what can be made of the paper's exhibits; return the page that sets them beside the published, and them.

    Parameters
    ----------
    model : AudioModel or str
        A classifier that was not trained on the test part.
    clips : Clips or str
        All of them: explainers are trained on what is not test.
    out : Path or str
        Gets ``explainers/``, one Parquet file per exhibit, and ``reproduction.md``.
    config : L2IReproduceConfig or dict, optional

    Raises
    ------
    InputError
        If the test part does not exist. What a single exhibit lacks is its reason, and no error.
    """
    folder = Path(out)
    network = model_of(model)
    bench = L2IBench(network, clips_of(clips), folder, settled(L2IReproduceConfig.of(config), network))
    about, shown = exhibits(PROTOCOL)
    with lent(bench.model):
        found = [made(one, partial(MAKERS[one.ours], bench)) for one in track(shown, len(shown), "exhibits")]
    return write(folder, about, found), found


def fidelity(bench: L2IBench) -> Result:
    """Return how often the copy names the network's class among its k first, for both poolings, beside chance."""
    bench.only("softmax")
    n_classes, rows = bench.output.shape[1], []
    for pooling in ("max", "attention"):
        copied = _copied(bench, bench.explainer(pooling))
        found: dict[str, Any] = {"pooling": pooling}
        for k in (1, 3, 5):
            if k < n_classes:
                right = top_k_fidelity(bench.output, copied, k).astype(np.float64)
                low, high = group_interval(right, bench.groups, bench.config.seed)
                found |= {f"top{k}_percent": 100 * right.mean(), f"top{k}_chance": 100 * k / n_classes}
                found |= {f"top{k}_low": 100 * low, f"top{k}_high": 100 * high}
        rows.append({**found, "n": len(copied)})
    return pl.DataFrame(rows), [bench.trained_by("max"), bench.trained_by()]


def faithfulness(bench: L2IBench) -> Result:
    """Return what the network loses without the relevant components, as published and corrected, beside random sets."""
    bench.only("softmax")
    trained = bench.explainer()
    base = {"threshold": bench.threshold, "top": None}
    published = trained.told(**base, normaliser="max", relevance_pooling="max")
    corrected = trained.told(**base, normaliser="positive", relevance_pooling="trained")
    n_random = min(bench.config.random, trained.dictionary.n_components)
    sets = {
        "as published": published,
        "as published, random": RandomComponents(published, n_random, bench.config.seed),
        "corrected": corrected,
        "corrected, random of the same number": RandomComponents(corrected, seed=bench.config.seed),
    }
    groups = np.asarray(bench.groups)[bench.named_pairs.clips]
    rows = [
        {"removed": name, **row(drops(bench, one), groups, bench.config.seed)} for name, one in sets.items()
    ]
    return pl.DataFrame(rows), [bench.trained_by()]


def label_fidelity_table(bench: L2IBench) -> Result:
    """Return the area of the copy's scores against what the network names, beside random components."""
    bench.only("sigmoid")
    trained, truth = bench.explainer(), bench.named
    if not truth.any():
        raise NotHereError("the network names no label on any test clip")
    scores = {
        "head": probabilities(_copied(bench, trained), "sigmoid"),
        "head, components shuffled": probabilities(_copied(bench, trained, shuffled=True), "sigmoid"),
        "share of named clips": np.broadcast_to(truth.mean(0), truth.shape).astype(np.float64),
    }
    groups, seed = np.asarray(bench.groups), bench.config.seed
    rows = [
        {"stand_in": name, **label_fidelity.with_intervals(truth, one, groups, seed=seed)}
        for name, one in scores.items()
    ]
    counts = {"n_clips": len(truth), "n_named": int(truth.sum()), "n_classes": int(truth.any(0).sum())}
    return pl.DataFrame([{**one, **counts} for one in rows]), [bench.trained_by()]


def label_faithfulness(bench: L2IBench) -> Result:
    """Return, per label, what the network loses without the relevant components and without as many random ones."""
    bench.only("sigmoid")
    trained = bench.explainer().told(threshold=bench.threshold, top=None)
    sets = {
        "relevant": trained,
        "random of the same number": RandomComponents(trained, seed=bench.config.seed),
    }
    pairs, groups = bench.named_pairs, np.asarray(bench.groups)
    rows = []
    for name, one in sets.items():
        found = drops(bench, one)
        for target in np.unique(pairs.targets):
            mine = pairs.targets == target
            part = {key: values[mine] for key, values in found.items()}
            rows.append(
                {"label": bench.classes[target], "removed": name, **row(part, groups[pairs.clips[mine]], 0)}
            )
    return pl.DataFrame(rows).sort("label", "removed", descending=[False, True]), [bench.trained_by()]


def accuracy(bench: L2IBench) -> Result:
    """Return the network's accuracy on the test clips, with its interval over groups."""
    bench.only("softmax")
    labels = bench.clips.label_set()
    if labels.kind != "single" or not set(labels.classes) <= set(bench.classes):
        raise NotHereError("the clips carry no single label that is a class of the network")
    rows = np.arange(len(bench.sounds)) if bench.sounds.rows is None else bench.sounds.rows
    truth = bench.clips.table[labels.name].gather(rows).to_list()
    right = np.array(
        [bench.classes[one] == true for one, true in zip(bench.output.argmax(1), truth, strict=True)],
        np.float64,
    )
    low, high = group_interval(right, bench.groups, bench.config.seed)
    shares = {"accuracy_percent": 100 * right.mean(), "low": 100 * low, "high": 100 * high}
    found = {"who": bench.model.spec or "this network", **shares, "n": len(right)}
    return pl.DataFrame([found]), ["argmax of the output on the test part"]


def global_relevance(bench: L2IBench) -> Result:
    """Return the five most relevant components of each class; all are in the explainer's own table."""
    bench.explainer()
    whole = tables.read(bench.place("attention") / "global_relevance.parquet").drop_nulls("relevance")
    best = whole.sort("relevance", descending=True).group_by("class", maintain_order=True).head(5)
    return best.sort("class", "relevance", descending=[False, True]), [bench.trained_by()]


def overlap(bench: L2IBench) -> Result:
    """Return, for mixtures at stated ratios, the share of the passed energy that is the explained sound's."""
    return _overlap(bench, published=False)


def published_pairs(bench: L2IBench) -> Result:
    """Return the same for the four pairs of the release, where their clips and classes are there."""
    return _overlap(bench, published=True)


def _overlap(bench: L2IBench, published: bool) -> Result:
    bench.only("softmax")
    bench.explainer()
    how = OverlapConfig(
        snrs_db=bench.config.snrs_db, pairs=bench.config.pairs, published=published, seed=bench.config.seed
    )
    if published and not _has_published(bench):
        raise NotHereError(
            "none of the release's clips (ESC-50's fold 1: crying_baby, dog, church_bells, rooster, cat) is in this "
            "collection with its class among the network's"
        )
    rows = None if published else bench.rows.tolist()
    found = overlapped(bench.model, bench.clips, how, rows=rows, explainers=[bench.place("attention")])
    if published:
        shown = found.table.select(
            "target",
            "other",
            "snr_db",
            "explained",
            "named",
            "mask",
            "target_share",
            "input_share",
            "improvement_db",
        )
        heard = "" if set(found.table["first"].cast(pl.Int64)) <= set(bench.rows.tolist()) else _HEARD
        return shown, [bench.trained_by(), *found.missing, *([heard] if heard else [])]
    return found.summary, [bench.trained_by(), *found.missing]


_HEARD = "some of these clips are not in the test part: classifier and explainer may have learnt from them"


def _has_published(bench: L2IBench) -> bool:
    from otoscope.explain.overlap import PUBLISHED
    from otoscope.store.explanations import slug

    there = {slug(str(one)) for one in bench.clips.table["id"]}
    return any(
        {first, second} <= there and {own, other} <= set(bench.classes)
        for first, own, second, other, _ in PUBLISHED
    )


def noise(bench: L2IBench) -> Result:
    """Return, under white noise at 0 dB, how much of the passed energy is the recording's, beside random components."""
    bench.only("softmax")
    trained = bench.explainer()
    sets = {"L2I": trained, "random components": RandomComponents(trained, seed=bench.config.seed)}
    rows = []
    for name, one in sets.items():
        found = [_under_noise(bench, one, clip) for clip in range(len(bench.sounds))]
        values = {key: np.array([each[key] for each in found]) for key in found[0]}
        gain = values["target_share"] - values["input_share"]
        there = np.isfinite(gain)
        groups = np.asarray(bench.groups)[there]
        if not there.any():
            raise NotHereError("every explanation is empty: no energy passes")
        low, high = group_interval(gain[there], groups.tolist(), bench.config.seed)
        means = {key: float(one[there].mean()) for key, one in values.items()}
        interval = {"gain": float(gain[there].mean()), "gain_low": low, "gain_high": high}
        rows.append(
            {"method": name, **means, **interval, "n": int(there.sum()), "n_dropped": int((~there).sum())}
        )
    return pl.DataFrame(rows), [bench.trained_by()]


def _under_noise(bench: L2IBench, explainer: ListenToInterpret, clip: int) -> dict[str, float]:
    """Return the measures of separation of one clip under its own white noise."""
    whole = bench.sounds.waveforms[clip]
    if not np.any(whole):
        return dict.fromkeys(("target_share", "input_share", "target_kept"), float("nan"))
    rng = seeded(bench.config.seed, "noise", str(clip))
    mixed = overlap_at_snr(whole, rng.standard_normal(whole.shape).astype(np.float32), 0.0)
    waveform = torch.from_numpy(np.asarray(mixed.mix, np.float32))[None].to(device_of(bench.model))
    found = explain(explainer, bench.model, waveform, int(bench.output[clip].argmax()))
    judge = Judge(bench.model, found.spectrogram, found.domain)
    magnitude = found.spectrogram.spectrum(waveform).abs().mean(1)[0].cpu().numpy()
    gains = judge.gains(found.mask.float().cpu().numpy(), magnitude)
    values = separation.evaluate(gains, power(judge, mixed.first)[None], power(judge, mixed.second)[None])
    return {name: float(values[name][0]) for name in ("target_share", "input_share", "target_kept")}


def listeners(bench: L2IBench) -> Result:
    """Return nothing: people have to listen.

    Raises
    ------
    NotHereError
        Always.
    """
    raise NotHereError(
        "fifteen people have to listen and rate; `otoscope explain` writes the sounds, and the published ratings were "
        "not released"
    )


def _copied(bench: L2IBench, explainer: ListenToInterpret, shuffled: bool = False) -> NDArray[np.float64]:
    """Return the copy's output ``(clip, class)``, or that of a copy whose components are shuffled clip by clip."""
    found = []
    for start in range(0, len(bench.sounds), 16):
        part = torch.from_numpy(bench.sounds.waveforms[start : start + 16]).to(device_of(bench.model))
        found.append(
            explainer.shuffled(bench.model, part, start + bench.config.seed)
            if shuffled
            else explainer.copied(bench.model, part)
        )
    return np.asarray(torch.cat(found).double().cpu().numpy())


MAKERS: dict[str, Callable[[L2IBench], Result]] = {
    "fidelity": fidelity,
    "faithfulness": faithfulness,
    "label_fidelity": label_fidelity_table,
    "label_faithfulness": label_faithfulness,
    "accuracy": accuracy,
    "global_relevance": global_relevance,
    "overlap": overlap,
    "published_pairs": published_pairs,
    "noise": noise,
    "listeners": listeners,
}
"""Name in the published file -> what makes the exhibit."""
