"""``otoscope study planted|last-layer|interpretability|words|ordered RUN``."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options, study_ablation, study_selectivity
from otoscope.cli.output import framed, print_json, print_lines
from otoscope.cli.study_overlap import overlap

study = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Measure the descriptions against known truth.",
)


@study.command()
def planted(
    run: options.RunFolder,
    descriptions: Annotated[
        str | None, typer.Option(help="table of descriptions; the only one by default")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Planted concepts recovered by kind and strength, by chance, and names given to neurons without a rule."""
    from otoscope.store.run import open_run
    from otoscope.study.planted import planted as measure

    found = measure(open_run(run), descriptions)
    if json:
        print_json({key: found[key] for key in ("summary", "false_names")})
        return
    for key in ("summary", "false_names"):
        print_lines(framed(found[key]))
        print_lines([""])


@study.command("last-layer")
def last_layer(
    run: options.RunFolder,
    captions: Annotated[list[str] | None, typer.Option(help="tables of captions; all by default")] = None,
    encoder: Annotated[list[str] | None, typer.Option(help="text encoders: lexical, st:NAME_OR_PATH")] = None,
    concepts: Annotated[str, typer.Option(help="the classes among other names")] = "labels+sounds",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Output neurons named rightly among many names, for each caption source, encoder and function, with chance."""
    from otoscope.data.reopen import reopen
    from otoscope.store.run import open_run
    from otoscope.study.last_layer import last_layer as measure

    opened = open_run(run)
    clips = reopen(opened, heard=False)
    found = measure(opened, clips, captions=captions, encoders=encoder or ("lexical",), concepts=concepts)
    if json:
        print_json(found)
        return
    shown = [
        "captions",
        "encoder",
        "function",
        "top1",
        "top5",
        "mrr",
        "cosine",
        "chance_top1",
        "dealt_top1",
        "dealt_mrr",
    ]
    print_lines(framed(found.select(shown)))


@study.command()
def interpretability(
    run: options.RunFolder,
    captions: Annotated[
        str | None, typer.Option(help="table of captions, or the beginning of its name")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="text encoder of sentences and clips")] = None,
    preset: Annotated[str, typer.Option(help="default, or and-2024: as published")] = "default",
    seed: options.Seed = 0,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Share of uninterpretable neurons of each layer: no cluster of sentences holds K' of their top clips."""
    from otoscope.describe.interpret import PRESETS, InterpretConfig, interpret
    from otoscope.registry import lookup
    from otoscope.store.run import open_run

    base = lookup(PRESETS, preset, room="presets", kind="preset")()
    config = options.configured(
        InterpretConfig, settings, base=base.model_dump(), captions=captions, encoder=encoder, seed=seed
    )
    if dry_run:
        print_json({"run": open_run(run).root, "config": config.model_dump(mode="json")})
        return
    found = interpret(open_run(run), config)
    if json:
        print_json({"name": found.name, "layers": found.layers})
        return
    print_lines(framed(found.layers))


@study.command()
def words(
    run: options.RunFolder,
    descriptions: Annotated[
        str, typer.Option(help="table of open concepts, or the beginning of its name")
    ] = "open",
    show: options.Show = 10,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """How often each adjective describes a neuron, and whether their number changes with depth."""
    from otoscope.describe.word_statistics import histogram, per_block, per_layer, trend
    from otoscope.store.run import open_run

    name, table = open_run(run).table("descriptions", descriptions)
    counted, layers, blocks = histogram(table), per_layer(table), per_block(table)
    depth = trend(blocks["adjusted"].to_list())
    if json:
        print_json(
            {"descriptions": name, "words": counted, "layers": layers, "blocks": blocks, "trend": depth}
        )
        return
    print_lines(framed(counted.head(show)))
    print_lines(["", *framed(layers), ""])
    print_lines(
        [
            f"trend over {depth.n_blocks} blocks, adjusted for length: tau {depth.tau:.2f}, p {depth.p:.3g}"
            f" (least attainable {depth.smallest_p:.2g})"
        ]
    )


@study.command()
def ordered(
    run: options.RunFolder,
    attributes: Annotated[
        list[str], typer.Option(help="column of a table of descriptions, as nouns or open_concepts=loud|low")
    ],
    descriptions: Annotated[
        str, typer.Option(help="table of descriptions, or the beginning of its name")
    ] = "open",
    folds: Annotated[str | None, typer.Option(help="folds to judge on; name held-out ones")] = None,
    intervention: Annotated[str | None, typer.Option(help="mean, zero or gain")] = None,
    model: Annotated[str | None, typer.Option(help="the recorded network, if it has moved")] = None,
    data: options.Moved = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Accuracy against the share of neurons ablated, ordered by an attribute, beside random orders."""
    from otoscope.ablate.ordered import OrderedConfig, ablate_ordered
    from otoscope.store import tables
    from otoscope.store.run import open_run

    config = options.configured(
        OrderedConfig,
        settings,
        attributes=tuple(attributes),
        descriptions=descriptions,
        folds=folds,
        intervention=intervention,
        seed=seed,
    )
    opened = open_run(run)
    if dry_run:
        print_json({"run": opened.root, "config": config.identity()})
        return
    network = options.network_of(opened, model, device)
    name = ablate_ordered(opened, network, options.moved_clips(opened, data), config)
    found = tables.read(opened.root / "ablations" / name / "accuracy.parquet")
    if json:
        print_json({"name": name, "accuracy": found})
        return
    print_lines([name, "", *framed(found)])


study.command("within-task")(study_selectivity.within_task)
study.command("cross-task")(study_selectivity.cross_task)
study.command("planted-selectivity")(study_selectivity.planted_selectivity)
study.command("selectivity-calibration")(study_selectivity.selectivity_calibration)
study.command("overlap")(overlap)
study.command("selectors")(study_ablation.selectors)
study.command("deactivation")(study_ablation.deactivation)
