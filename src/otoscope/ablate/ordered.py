"""How does accuracy fall when neurons are ablated in the order of an attribute? (the published Figure 4)

Neurons are ordered by an attribute, highest first, and the first 2, 4, ... 12 % of all (as published) are ablated;
beside it stand random orders. Attributes come from a table of descriptions:

    nouns                   a column of lists: how many entries; a column of texts: how many words; numbers: themselves
    open_concepts=loud|low  how many entries are among these words;  open_concepts!=loud|low  how many are not
    random                  an order of each seed (always made)

Equal values are ordered at random, by each seed anew (as published: 20, 202, 2024), and accuracies averaged over
seeds. ``placement="as-published"`` masks, in each layer, its first rows in place of the neurons chosen: what the
released scripts do, so that their curves differ only by how many neurons of which layer an attribute takes.

Reference: T.-Y. Wu et al., "AND", ICML 2024, Figure 4. *Where we differ*: its accuracy without ablation is a constant,
ours is measured; its masks lie where the attribute points, unless asked otherwise; accuracies carry intervals.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from otoscope import heap
from otoscope.ablate.bench import Bench, bench_of, lesion_of, same_weights
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.outcome import Outcome, hear
from otoscope.ablate.places import ablatable, masks_of
from otoscope.ablate.random_sets import first_rows
from otoscope.ablate.sets import column
from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.errors import InputError
from otoscope.language.tokens import words
from otoscope.metrics.bootstrap import group_weights, percentile_interval
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent
from otoscope.stage_config import Seed
from otoscope.store import run as runs
from otoscope.store import tables as files
from otoscope.store.hashing import sha256_file
from otoscope.store.run import Run

STAGE, VERSION = "ablate", 1
RANDOM = "random"
_CHOSEN = re.compile(r"^(?P<column>[^=!]+)(?P<sign>!?=)(?P<words>.+)$")


class OrderedConfig(AblateConfig):
    """Options of ablation in the order of an attribute; those of :class:`AblateConfig` that choose no sets hold, too.

    Attributes
    ----------
    attributes : tuple of str
        See the module.
    shares : tuple of float
        Shares of all neurons that may be ablated, in (0, 1].
    seeds : tuple of int
        Of the order among equals, and of the random orders.
    """

    attributes: tuple[str, ...] = ()
    shares: tuple[float, ...] = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12)
    seeds: tuple[Seed, ...] = Field((20, 202, 2024), min_length=1)
    intervention: str = "mean"
    placement: Literal["index", "as-published"] = "index"

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Self:
        if not self.shares or not all(0 < one <= 1 for one in self.shares):
            raise InputError(f"shares lie in (0, 1], got {self.shares}")
        return self


def ablate_ordered(
    run: Run | Path | str,
    model: AudioModel | str,
    clips: Clips | str | None = None,
    config: OrderedConfig | Mapping[str, Any] | None = None,
) -> str:
    """Ablate neurons in the order of each attribute and return the name of the folder of tables.

    Parameters
    ----------
    run : Run or path
        Recorded, and described where an attribute is named.
    model : AudioModel or str
        The recorded network; given back as it was lent.
    clips : Clips or str, optional
        Only where the run's sounds have moved.
    config : OrderedConfig or dict, optional

    Returns
    -------
    str
        ``ordered-<hash8>``: table ``accuracy``, one row an attribute and share (0 = the network as it is).

    Raises
    ------
    ModelError, InputError, StageError, UnknownNameError
        As :func:`otoscope.ablate.stage.ablate`.
    """
    run, model, config = runs.open_run(run), model_of(model), OrderedConfig.of(config)
    clips = None if clips is None else clips_of(clips)
    started = time.perf_counter()
    inputs = {
        "record": (runs.read_stage(run, "record") or {}).get("hash"),
        "model": same_weights(run, model),
        "descriptions": _table_hash(run, config),
    }
    name = f"ordered-{runs.hash8([VERSION, config.identity(), inputs])}"
    stage, output = f"{STAGE}-{name}", f"ablations/{name}/accuracy.parquet"
    if not runs.is_done(run, stage, VERSION, config.identity(), inputs):
        with lent(model), heap.kept():
            bench = bench_of(run, model, clips, config)
            orders = _orders(bench, config)
            masks, sizes = _masks(bench, orders, config)
            outcome = hear(lesion_of(bench, config), bench.hearing(config), masks, bench.labelled)
        files.write(run.root / output, _table(orders, sizes, outcome, config))
        runs.commit_stage(
            run, stage, VERSION, config.identity(), inputs, [output], {"clips": len(outcome.rows)}
        )
        run.log(STAGE, name=name, seconds=time.perf_counter() - started)
    return name


def _table_hash(run: Run, config: OrderedConfig) -> str | None:
    if not config.attributes:
        return None
    name, _ = run.table("descriptions", config.descriptions)
    return sha256_file(run.listing("descriptions")[name])


def attribute(table: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """Return the value of an attribute for each row of a table of descriptions; missing values are 0.

    Examples
    --------
    >>> table = pl.DataFrame({"nouns": [["dog", "bark"], []], "text": ["a dog", "rain on a roof"]})
    >>> attribute(table, "nouns").tolist(), attribute(table, "nouns=dog").tolist()
    ([2.0, 0.0], [1.0, 0.0])
    >>> attribute(table, "text").tolist()
    [2.0, 4.0]
    """
    chosen = _CHOSEN.match(name)
    values = column(table, chosen["column"] if chosen else name)
    if chosen:
        wanted, inside = set(chosen["words"].split("|")), chosen["sign"] == "="
        lists = values.to_list()
        return np.array(
            [sum((one in wanted) == inside for one in own or []) for own in lists], dtype=np.float64
        )
    if values.dtype == pl.List:
        return values.list.len().fill_null(0).to_numpy().astype(np.float64)
    if values.dtype == pl.String:
        return np.array([len(words(one or "")) for one in values.to_list()], dtype=np.float64)
    return values.cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy()


def _orders(bench: Bench, config: OrderedConfig) -> dict[str, list[NDArray[np.int64]]]:
    """Return, for each attribute, the neurons in each seed's order."""
    candidates = np.flatnonzero(ablatable(bench.places, bench.n_neurons))
    values = {RANDOM: np.zeros(bench.n_neurons)}
    if config.attributes:
        table = bench.run.table("descriptions", config.descriptions)[1]
        if "pole" in table.columns:
            table = table.filter(pl.col("pole") == "high")
        for name in config.attributes:
            values[name] = np.zeros(bench.n_neurons)
            values[name][column(table, "neuron").to_numpy()] = attribute(table, name)
    orders = {}
    for name, own in values.items():
        shuffles = [np.random.default_rng(seed).random(len(candidates)) for seed in config.seeds]
        orders[name] = [candidates[np.lexsort((one, -own[candidates]))] for one in shuffles]
    return orders


def _masks(
    bench: Bench, orders: dict[str, list[NDArray[np.int64]]], config: OrderedConfig
) -> tuple[Any, list[int]]:
    n = int(ablatable(bench.places, bench.n_neurons).sum())
    sizes = [max(1, round(share * n)) for share in config.shares]
    chosen = [order[:size] for own in orders.values() for order in own for size in sizes]
    if config.placement == "as-published":
        chosen = [first_rows(one, bench.run) for one in chosen]
    return masks_of([np.array([], dtype=np.int64), *chosen], bench.n_neurons), sizes


def _table(
    orders: dict[str, list[NDArray[np.int64]]], sizes: list[int], outcome: Outcome, config: OrderedConfig
) -> pl.DataFrame:
    weights = group_weights(outcome.groups, config.replicates, config.seed)
    weights /= weights.sum(axis=1, keepdims=True)
    right, shape = outcome.measure("accuracy"), (len(orders), len(config.seeds), len(sizes), -1)
    by_share = right[1:].reshape(shape).mean(axis=1)  # (attribute, share, clip), averaged over seeds
    by_seed = right[1:].mean(axis=1).reshape(shape[:3])
    rows = []
    for at, name in enumerate(orders):
        values = [(0.0, 0, right[0], np.zeros(1))]
        values += [
            (share, size, by_share[at, place], by_seed[at, :, place])
            for place, (share, size) in enumerate(zip(config.shares, sizes, strict=True))
        ]
        for share, size, clips, seeds in values:
            low, high = percentile_interval(weights @ clips)
            rows.append(
                {
                    "attribute": name,
                    "share": share,
                    "n_neurons": size,
                    "accuracy": float(clips.mean()),
                    "low": float(low),
                    "high": float(high),
                    "spread_over_seeds": float(seeds.std()),
                }
            )
    return pl.DataFrame(rows)
