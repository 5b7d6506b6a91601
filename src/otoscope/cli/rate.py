"""``otoscope rate RUN``: a blinded page for people to rate descriptions; with ``--read``, what they said."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, plain, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.study.ratings import RatingResult


def rate(
    run: options.RunFolder,
    tables: Annotated[list[str] | None, typer.Option(help="tables of descriptions; all by default")] = None,
    layers: Annotated[list[str] | None, typer.Option(help="recorded layers; all by default")] = None,
    neurons: Annotated[int | None, typer.Option(help="neurons to rate")] = None,
    clips: Annotated[int | None, typer.Option(help="clips to listen to per neuron")] = None,
    no_controls: Annotated[
        bool, typer.Option("--no-controls", help="without other neurons' descriptions among the true ones")
    ] = False,
    max_mb: Annotated[float | None, typer.Option(help="largest page")] = None,
    read: Annotated[list[str] | None, typer.Option(help="a file that a rater saved; repeatable")] = None,
    page: Annotated[
        str | None, typer.Option(help="with --read: which page, where the run has several")
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="with --read: text encoder that compares own words and descriptions")
    ] = "lexical",
    bert: Annotated[
        str | None, typer.Option(help="with --read: NAME_OR_PATH[?layer=N] of an encoder for BERTScore")
    ] = None,
    seed: options.Seed = 0,
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Make a blinded page on which people rate descriptions, or read their answers (--read FILE)."""
    if read and dry_run:
        print_json({"run": run, "read": read, "page": page, "writes": None})
        return
    if read:
        _show(run, _read(run, read, page, encoder, bert, seed), json)
        return
    from otoscope.report.rate import RateConfig, plan
    from otoscope.report.rate import rate as make

    config = options.configured(
        RateConfig,
        settings,
        tables=tuple(tables) if tables else None,
        layers=tuple(layers) if layers else None,
        neurons=neurons,
        clips=clips,
        controls=False if no_controls else None,
        max_mb=max_mb,
        seed=seed,
    )
    if dry_run:
        planned = plan(run, config)
        print_json(
            {**plain(planned), "replaces": planned.path.exists(), "config": config.model_dump(mode="json")}
        )
        return
    made = make(run, config=config)
    if json:
        print_json(made)
        return
    print_lines(
        [
            f"{made.path}: {made.n_items} neurons, {made.n_lines} descriptions to rate. Give this file to raters.",
            f"{made.key}: what stands behind each line. Keep it to yourself.",
            f"Then: otoscope rate {run} --read FILE --page {made.name}",
        ]
    )


def _read(
    run: str, files: list[str], page: str | None, encoder: str, bert: str | None, seed: int
) -> RatingResult:
    from otoscope.language import text_encoder
    from otoscope.report.rate import read_ratings
    from otoscope.study.ratings import rating_study

    tokens: Any = None
    if bert is not None:
        from otoscope.language.in_context import token_encoder

        tokens = token_encoder(bert)
    found = read_ratings(run, [options.path(one) for one in files], name=page)
    return rating_study(found, encode=text_encoder(encoder).encode, encode_tokens=tokens, seed=seed)


def _show(run: str, result: RatingResult, json: bool) -> None:
    if json:
        print_json(result)
        return
    agreed = "not known" if math.isnan(result.alpha) else f"{result.alpha:.2f}"
    print_lines(
        [
            f"{run}: {result.n_ratings} ratings by {result.n_raters} raters",
            f"agreement (Krippendorff's alpha, ordinal; 1 perfect, 0 chance): {agreed}",
            "",
        ]
    )
    rows = [
        [row["table"], row["measure"], row["n_neurons"], *(_interval(row, one) for one in _SHOWN)]
        for row in result.methods.iter_rows(named=True)
    ]
    print_lines(aligned(rows, ["table", "measure", "neurons", *_SHOWN]))


_SHOWN = ("description", "control", "difference")


def _interval(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"
