"""Audio Network Dissection's tables and figures on a network and sounds of one's own (``otoscope reproduce and-2024``).

Every step runs in its as-published preset, so that numbers compare; where the preset keeps a peculiarity that decides
a number (:mod:`otoscope.describe.presets`, :mod:`otoscope.ablate.presets`), the corrected number stands beside it.
Columns that the paper does not have (chance, controls, intervals, p) are ours.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models",
ICML 2024, and its release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.describe import SIMILARITIES
from otoscope.describe.interpret import and_2024 as published_clusters
from otoscope.describe.interpret import interpret
from otoscope.describe.word_statistics import histogram, per_block, trend
from otoscope.errors import NotHereError
from otoscope.metrics import bootstrap, text_agreement
from otoscope.models import model_of
from otoscope.models.audio_model import LOGITS, AudioModel
from otoscope.progress import track
from otoscope.study.reproduce.ablations import attribute_curves, concept, unlearning
from otoscope.study.reproduce.bench import PROTOCOL, Bench, ReproduceConfig, prepare
from otoscope.study.reproduce.exhibits import Made, Result, exhibits, made, write


def reproduce(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: ReproduceConfig | Mapping[str, Any] | None = None,
) -> tuple[Path, list[Made]]:
    """Make what can be made of the protocol's exhibits; return the page that sets them beside the published, and them.

    Parameters
    ----------
    model : AudioModel or str
        A classifier of the clips' classes.
    clips : Clips or str
    out : Path or str
        Gets ``run/`` (the recording and all its tables), one Parquet file per exhibit, and ``reproduction.md``.
    config : ReproduceConfig or dict, optional

    Raises
    ------
    InputError, StageError
        If the clips cannot be recorded or captioned. What a single exhibit lacks is its reason, and no error.
    """
    folder = Path(out)
    bench = prepare(model_of(model), clips_of(clips), folder, ReproduceConfig.of(config))
    about, shown = exhibits(PROTOCOL)
    found = [made(one, partial(MAKERS[one.ours], bench)) for one in track(shown, len(shown), "exhibits")]
    return write(folder, about, found), found


def accuracy(bench: Bench) -> Result:
    """Return the network's accuracy on all recorded clips and on each fold, with intervals by group."""
    clips = bench.run.clips()
    rows, (labels, truth) = bench.run.usable_rows(), _truth(bench)
    said = bench.run.activations(LOGITS, rows=rows).argmax(axis=1)
    right = (np.array(bench.classes)[said] == truth[rows]).astype(np.float64)
    used = clips[rows].with_columns(pl.Series("right", right))
    parts = {"all": used} | {
        f"fold {fold}": part for (fold,), part in used.group_by("fold") if fold is not None
    }
    found = []
    for name, part in sorted(parts.items()):
        values = part["right"].to_numpy()
        low, high = bootstrap.interval(partial(_mean, values), part["group"].to_numpy())
        found.append(
            {
                "clips": name,
                "n": part.height,
                "accuracy": part["right"].mean(),
                "low": float(low),
                "high": float(high),
            }
        )
    note = f"otoscope record ... --layers {LOGITS}, argmax against {labels}"
    return pl.DataFrame(found), [note]


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted means ``(replicate,)``."""
    return np.asarray(weights @ values / weights.sum(axis=1))


def _truth(bench: Bench) -> tuple[str, NDArray[np.str_]]:
    for labels in bench.clips.label_sets:
        if labels.kind == "single" and set(labels.classes) <= set(bench.classes):
            return labels.name, bench.run.clips()[labels.name].to_numpy()
    raise NotHereError("the clips carry no label set of the network's classes")


def last_layer_all(bench: Bench) -> Result:
    """Return top-1, top-5 and cosine of the output neurons' names for each method and function."""
    names: list[str] = []
    rows = []
    for method in ("db", "tab"):
        for function in SIMILARITIES:
            try:
                name, table = bench.described(method, function=function, layers=(LOGITS,))
            except NotHereError:
                break
            names.append(name)
            rows.append({"method": method.upper(), "function": function, **_named_rightly(bench, table)})
    return pl.DataFrame(rows), bench.named(*names)


def last_layer_best(bench: Bench) -> Result:
    """Return the best function's numbers of each method, and ICL's where a chat model is given."""
    table, commands = last_layer_all(bench)
    best = (
        table.sort("top1_percent", "top5_percent", descending=True)
        .group_by("method", maintain_order=True)
        .first()
    )
    lines = [*commands]
    missing = [] if bench.config.sound_encoder else ["TAB: no text-audio model was given (--sound-encoder)"]
    if bench.config.chat is None:
        missing.append("ICL: no chat model was given (--chat)")
        return best, [*lines, *missing]
    found = {top: bench.described("icl", summary=bench.summaries()[0], top=top) for top in (1, 5)}
    first = _named_rightly(bench, found[1][1].filter(layer=LOGITS))
    five = _named_rightly(bench, found[5][1].filter(layer=LOGITS))
    row = pl.DataFrame([{"method": "ICL", "function": "", **first, "top5_percent": five["top5_percent"]}])
    return pl.concat([best, row], how="diagonal_relaxed"), [
        *lines,
        *bench.named(found[1][0], found[5][0]),
        *missing,
    ]


def _named_rightly(bench: Bench, table: pl.DataFrame) -> dict[str, float]:
    table = table.filter(pl.col("pole") == "high").sort("index")
    true = [bench.classes[index] for index in table["index"].to_list()]
    best = [one or [] for one in table["top_concepts"].to_list()]
    said = np.array([bool(one) for one in best])  # a dead output neuron has no name: cosine 0
    vectors = bench.encode([name.replace("_", " ") for name in (*true, *(one[0] for one in best if one))])
    wanted, given = vectors[: len(true)], vectors[len(true) :]
    agreement = text_agreement.cosine(given, wanted[said]) if said.any() else np.zeros(1)
    n_classes = len(bench.classes)
    return {
        "top1_percent": 100 * float(np.mean([name in one[:1] for name, one in zip(true, best, strict=True)])),
        "top5_percent": 100 * float(np.mean([name in one[:5] for name, one in zip(true, best, strict=True)])),
        "cosine": float(agreement.sum() / len(true)),
        "chance_top1_percent": 100 / n_classes,
        "chance_top5_percent": 100 * min(5, n_classes) / n_classes,
        "chance_cosine": text_agreement.chance(given, wanted[said]) if said.sum() > 1 else float("nan"),
    }


def ratings(bench: Bench) -> Result:
    """Return what raters found, where their files are given."""
    from otoscope.report.rate import read_ratings
    from otoscope.study.ratings import rating_study

    if not bench.config.ratings:
        raise NotHereError(
            f"people have to rate: `otoscope rate {bench.run.root}` writes the page; give the saved files by --ratings"
        )
    study = rating_study(read_ratings(bench.run.root, bench.config.ratings), encode=bench.encode)
    return study.methods, [f"otoscope rate {bench.run.root} --read FILE..."]


def adjectives(bench: Bench) -> Result:
    """Return the ten most frequent open concepts of hidden neurons ("high" joins "high-quality", as published)."""
    name, table = bench.open_concepts()
    merged = pl.col("open_concepts").list.eval(
        pl.element().replace({"high": "high-quality", "low": "low-quality"})
    )
    hidden = table.filter(pl.col("layer").is_in(bench.hidden)).with_columns(merged)
    return histogram(hidden).head(10), bench.named(name)


def adjectives_by_block(bench: Bench) -> Result:
    """Return the mean number of open concepts per neuron of each block, and the rank test over blocks."""
    name, table = bench.open_concepts()
    blocks = per_block(table)
    found = trend(blocks["adjusted"].to_list(), seed=bench.config.seed)
    note = (
        f"trend over {found.n_blocks} blocks, adjusted for length: tau {found.tau:.2f}, p {found.p:.3g}"
        f" (least attainable {found.smallest_p:.2g})"
    )
    return blocks, [*bench.named(name), note]


def uninterpretable(bench: Bench) -> Result:
    """Return the share of uninterpretable neurons per block at K' = 4, beside random sets and dealt captions."""
    table, commands = uninterpretable_by_layer(bench)
    weight = pl.col("n_neurons")
    columns = ["uninterpretable_percent", "random_percent", "dealt_percent"]
    means = [((pl.col(one) * weight).sum() / weight.sum()).alias(one) for one in columns]
    four = table.filter(k_of_5=4).drop_nulls("block").group_by("block").agg(*means).sort("block")
    return four, commands


def uninterpretable_by_layer(bench: Bench) -> Result:
    """Return the share of uninterpretable neurons of each layer for K' = 3, 4, 5, with both controls."""
    changes = {
        "captions": bench.captions,
        "encoder": bench.config.sentence_encoder,
        "seed": bench.config.seed,
    }
    layers = interpret(bench.run, published_clusters().model_copy(update=changes)).layers
    shown = layers.filter(pl.col("pole") == "high").select(
        "layer",
        "block",
        pl.col("least").alias("k_of_5"),
        "n_neurons",
        (100 * pl.col("uninterpretable")).alias("uninterpretable_percent"),
        (100 * pl.col("random")).alias("random_percent"),
        (100 * pl.col("permuted")).alias("dealt_percent"),
        "p",
    )
    return shown, [
        f"otoscope study interpretability {bench.run.root} --preset {PROTOCOL} --captions {bench.captions}"
    ]


MAKERS: dict[str, Callable[[Bench], Result]] = {
    "accuracy": accuracy,
    "last_layer_best": last_layer_best,
    "last_layer_all": last_layer_all,
    "ratings": ratings,
    "unlearning": unlearning,
    "adjectives": adjectives,
    "attribute_curves": attribute_curves,
    "adjectives_by_block": adjectives_by_block,
    "uninterpretable": uninterpretable,
    "uninterpretable_by_layer": uninterpretable_by_layer,
    "concept": concept,
}
"""Name in the published file -> what makes the exhibit."""
