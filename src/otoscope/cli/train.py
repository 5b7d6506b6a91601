"""``otoscope train ARCH --data D --test-folds 5 --valid 0.125 --out MODEL``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, print_json, print_lines


def train(
    arch: Annotated[
        str,
        typer.Argument(help="cnn, transformer, vit, conv2d, cnn14 ...: see ARCHITECTURES in otoscope.models"),
    ],
    data: options.Data,
    out: options.Out,
    test_folds: Annotated[str | None, typer.Option(help="folds that are heard once, at the end")] = None,
    test_split: Annotated[str | None, typer.Option(help="split that is heard once, at the end")] = None,
    valid: Annotated[
        float | None, typer.Option(help="share of the other groups that chooses the best epoch")
    ] = None,
    valid_folds: Annotated[str | None, typer.Option(help="folds that choose it, instead of a share")] = None,
    epochs: Annotated[int | None, typer.Option(help="passes over the training clips")] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="a network of the architecture to start from (fine-tuning)")
    ] = None,
    freeze: Annotated[
        str | None, typer.Option(help="encoder: train the head alone on what --from hears")
    ] = None,
    label_set: Annotated[
        str | None,
        typer.Option(help="what to learn, one class a clip or several; the primary one by default"),
    ] = None,
    derive: options.Derive = None,
    folds: options.Folds = None,
    split: options.Split = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    preset: Annotated[
        str | None, typer.Option(help="speechbrain-esc50 or l2i-2022: a published training")
    ] = None,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train a classifier of one class a clip, or of several labels (mAP) where the label set gives several.

    A killed training continues with the same command; --set option.width=16 reaches ARCH.
    """
    from otoscope.models.train import TrainConfig, plan
    from otoscope.models.train import train as run_training
    from otoscope.models.train_presets import preset as train_preset

    own, architecture = _apart(settings or [])
    published = train_preset(preset, arch) if preset else {}
    inside = {**published.get("options", {}), **architecture}
    config = options.configured(
        TrainConfig,
        own,
        base=published,
        test_folds=test_folds,
        test_split=test_split,
        valid=valid,
        valid_folds=valid_folds,
        epochs=epochs,
        label_set=label_set,
        start_from=start_from,
        freeze=freeze,
        seed=seed,
        options=inside or None,
    )
    clips = options.open_clips(data, folds, split, limit, derive=derive)
    if dry_run:
        print_json({"out": out, **plan(arch, clips, options.path(out), config, device=device)})
        return
    started = time.perf_counter()
    model = run_training(arch, clips, options.path(out), config, device=device)
    parameters = sum(one.numel() for one in model.parameters())
    what = f"{out}: {arch} with {parameters} parameters, {time.perf_counter() - started:.0f} s"
    _show(options.path(out), what, json)


def _show(folder: Path, what: str, as_json: bool) -> None:
    from otoscope.store import manifest

    account = manifest.read(folder / "training.json")
    if as_json:
        print_json(account)
        return
    print_lines([what, *_lines(account)])


def _apart(settings: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the training's own settings, and the architecture's as numbers where they are numbers."""
    own = [one for one in settings if not one.startswith("option.")]
    pairs = [one.removeprefix("option.").partition("=") for one in settings if one.startswith("option.")]
    return own, {key: options.number_or_text(value) for key, _, value in pairs}


def _lines(account: dict[str, Any]) -> list[str]:
    test = account.get("test")
    if not test:
        return ["no test part: name one by --test-folds or --test-split"]
    return _of_several(test) if "mean_average_precision" in test else _of_one(test)


def _of_one(test: dict[str, Any]) -> list[str]:
    low, high = test["accuracy_95"]
    interval = f"95 % interval over groups {low:.3f} to {high:.3f}"
    share = f"test accuracy {test['accuracy']:.3f} ({interval}), {test['n_clips']} clips"
    return [share, *aligned(sorted(test["class_accuracy"].items()), ["class", "accuracy"])]


def _of_several(test: dict[str, Any]) -> list[str]:
    """Return mean and micro average precision, and that of each class, beside chance."""
    lines = [f"test of {test['n_clips']} clips; intervals: 95 % over {test['n_groups']} groups"]
    for name, key in (
        ("mean average precision", "mean_average_precision"),
        ("micro", "micro_average_precision"),
    ):
        if test[key] is None:
            return [*lines, "no test clip has any of the labels"]
        ends = test[f"{key}_95"]
        interval = f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
        lines.append(f"{name} {test[key]:.3f}{interval}, by chance {test[f'{key}_chance']:.3f}")
    columns = ("class_average_precision", "class_chance", "class_prevalence")
    rows = [(name, *(test[column][name] for column in columns)) for name in sorted(test["class_prevalence"])]
    return [*lines, *aligned(rows, ["class", "average precision", "by chance", "prevalence"])]
