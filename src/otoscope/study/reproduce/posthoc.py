"""The tables of SpeechBrain's ESC-50 interpretability recipes on networks and sounds of one's own.

``otoscope reproduce posthoc``: both README tables, each row beside ours or with the reason why it is not here, every
number that was computed with a fault in both forms, and what the recipes do not have: controls, intervals by group,
mask sizes, insertion and deletion, localisation, seconds, what an explanation sounds like. Rows of the published tables
name a network and a method; the main network and ``networks`` make them where their architecture is the published one.
Networks of other architectures get rows of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.errors import NotHereError
from otoscope.explain.listen import listen
from otoscope.explain.score import heard
from otoscope.explain.sounding import sounding
from otoscope.explain.windows import explain
from otoscope.metrics import bootstrap
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track
from otoscope.record.hooks import lent
from otoscope.record.probe import device_of
from otoscope.study.reproduce.exhibits import Made, Result, exhibits, made, write
from otoscope.study.reproduce.posthoc_bench import (
    PROTOCOL,
    Bench,
    Network,
    kind_of,
    over_seeds,
    prepare,
)
from otoscope.study.reproduce.posthoc_config import MIXTURES, PUBLISHED_VALID, PosthocConfig
from otoscope.study.reproduce.posthoc_scores import CLEAN, CONTAMINATED, LOCATED

CONFIG = PosthocConfig
"""Settings of this reproduction."""

ROWS: Mapping[str, tuple[str, str]] = {
    "amt_focalnet": ("focalnet", "amt"),
    "amt_vit": ("vit", "amt"),
    "piq_focalnet": ("focalnet", "piq"),
    "piq_vit": ("vit", "piq"),
    "l2i_cnn14": ("cnn14", "l2i"),
    "l2i_conv2d": ("conv2d", "l2i"),
    "piq": ("conv2d", "piq"),
    "nmf": ("cnn14", "nmf-occlusion"),
    "lmac": ("cnn14", "lmac"),
    "lmac_finetuned": ("cnn14", "lmac-finetuned"),
    "l2i": ("cnn14", "l2i"),
}
"""Row of a published table -> network and method. The dictionary's row has no explanation of its own: components that
matter are found by occlusion here."""

SCORES = (
    "average_increase",
    "average_drop",
    "average_drop_published",
    "average_gain",
    "faithfulness",
    "faithfulness_published",
    "input_fidelity",
    "input_fidelity_published",
    "sparseness",
    "complexity",
    "mask_size",
    "energy_share",
    "insertion_area",
    "deletion_area",
    "target_share",
    "input_share",
)
"""Measures of the tables."""
OF_LOCATED = (
    "localisation_auroc",
    "energy_in_events",
    "pointing_game",
    "target_share",
    "input_share",
    "target_kept",
    "improvement_db",
    "mask_size",
    "energy_share",
)
"""Measures where onsets and parts are known."""


def reproduce(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: PosthocConfig | Mapping[str, Any] | None = None,
) -> tuple[Path, list[Made]]:
    """Make what can be made of both tables; return the page that sets them beside the published, and the exhibits.

    Parameters
    ----------
    model : AudioModel or str
        A classifier of the clips' classes.
    clips : Clips or str
        With folds.
    out : Path or str
        Gets the trained explainers, one Parquet file per exhibit, and ``reproduction.md``.
    config : PosthocConfig or dict, optional

    Raises
    ------
    InputError
        If networks or explainers do not fit. What a single exhibit lacks is its reason, and no error.
    """
    folder = Path(out)
    bench = prepare(model_of(model), clips_of(clips), folder, PosthocConfig.of(config))
    about, shown = exhibits(PROTOCOL)
    found = [made(one, partial(MAKERS[one.ours], bench)) for one in track(shown, len(shown), "exhibits")]
    return write(folder, about, found), found


def classifiers(bench: Bench) -> Result:
    """Return each network's accuracy on the judged clips, with its interval by group."""
    rows = []
    for network in bench.networks:
        sounds = bench.sounds(network, CLEAN)
        with lent(network.model):
            named = heard(network.model, sounds, bench.config.batch_size).argmax(1)
        if sounds.labels is None:
            raise NotHereError("the clips carry no labels")
        truth = [
            network.model.classes[place] in labels for place, labels in zip(named, sounds.labels, strict=True)
        ]
        right = np.array(truth, np.float64)
        low, high = bootstrap.interval(
            partial(_mean, right), np.asarray(sounds.groups), seed=bench.config.seed
        )
        values = {"accuracy_percent": 100 * right.mean(), "low": 100 * float(low), "high": 100 * float(high)}
        rows.append({"network": network.name, "n": len(right), **values})
    return pl.DataFrame(rows), ["otoscope train ARCH --data DATA --test-folds 5"]


def _mean(values: Any, weights: Any) -> Any:
    return weights @ values / weights.sum(axis=1)


def table(bench: Bench, kind: str, wanted: tuple[str, ...]) -> Result:
    """Return the rows of a published table, ours or a reason, then the rows that only we have."""
    summaries = {one.name: _summary(bench, one, kind) for one in bench.networks}
    rows, used = [], set()
    for row in wanted:
        network, method = ROWS[row]
        found = summaries.get(network, pl.DataFrame())
        own = found.filter(method=method) if found.height else found
        if own.height:
            used.add((network, method))
            rows.append({"row": row, "network": network, **own.row(0, named=True), "reason": None})
        else:
            rows.append(
                {"row": row, "network": network, "method": method, "reason": _reason(bench, network, method)}
            )
    extra = [
        {"row": f"{method}_{network}", "network": network, **values, "reason": None}
        for network, found in summaries.items()
        for values in found.iter_rows(named=True)
        if (network, method := values["method"]) not in used
    ]
    return means_first(pl.DataFrame([*rows, *extra], infer_schema_length=None)), _how(bench, kind)


def _how(bench: Bench, kind: str) -> list[str]:
    """Return the command that scores so, and what the numbers are of."""
    how = bench.config
    data, of = f"DATA --folds {how.folds}", f"{len(bench.rows)} clips of folds {how.folds}"
    if kind == LOCATED:
        data, of = "mix:DATA", f"{how.located} mixtures of {of}"
    elif kind == CONTAMINATED and how.contamination == MIXTURES:
        upper = how.valid_folds or PUBLISHED_VALID
        data = f"'contaminated:DATA?folds={upper}&from_folds={how.folds}&snr_db={how.snr_db:g}'"
        of = f"clips of folds {upper}, which chose the network, with clips of folds {how.folds} under them"
    elif kind == CONTAMINATED:
        data += f" --contamination {how.contamination} --snr {how.snr_db:g}"
        data += f" --contaminants {how.contaminants}" if how.contaminants else ""
        of += f", each with {how.contamination} under it at {how.snr_db:g} dB"
    command = f"otoscope score-explanations MODEL --data {data} --method METHOD --explainer DIR --out DIR"
    return [command, f"{of}. In brackets: 95 % over groups; then the least and the largest mean of a seed"]


def means_first(table: pl.DataFrame) -> pl.DataFrame:
    """Return the columns with the means before their intervals, which are the last."""
    ends = [one for one in table.columns if one.endswith(("_low", "_high"))]
    return table.select(pl.exclude(ends), *ends)


def _summary(bench: Bench, network: Network, kind: str) -> pl.DataFrame:
    """Return one row a method of a network: means over clips and seeds, without controls."""
    judged = bench.scores(network, kind)
    own = judged.table.filter(pl.col("control").is_null())
    how = bench.config
    found = over_seeds(own, judged.groups, SCORES, how.replicates, how.seed).drop("control")
    timed = [
        {
            "method": name,
            "seconds_per_clip": float(
                np.mean([value for key, value in judged.seconds.items() if kind_of(key) == name])
            ),
            "training_s": _training(network.methods, name),
        }
        for name in dict.fromkeys(map(kind_of, judged.seconds))
    ]
    schema = {"method": pl.String, "seconds_per_clip": pl.Float64, "training_s": pl.Float64}
    return found.join(pl.DataFrame(timed, schema=schema), on="method", how="left", maintain_order="left")


def _training(methods: Mapping[str, Any], kind: str) -> float | None:
    known = [
        one.training_s for key, one in methods.items() if kind_of(key) == kind and one.training_s is not None
    ]
    return float(np.mean(known)) if known else None


def _reason(bench: Bench, network: str, method: str) -> str:
    if network not in {one.name for one in bench.networks}:
        return f"no {network} was given (--network; otoscope train {network} makes one)"
    if method == "amt":
        return "amt is not among the methods"
    kind = "nmf" if method == "nmf-occlusion" else method
    return f"no {kind} of this {network} was given or trained (--explainer, --set train={kind})"


def controls(bench: Bench, kind: str, measures: tuple[str, ...] = SCORES) -> Result:
    """Return every method and every control on a set of sounds, network by network."""
    if kind == LOCATED and not bench.config.located:
        raise NotHereError("no mixtures were asked for (--set located=40)")
    found, how = [], bench.config
    for network in bench.networks:
        judged = bench.scores(network, kind)
        means = over_seeds(judged.table, judged.groups, measures, how.replicates, how.seed)
        named = pl.col("control").fill_null("explanation")
        found.append(means.with_columns(network=pl.lit(network.name), control=named))
    whole = pl.concat(found, how="diagonal_relaxed")
    return means_first(whole.select("network", pl.exclude("network"))), _how(bench, kind)


def sounds(bench: Bench) -> Result:
    """Return level, brightness and length of explanation and remainder beside the input's, means over clips."""
    rows = []
    for network in bench.networks:
        heard_sounds = bench.sounds(network, CLEAN)
        for name, method in network.methods.items():
            measured = [_sounding(network.model, method.explainer, wave) for wave in heard_sounds.waveforms]
            means = pl.DataFrame(measured).with_columns(pl.all().fill_nan(None)).mean()
            rows.append(
                {"network": network.name, "method": name, "n": len(measured), **means.row(0, named=True)}
            )
    return pl.DataFrame(rows, infer_schema_length=None), [
        "otoscope explain MODEL CLIP... --method METHOD --out RUN"
    ]


def _sounding(model: AudioModel, explainer: Any, wave: Any) -> dict[str, float]:
    waveform = torch.from_numpy(wave)[None].to(device_of(model))
    with lent(model), torch.no_grad():
        found = listen(explain(explainer, model, waveform), waveform)
    rate = found.sample_rate
    waves = found.explanation, found.remainder, found.original
    own, rest, whole = (sounding(one[0].cpu().numpy(), rate) for one in waves)
    return {
        "level_below_input_db": whole["level_db"] - own["level_db"],
        "remainder_below_input_db": whole["level_db"] - rest["level_db"],
        "centroid_hz": own["centroid_hz"],
        "input_centroid_hz": whole["centroid_hz"],
        "active_s": own["active_s"],
        "input_active_s": whole["active_s"],
        "silent": float(own["level_db"] < -80),
    }


IN_DOMAIN = ("amt_focalnet", "amt_vit", "piq_focalnet", "piq_vit", "l2i_cnn14", "l2i_conv2d", "piq", "nmf")
OUT_OF_DOMAIN = ("lmac", "lmac_finetuned", "l2i")

MAKERS: dict[str, Callable[[Bench], Result]] = {
    "classifiers": classifiers,
    "in_domain": partial(table, kind=CLEAN, wanted=IN_DOMAIN),
    "contaminated": partial(table, kind=CONTAMINATED, wanted=OUT_OF_DOMAIN),
    "controls": partial(controls, kind=CLEAN),
    "controls_contaminated": partial(controls, kind=CONTAMINATED),
    "located": partial(controls, kind=LOCATED, measures=OF_LOCATED),
    "sounds": sounds,
}
"""Name in the published file -> what makes the exhibit."""
