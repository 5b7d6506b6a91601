"""``otoscope probe RUN|MODEL --labels L --test-folds 5``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import framed, print_json, print_lines
from otoscope.errors import InputError

if TYPE_CHECKING:
    from otoscope.ablate.probe.config import ProbeConfig
    from otoscope.ablate.probe.folder import Probe


def probe(
    source: Annotated[
        str, typer.Argument(metavar="RUN|MODEL", help="a run folder, or a network with --data and --out")
    ],
    labels: Annotated[str | None, typer.Option(help="label set to read; the primary one by default")] = None,
    method: Annotated[str | None, typer.Option(help="logistic, or linear: trained by Adam")] = None,
    layer: Annotated[
        str | None, typer.Option(help="a recorded layer; what the head takes by default")
    ] = None,
    test_folds: Annotated[str | None, typer.Option(help="folds that are heard once, at the end")] = None,
    test_split: Annotated[str | None, typer.Option(help="split that is heard once, at the end")] = None,
    preset: Annotated[str, typer.Option(help="default, or aape-2026: EVAR's linear evaluation")] = "default",
    model: Annotated[str | None, typer.Option(help="the recorded network, if it has moved")] = None,
    data: Annotated[
        str | None, typer.Option(help="sounds for MODEL; for RUN where they are now, if they were moved")
    ] = None,
    limit: options.Limit = None,
    out: Annotated[str | None, typer.Option(help="folder of the probe of a MODEL")] = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train a linear probe on the frozen network and judge it on held-out clips, beside chance and shuffled labels."""
    from otoscope.ablate.probe import presets
    from otoscope.ablate.probe.config import ProbeConfig

    config = options.configured(
        ProbeConfig,
        settings,
        base=presets.preset(preset).model_dump(),
        label_set=labels,
        method=method,
        layer=layer,
        test_folds=test_folds,
        test_split=test_split,
        seed=seed,
    )
    if dry_run:
        print_json({"source": source, "config": config.identity()})
        return
    if (options.path(source) / "run.json").is_file():
        name, made = _of_run(source, config, model, data, device, limit, out)
    else:
        name, made = _of_model(source, config, data, out, limit, device)
    if json:
        print_json(
            {"probe": name, **{one: made.manifest[one] for one in ("parts", "test", "controls", "fits")}}
        )
        return
    print_lines(_lines(name, made))


def _of_run(
    source: str,
    config: ProbeConfig,
    model: str | None,
    data: str | None,
    device: str,
    limit: int | None,
    out: str | None,
) -> tuple[str, Probe]:
    from otoscope.ablate.probe.stage import load
    from otoscope.ablate.probe.stage import probe as run_stage
    from otoscope.store.run import open_run

    if limit is not None or out is not None:
        raise InputError(
            "--limit and --out belong to MODEL; the probe of a run reads its clips and lies in it"
        )
    run = open_run(options.path(source))
    network = options.network_of(run, model, device)
    name = run_stage(run, network, options.moved_clips(run, data), config)
    return name, load(run, name)


def _of_model(
    source: str, config: ProbeConfig, data: str | None, out: str | None, limit: int | None, device: str
) -> tuple[str, Probe]:
    from otoscope.ablate.probe.stage import train_probe

    if data is None or out is None:
        there = Path(source).is_dir()
        raise InputError(
            f"{source} is {'a folder without run.json' if there else 'no run folder'}, so it is taken for a network: "
            "a network needs --data and --out"
        )
    clips = options.open_clips(data, None, None, limit)
    return out, train_probe(options.open_network(source, device), clips, options.path(out), config)


def _lines(name: str, made: Probe) -> list[str]:
    import polars as pl

    content = made.manifest
    test, parts, beside = content["test"], content["parts"], content["controls"]
    low, high = test["interval"]
    lines = [
        f"{name}: {test['measure']} {test['value']:.3f} on {parts['test']} held-out clips"
        f" (95 % interval over groups {low:.3f} to {high:.3f}; {_beside(beside)})",
        f"  {content['label_set']}, {len(made.classes)} classes, {parts['train']} clips to train on,"
        f" {parts['valid']} to choose by",
    ]
    if len(test["by_seed"]) > 1:
        lines.append(f"  by seed: {', '.join(f'{one:.3f}' for one in test['by_seed'])}")
    if parts["groups_on_both_sides"]:
        lines.append(f"  {parts['groups_on_both_sides']} groups have clips in training and test")
    if parts["of_other_classes"]:
        lines.append(f"  {parts['of_other_classes']} clips of classes that are not trained on were left out")
    by_class = pl.DataFrame(test["by_class"]).select("class", "clips", "value", "low", "high")
    return [*lines, "", *framed(by_class)]


def _beside(controls: dict[str, Any]) -> str:
    shown = [
        f"{label} {controls[key]:.3f}"
        for key, label in (
            ("chance", "chance"),
            ("majority", "commonest class"),
            ("prevalence", "prevalence"),
            ("shuffled_mean", "shuffled labels"),
        )
        if key in controls
    ]
    return ", ".join(shown)
