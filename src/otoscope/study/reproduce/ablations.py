"""The exhibits that remove neurons: Table 4, Figure 4, Figure 10 of Audio Network Dissection."""

from __future__ import annotations

import polars as pl

from otoscope.ablate import presets
from otoscope.ablate.ordered import OrderedConfig, ablate_ordered
from otoscope.ablate.stage import ablate, tables_of
from otoscope.describe.presets import preset
from otoscope.errors import InputError, NotHereError
from otoscope.store import tables
from otoscope.study.reproduce.bench import PROTOCOL, Bench
from otoscope.study.reproduce.exhibits import Result

BASIC = ("clear", "high-pitched", "high", "high-quality", "loud")
"""The adjectives that Figure 4b calls basic."""

ATTRIBUTES = {
    "prepositions": "n_prepositions",
    "verbs": "n_verbs",
    "nouns": "n_nouns",
    "caption_length": "n_tokens",
    "adjectives": "n_adjectives",
    "basic_adjectives": f"open_concepts={'|'.join(BASIC)}",
    "high_adjectives": f"open_concepts!={'|'.join(BASIC)}",
    "clear": "open_concepts=clear",
    "high-pitched": "open_concepts=high-pitched",
    "high-quality": "open_concepts=high-quality|high",
    "loud": "open_concepts=loud",
}
"""Published name of an attribute -> how it is counted in a table of open concepts."""


def unlearning(bench: Bench) -> Result:
    """Return Table 4: what ablating each class's neurons does to its logit and to the others', by strategy."""
    rows, commands = [], []
    for strategy in ("random", "tab", "db", "open"):
        try:
            name = _ablated(bench, strategy)
        except (NotHereError, InputError) as error:
            commands.append(f"{strategy}: {error}")
            continue
        row = tables_of(bench.run, name)["summary"].row(by_predicate=pl.col("measure") == "logit", named=True)
        rows.append(
            {
                "strategy": strategy,
                "mean_ablated": row["mean_neurons"],
                "ablated_change": row["change"],
                "remaining_change": row["rest_change"],
                "selectivity": row["selectivity"],
                "selectivity_low": row["selectivity_low"],
                "selectivity_high": row["selectivity_high"],
                "matched_random_selectivity": row.get("random_selectivity"),
                "p": row.get("p"),
            }
        )
        commands.append(_command(bench, f"--strategy {strategy}"))
    if not rows:
        raise NotHereError("; ".join(commands))
    return pl.DataFrame(rows, infer_schema_length=None), commands


def _ablated(bench: Bench, strategy: str) -> str:
    """Return the name of the ablation by a strategy."""
    changes = {"strategy": strategy, "descriptions": _sets(bench, strategy), **_shared(bench)}
    if strategy == "random":
        changes["n_random"] = 0  # it is its own control
    return ablate(bench.run, bench.model, bench.clips, presets.preset(PROTOCOL, **changes))


def concept(bench: Bench) -> Result:
    """Return Figure 10: each class's logit before and after one concept's neurons are ablated."""
    changes = {"strategy": "open", "descriptions": _sets(bench, "open"), **_shared(bench)}
    chosen = bench.config.concept or _most_named(bench, changes)
    name = ablate(
        bench.run, bench.model, bench.clips, presets.preset(PROTOCOL, **{**changes, "concepts": (chosen,)})
    )
    found = tables_of(bench.run, name)
    shown = (
        found["classes"]
        .filter(pl.col("measure") == "logit")
        .select(
            "class",
            pl.col("before").alias("logit_before"),
            (pl.col("before") + pl.col("change")).alias("logit_after"),
            "change_low",
            "change_high",
            "target",
            "related",
        )
    )
    order = (pl.col("logit_after") - pl.col("logit_before")).alias("change")
    command = _command(bench, f"--strategy open --concepts {chosen}")
    return shown.with_columns(order).sort("change"), [command]


def _most_named(bench: Bench, changes: dict[str, object]) -> str:
    """Return the class whose set of neurons is largest."""
    name = ablate(bench.run, bench.model, bench.clips, presets.preset(PROTOCOL, **changes))
    effects = tables_of(bench.run, name)["effects"].filter(measure="logit")
    return str(effects.sort("n_neurons", descending=True)["concept"][0])


def attribute_curves(bench: Bench) -> Result:
    """Return Figure 4: accuracy against the share ablated, with the published masks and with the neurons meant."""
    name, _ = bench.open_concepts()
    parts, commands = [], [*bench.named(name)]
    for placement in ("as-published", "index"):
        config = OrderedConfig(
            attributes=tuple(ATTRIBUTES.values()),
            descriptions=name,
            intervention="zero",
            placement=placement,
            shares=bench.config.shares,
            seeds=bench.config.shuffles,
            folds=bench.config.folds,
            seed=bench.config.seed,
        )
        made = ablate_ordered(bench.run, bench.model, bench.clips, config)
        table = tables.read(bench.run.root / "ablations" / made / "accuracy.parquet")
        parts.append(table.select(pl.lit(placement).alias("placement"), pl.all()))
        commands.append(f"ablations/{made} in {bench.run.root}")
    published = {ours: theirs for theirs, ours in ATTRIBUTES.items()}
    return pl.concat(parts).with_columns(pl.col("attribute").replace(published)), commands


def _sets(bench: Bench, strategy: str) -> str | None:
    """Return the table of descriptions that the strategy reads, of the hidden layers, as published."""
    if strategy == "random":
        return None
    if not bench.hidden:
        raise NotHereError("only the output layer was recorded: name hidden layers by --layers")
    if strategy == "open":
        return bench.open_concepts()[0]
    function = preset(PROTOCOL, strategy).function
    return bench.described(strategy, function=function, layers=bench.hidden)[0]


def _shared(bench: Bench) -> dict[str, object]:
    config = bench.config
    return {
        "folds": config.folds,
        "n_random": config.n_random,
        "random_neurons": config.random_neurons,
        "seed": config.seed,
        "curve_points": 0,
        "probe": False,
    }


def _command(bench: Bench, rest: str) -> str:
    folds = "" if bench.config.folds is None else f" --folds {bench.config.folds}"
    return f"otoscope ablate {bench.run.root} --preset {PROTOCOL}{folds} --measure logit {rest}"
