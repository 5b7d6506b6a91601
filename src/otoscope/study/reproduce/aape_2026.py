"""AAPE's tables and figures on networks and sounds of one's own (``otoscope reproduce aape-2026``).

Recording, selection, probe and ablation run in their as-published presets, so that numbers compare; chance, controls,
intervals and p stand beside them and are ours. ``--data`` gives one of the paper's collections, ``--set
data.NAME=DATA`` the others; an exhibit whose collection was not given says so.

Reference: T. Kawamura, D. Niizumi, N. Ono, "What Do Neurons Listen To? A Neuron-level Dissection of a General-purpose
Audio Model", arXiv 2602.15307, EUSIPCO 2026, and its release; EVAR's configurations for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from otoscope.ablate import presets as ablations
from otoscope.ablate.probe import presets as probes
from otoscope.ablate.probe.stage import probe
from otoscope.ablate.stage import ablate, tables_of
from otoscope.data.clips import Clips
from otoscope.data.crema_d import emotion
from otoscope.errors import NotHereError
from otoscope.models.audio_model import AudioModel
from otoscope.progress import track
from otoscope.study.class_sharing import Shared, compare
from otoscope.study.class_sharing_studies import CROSS, WITHIN
from otoscope.study.reproduce.aape_bench import PROTOCOL, SL, SSL, AapeReproduceConfig, Bench, prepare
from otoscope.study.reproduce.exhibits import Made, Result, exhibits, made, write

CONFIG = AapeReproduceConfig
"""Settings of this reproduction."""


_STATISTICS = (
    "n_clips", "n_classes", "n_neurons", "n_selected", "n_pairs", "coverage", "chance_coverage", "p_coverage",
    "mean_per_class", "chance_mean_per_class", "median_per_class", "min_per_class", "max_per_class",
    "classes_per_neuron", "stability",
)  # fmt: skip

_PAIRS = (
    "class", "other_class", "n_neurons", "n_other_neurons", "shared", "jaccard", "expected", "p_more", "q_more",
)  # fmt: skip


def reproduce(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    config: AapeReproduceConfig | Mapping[str, Any] | None = None,
) -> tuple[Path, list[Made]]:
    """Make what can be made of the protocol's exhibits; return the page that sets them beside the published, and them.

    Parameters
    ----------
    model : AudioModel or str
        The self-supervised encoder (``m2d:FILE``), or any network.
    clips : Clips or str
        One of the paper's collections, or any sounds with labels.
    out : Path or str
        Gets a run per collection and network, one Parquet file per exhibit, and ``reproduction.md``.
    config : AapeReproduceConfig or dict, optional

    Raises
    ------
    InputError, StageError
        If clips cannot be recorded. What a single exhibit lacks is its reason, and no error.
    """
    folder = Path(out)
    bench = prepare(model, clips, folder, AapeReproduceConfig.of(config))
    about, shown = exhibits(PROTOCOL)
    found = [made(one, partial(MAKERS[one.ours], bench)) for one in track(shown, len(shown), "exhibits")]
    return write(folder, about, found), found


def statistics(bench: Bench) -> Result:
    """Return the statistics of every task of every collection given, for each network."""
    parts: list[pl.DataFrame] = []
    lines: list[str] = []
    for name in bench.clips:
        for labels in bench.collection(name).labels:
            for kind in bench.models:
                try:
                    chosen, tables = bench.selected(name, labels, kind)
                except NotHereError as error:
                    lines.append(f"{name}, {labels}: {error}")
                    continue
                about = {"network": kind, "dataset": bench.collection(name).title, "task": labels}
                row = tables["statistics"].select(_STATISTICS)
                parts.append(
                    row.select(*(pl.lit(value).alias(key) for key, value in about.items()), pl.all())
                )
                lines.append(f"otoscope select {bench.run(name, kind).root} --preset {PROTOCOL}  # {chosen}")
    if not parts:
        raise NotHereError("; ".join(lines))
    missing = [] if SL in bench.models else ["supervised: no network was given (--set supervised=MODEL)"]
    return pl.concat(parts), [*lines, *missing]


def shared(bench: Bench, *sides: tuple[str, str], study: str) -> Result:
    """Return the contrasts and the pairs of a named comparison, for each network.

    Parameters
    ----------
    bench : Bench
    *sides : (str, str)
        Collection and label set, one or two.
    study : str
        Name in :data:`WITHIN` or :data:`CROSS`.
    """
    parts, lines = [], []
    for kind in bench.models:
        found = _compared(bench, sides, study, kind)
        pairs = found.pairs.select(_PAIRS)
        parts.append(pairs.select(pl.lit(kind).alias("network"), pl.all()))
        root = bench.run(sides[0][0], kind).root
        lines.append(f"sharing/{found.name}.csv in {root}, {kind}")
        lines += [_answer(row, kind) for row in found.contrasts.iter_rows(named=True)]
    return pl.concat(parts).sort("network", "jaccard", descending=[False, True]), lines


def _compared(bench: Bench, sides: tuple[tuple[str, str], ...], study: str, kind: str) -> Shared:
    runs = [bench.run(name, kind) for name, _ in sides]
    for name, labels in sides:
        bench.selected(name, labels, kind)
    config = bench.config
    changes: dict[str, Any] = {"n_chance": config.n_chance, "n_splits": config.n_splits, "seed": config.seed}
    if config.top_rate is not None:
        changes["top_rate"] = config.top_rate
    return compare(
        (WITHIN if len(sides) == 1 else CROSS)[study],
        runs,
        preset=PROTOCOL,
        null=config.null,
        n_permutations=config.n_permutations,
        seed=config.seed,
        changes=changes,
    )


def _answer(row: dict[str, Any], kind: str) -> str:
    inside, outside, p = (
        "-" if row[one] is None else f"{row[one]:.3g}" for one in ("inside", "outside", "p")
    )
    return f"{kind}, {row['contrast']}: mean Jaccard {inside} against {outside} of the other pairs, p {p}"


def ablation(bench: Bench, name: str, labels: str, pair: tuple[str, str]) -> Result:
    """Return the accuracy of each class, before and after the neurons of a pair of classes are deactivated."""
    found, lines = _ablated(bench, name, labels, pair)
    own = found["classes"].filter(measure="accuracy")
    wanted = (
        "class",
        "before",
        "change",
        "change_low",
        "change_high",
        "neighbour_change",
        "random_change",
        "p",
    )
    return own.select(one for one in wanted if one in own.columns), lines


def ablated_layers(bench: Bench) -> Result:
    """Return how many of the ablated neurons lie in each layer."""
    rows, lines = [], []
    for name, (labels, pair) in ABLATED.items():
        try:
            found, _ = _ablated(bench, name, labels, pair)
        except NotHereError as error:
            lines.append(str(error))
            continue
        counted = found["sets"].group_by("layer", maintain_order=True).len()
        title = f"{bench.collection(name).title} {' & '.join(pair)}"
        rows += [{"set": title, "layer": layer, "neurons": n} for layer, n in counted.iter_rows()]
    if not rows:
        raise NotHereError("; ".join(lines) or "no neuron belongs to exactly these two classes")
    return pl.DataFrame(rows), lines


def _ablated(
    bench: Bench, name: str, labels: str, pair: tuple[str, str]
) -> tuple[dict[str, pl.DataFrame], list[str]]:
    run, config, labels = bench.run(name), bench.config, bench.task(name, labels)
    selection, tables = bench.selected(name, labels)
    chosen, exactly = spelt(tables, pair), config.shared == "exact"
    n = _common(tables, chosen, exactly=exactly)
    if n == 0:
        raise NotHereError(
            f"no neuron belongs to {'exactly ' if exactly else ''}{' and '.join(chosen)}: raise top_rate on few "
            "neurons, or set shared=intersection"
        )
    tested = {"test_folds": config.test_folds, "test_split": config.test_split, "seed": config.seed}
    if config.test_folds is not None:
        tested["test_split"] = None
    options = probes.preset(PROTOCOL, label_set=labels, **tested, **config.probe)
    saved = probe(run, bench.models[SSL], bench.clips[name], options)
    changes: dict[str, Any] = {
        "strategy": f"selection:{selection}",
        "concepts": (" & ".join(chosen),),
        "saved_probe": saved,
    }
    changes |= {"task": labels, "shared": config.shared, "n_random": config.n_random, "seed": config.seed}
    done = ablate(run, bench.models[SSL], bench.clips[name], ablations.preset(PROTOCOL, **changes))
    note = f"{n} neurons ({config.shared}) of {' and '.join(chosen)}; ablations/{done} in {run.root}"
    parts = [f"no split of its own: test is a fifth of the groups, by seed {config.seed}"] * (
        name in bench.divided
    )
    return tables_of(run, done), [note, *parts]


def _common(tables: dict[str, pl.DataFrame], pair: list[str], *, exactly: bool) -> int:
    """Return how many neurons belong to both classes, or to exactly these two."""
    own = [set(one) for one in tables["neurons"]["classes"].to_list()]
    return sum(set(pair) == one if exactly else set(pair) <= one for one in own)


def spelt(tables: dict[str, pl.DataFrame], pair: tuple[str, str]) -> list[str]:
    """Return the pair as the clips spell it: CREMA-D's own codes, or the words for them; upper or lower case.

    Raises
    ------
    NotHereError
        If the clips lack one of the classes.
    """
    known = {emotion(one): one for one in tables["classes"]["class"].to_list()}
    for one in pair:
        if emotion(one) not in known:
            raise NotHereError(f"the clips have no class {one!r}, but {', '.join(sorted(known.values()))}")
    return [known[emotion(one)] for one in pair]


ABLATED: dict[str, tuple[str, tuple[str, str]]] = {
    "crema-d": ("emotion", ("ANG", "HAP")),
    "gtzan": ("genre", ("jazz", "classical")),
}
"""Collection -> its task, and the two classes whose common neurons the paper deactivates."""

MAKERS: dict[str, Callable[[Bench], Result]] = {
    "statistics": statistics,
    "within_gtzan": lambda bench: shared(bench, ("gtzan", "genre"), study="gtzan"),
    "within_cremad": lambda bench: shared(bench, ("crema-d", "emotion"), study="cremad"),
    "within_voxforge": lambda bench: shared(bench, ("voxforge", "language"), study="voxforge"),
    "cross_octave": lambda bench: shared(bench, ("surge", "octave"), ("nsynth", "octave"), study="octave"),
    "cross_events": lambda bench: shared(bench, ("esc50", "category"), ("gise51", "label"), study="events"),
    "cross_gender": lambda bench: shared(
        bench, ("voxceleb1", "gender+nationality"), ("crema-d", "gender"), study="gender"
    ),
    "ablation_cremad": lambda bench: ablation(bench, "crema-d", *ABLATED["crema-d"]),
    "ablation_gtzan": lambda bench: ablation(bench, "gtzan", *ABLATED["gtzan"]),
    "ablated_layers": ablated_layers,
}
"""Name in the published file -> what makes the exhibit."""
