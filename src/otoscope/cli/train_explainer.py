"""``otoscope train-explainer METHOD MODEL --data D --test-folds 5 --valid 0.125 --out DIR``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.explain.recipe import Trainable
    from otoscope.models.audio_model import AudioModel


def train_explainer(
    method: Annotated[str, typer.Argument(help="nmf (a dictionary), l2i, ...; a wrong name lists all")],
    model: options.Model,
    out: options.Out,
    data: Annotated[str | None, typer.Option(help="sounds to learn from, as for train")] = None,
    test_folds: Annotated[str | None, typer.Option(help="folds that are heard once, at the end")] = None,
    test_split: Annotated[str | None, typer.Option(help="split that is heard once, at the end")] = None,
    valid: Annotated[
        float | None, typer.Option(help="share of the other groups that chooses the best epoch")
    ] = None,
    valid_folds: Annotated[str | None, typer.Option(help="folds that choose it, instead of a share")] = None,
    preset: Annotated[str | None, typer.Option(help="a published protocol, such as l2i-2022")] = None,
    dictionary: Annotated[
        str | None, typer.Option(help="folder that train-explainer nmf wrote, or an official .npy")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="passes over the training sound")] = None,
    released: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            help="l2i: released weights that import-weights converted, in place of training; lmac: a trained lmac",
        ),
    ] = None,
    contamination: Annotated[
        str | None, typer.Option(help="what is mixed into training sound: white, clip, speech or noise")
    ] = None,
    snr: Annotated[float, typer.Option("--snr", help="energy of the clip above it in decibels")] = 0.0,
    contaminants: Annotated[
        str | None, typer.Option(help="DATA that speech or noise is drawn from: fsdd:PATH, a folder of noise")
    ] = None,
    folds: options.Folds = None,
    split: options.Split = None,
    limit: options.Limit = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train what explains a classifier's decisions. A killed training continues with the same command."""
    from otoscope.errors import InputError
    from otoscope.explain import train_explainer as training
    from otoscope.explain.trained import recipe_of
    from otoscope.explain.training_noise import training_noise

    if released and method == "l2i":
        _take_over(method, options.open_network(model, device), released, options.path(out), dry_run)
        return
    recipe = recipe_of(method)
    start_from = _trained(recipe, released)
    if data is None:
        raise InputError("--data is needed: the sounds to learn from")
    config = options.configured(
        recipe.config,
        settings,
        base=training.preset_of(recipe, preset),
        test_folds=test_folds,
        test_split=test_split,
        valid=valid,
        valid_folds=valid_folds,
        dictionary=dictionary,
        epochs=epochs,
        start_from=start_from,
        seed=seed,
    )
    clips = options.open_clips(data, folds, split, limit)
    network, where = options.open_network(model, device), options.path(out)
    if dry_run:
        print_json({"out": out, **training.plan(method, network, clips, where, config, device=device)})
        return
    mix = None
    if contamination is not None:
        heard = training.split(clips, config)["train"]
        mix = training_noise(contamination, snr, network.sample_rate, clips, contaminants, rows=heard)
    started = time.perf_counter()
    training.train_explainer(method, network, clips, where, config, contamination=mix, device=device)
    _show(where, f"{out}: {method} of {model}, {time.perf_counter() - started:.0f} s", json)


def _take_over(method: str, network: AudioModel, files: list[str], out: Path, dry_run: bool) -> None:
    from otoscope.explain.l2i_released import import_l2i

    if dry_run:
        print_json({"out": str(out), "method": method, "from": files})
        return
    import_l2i(network, [options.path(one) for one in files], out)
    print_lines([f"{out}: {method} from {', '.join(files)}"])


def _trained(recipe: Trainable, folders: list[str] | None) -> str | None:
    """Return the folder that training goes on from; errors where the method has no such option."""
    from otoscope.errors import InputError

    if not folders:
        return None
    if "start_from" not in recipe.config.model_fields or len(folders) > 1:
        raise InputError(
            f"--from takes released weights of l2i or one trained lmac, not of {recipe.name}: {folders}"
        )
    return str(options.path(folders[0]))


def _show(folder: Path, what: str, as_json: bool) -> None:
    from otoscope.explain.train_explainer import ACCOUNT
    from otoscope.store import manifest

    account = manifest.read(folder / ACCOUNT)
    if as_json:
        print_json(account)
        return
    print_lines([what, *_lines(account)])


def _lines(account: dict[str, Any]) -> list[str]:
    best = [(name, f"{value:.4f}") for name, value in account["best"].items() if name.startswith("valid_")]
    lines = [f"best epoch {account['best_epoch']}"] if "best_epoch" in account else []
    lines += aligned(best, ["validation", ""])
    test = account.get("test")
    if not test:
        return [*lines, "no test part: name one by --test-folds or --test-split"]
    rows = [
        (name, f"{one['mean']:.4f}", "{:.4f} to {:.4f}".format(*one["interval_95"]))
        for name, one in test.items()
        if isinstance(one, dict)
    ]
    return [*lines, f"test, {test['n_examples']} examples", *aligned(rows, ["", "mean", "95 % over groups"])]
