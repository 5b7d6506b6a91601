"""``otoscope study selectors RUN`` and ``otoscope study deactivation RUN``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import framed, print_json, print_lines

if TYPE_CHECKING:
    import polars as pl

SHOWN = (
    "selector", "mean_neurons", "diagonal", "off_diagonal", "contrast", "contrast_low", "contrast_high",
    "random_contrast", "random_p", "pairing_p", "pairing_attainable_p", "reason",
)  # fmt: skip
"""Columns of the selectors' table that are printed."""


def selectors(
    run: options.RunFolder,
    probe: Annotated[
        str | None,
        typer.Option(help="judge by a saved probe: last, the beginning of its name, or its folder"),
    ] = None,
    selected_in: Annotated[
        str | None,
        typer.Option(help="a run of the same network on other clips, in which neurons are selected"),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="selectors; all by default")] = None,
    max_neurons: Annotated[int, typer.Option(min=1, help="neurons of each class, best first")] = 20,
    n_random: Annotated[int, typer.Option(min=20, help="matched random sets a class")] = 199,
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select", metavar="KEY=VALUE", help="setting of the selections, such as folds=1-4; repeatable"
        ),
    ] = None,
    measure: Annotated[
        str, typer.Option(help="what is printed: logit, probability or accuracy")
    ] = "probability",
    folds: options.Folds = None,
    split: options.Split = None,
    model: Annotated[str | None, typer.Option(help="the recorded network, if it has moved")] = None,
    data: options.Moved = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Ablate the neurons that each selector finds for each class: does that class break, rather than others?"""
    from otoscope.ablate.config import MEASURES, AblateConfig
    from otoscope.errors import UnknownNameError
    from otoscope.selectivity import SELECTORS
    from otoscope.selectivity.config import SelectConfig
    from otoscope.store.run import open_run
    from otoscope.study.selectors_ablated import selectors_ablated

    if measure not in MEASURES:
        raise UnknownNameError.of("measure", measure, MEASURES)
    base = {"strategy": "selection", "related": None, "curve_points": 0, "probe": False, "refit": False}
    config = options.configured(
        AblateConfig,
        settings,
        base=base,
        saved_probe=probe,
        selected_in=selected_in,
        max_neurons=max_neurons,
        n_random=n_random,
        folds=folds,
        split=split,
        seed=seed,
    )
    chosen = options.configured(SelectConfig, select).model_dump(exclude_unset=True) if select else {}
    opened = open_run(run)
    if dry_run:
        options_of = {"config": config.identity(), "selection": chosen, "selectors": only or list(SELECTORS)}
        print_json({"run": opened.root, **options_of})
        return
    found = selectors_ablated(
        opened,
        options.network_of(opened, model, device),
        config,
        selection=chosen,
        selectors=only or tuple(SELECTORS),
        clips=options.moved_clips(opened, data),
    )
    if json:
        print_json({"selectors": found})
        return
    print_lines(_shown(found, measure))


def _shown(found: pl.DataFrame, measure: str) -> list[str]:
    """Return the rows of a measure, and those of selectors that have none."""
    if "measure" in found.columns:
        found = found.filter((found["measure"] == measure) | found["measure"].is_null())
    return framed(found.select(one for one in SHOWN if one in found.columns), 60)


def deactivation(
    run: options.RunFolder,
    classes: Annotated[
        list[str], typer.Option("--class", help="a class that shares the neurons; repeatable")
    ],
    probe: Annotated[
        str, typer.Option(help="the saved probe that judges: last, the beginning of its name, or its folder")
    ] = "last",
    shared: Annotated[str, typer.Option(help="exact: neurons of these classes only; intersection")] = "exact",
    selected_in: Annotated[
        str | None,
        typer.Option(help="a run of the same network on other clips, in which neurons are selected"),
    ] = None,
    n_random: Annotated[int, typer.Option(min=20, help="matched random sets")] = 199,
    model: Annotated[str | None, typer.Option(help="the recorded network, if it has moved")] = None,
    data: options.Moved = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Per-class accuracy with the neurons that classes share set to zero, as AAPE's tables have it, with controls."""
    from otoscope.ablate import presets
    from otoscope.ablate.config import AblateConfig
    from otoscope.store.run import open_run
    from otoscope.study.deactivation import deactivation as measure

    config = options.configured(
        AblateConfig,
        settings,
        base=presets.preset("aape-2026").model_dump(),
        saved_probe=probe,
        shared=shared,
        selected_in=selected_in,
        n_random=n_random,
        seed=seed,
    )
    opened = open_run(run)
    if dry_run:
        print_json({"run": opened.root, "classes": classes, "config": config.identity()})
        return
    network = options.network_of(opened, model, device)
    found = measure(opened, network, classes, config, clips=options.moved_clips(opened, data))
    if json:
        print_json({"classes": found})
        return
    print_lines(framed(found))
