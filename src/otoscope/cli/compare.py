"""``otoscope compare RUN RUN... --out FOLDER``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import framed, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.study.compare.stage import Comparison

SHOWN = {
    "differences": (
        "what the selections differ by",
        ("statistic", "scope", "value_first", "value_second", "difference", "low", "high", "halves_differ",
         "chance_first", "chance_second"),
    ),
    "overlap": ("the same neurons for the same classes (Jaccard)", None),
    "probe": (
        "linear probes of the layers",
        ("layer_first", "layer_second", "accuracy_first", "accuracy_second", "difference", "low", "high", "group_p",
         "halves_differ", "chance", "shuffled_first"),
    ),
    "cka": ("layers as wholes (linear CKA, debiased)", ("layer_first", "layer_second", "cka", "low", "high", "floor")),
    "alignment": (
        "neurons: mean correlation",
        ("layer_first", "layer_second", "same_index_r", "matched_r", "matched_low", "matched_high", "matched_floor",
         "profile_matched", "profile_ceiling", "profile_floor"),
    ),
    "descriptions": (
        "descriptions",
        ("layer_first", "layer_second", "both_same_index", "changed_same_index", "changed_matched", "agree_across",
         "ceiling", "floor", "score_first_same_index", "score_second_same_index"),
    ),
}  # fmt: skip
"""Table -> its title and the columns that are printed; None: all."""


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="two run folders or more, or RUN@LAYER for a layer")
    ],
    out: options.Out,
    labels: Annotated[
        str | None, typer.Option(help="label set of selection and probe; the primary one by default")
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="recorded layers or globs; all but logits by default")
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="KEY=VALUE", help="setting of the selection; repeatable"),
    ] = None,
    descriptions: Annotated[
        str | None, typer.Option(help="table of descriptions; the last one of each run by default")
    ] = None,
    folds: options.Folds = None,
    split: options.Split = None,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Put runs side by side on the clips they share: selected neurons, layers, probes, descriptions, with controls."""
    from otoscope.selectivity.config import SelectConfig
    from otoscope.study.compare.config import CompareConfig
    from otoscope.study.compare.stage import compare as run_study

    chosen = options.configured(SelectConfig, select).model_dump(exclude_unset=True) if select else None
    config = options.configured(
        CompareConfig,
        settings,
        label_set=labels,
        layers=tuple(layers) if layers else None,
        folds=folds,
        split=split,
        selection=chosen,
        descriptions=descriptions,
        seed=seed,
    )
    if dry_run:
        print_json({"runs": runs, "out": out, "config": config.model_dump(mode="json")})
        return
    found = run_study([str(options.path(one)) for one in runs], options.path(out), config)
    if json:
        print_json({**found.content, **{name: found.tables[name] for name in SHOWN if name in found.tables}})
        return
    print_lines(_lines(found, out))


def _lines(found: Comparison, out: str) -> list[str]:
    content = found.content
    counts = ", ".join(f"{one['name']} {one['clips']}" for one in content["runs"])
    lines = [f"{content['shared']['clips']} clips in {content['groups']} groups are shared ({counts})"]
    for name, (title, columns) in SHOWN.items():
        if name not in found.tables:
            continue
        for (first, second), table in found.tables[name].group_by(["first", "second"], maintain_order=True):
            if name == "differences":
                table = table.filter(~table["scope"].str.starts_with("class "))
            kept = [one for one in columns or table.columns if one in table.columns]
            lines += ["", f"{title}: {first} (first), {second} (second)", *framed(table.select(kept), 60)]
    lines += ["", *(f"not made: {name}: {reason}" for name, reason in content["not_made"].items())]
    return [*lines, f"{out}: all tables and plots"]
