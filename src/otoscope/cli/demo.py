"""``otoscope demo``: the main job on the embedded default, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.cli import options
from otoscope.cli.dissect import summary
from otoscope.cli.output import aligned, framed, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.study.demo import Demo


def demo(
    out: Annotated[str, typer.Option(help="folder for the two runs and their pages")] = "otoscope-demo",
    sounds: Annotated[int, typer.Option(min=2, help="how many sounds to synthesise")] = 192,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Dissect a small classifier and a network with planted concepts on synthesised sounds; print what was found."""
    from otoscope.study.demo import CLASSIFIER, NETWORKS, PLANTED
    from otoscope.study.demo import demo as run_demo

    if dry_run:
        folders = {name: options.path(out) / name for name in (CLASSIFIER, PLANTED)}
        there = [name for name, folder in folders.items() if (folder / "report.html").is_file()]
        print_json({"sounds": sounds, "networks": NETWORKS, "runs": folders, "done": there, "seed": seed})
        return
    _show(run_demo(options.path(out), n_sounds=sounds, seed=seed), json)


def _show(made: Demo, as_json: bool) -> None:
    if as_json:
        print_json({"seconds": made.seconds, "planted": made.recovered, "false_names": made.false_names})
        return
    header = ["layer", "neurons", "dead", "significant", "best held out", "median held out", "median control"]
    print_lines(["A small classifier of synthesised sounds, described in words:", ""])
    print_lines(aligned([list(row.values()) for row in summary(made.classifier)], header))
    print_lines(
        ["", "A network with planted concepts: how many descriptions are right, how many by chance:", ""]
    )
    shown = made.recovered.rename(
        {
            "recovered_significant": "and significant",
            "chance_list": "by chance",
            "top5": "in best 5",
            "chance_top5": "by chance of 5",
        }
    ).drop("chance_dealt", "worded", "chance_worded")
    print_lines(framed(shown))
    planted, right, chance = (int(shown[one].sum()) for one in ("planted", "recovered", "by chance"))
    noise = made.false_names.filter(sort="noise")
    false = f"{noise['confident_names'].sum()} of {noise['neurons'].sum()}"
    print_lines(
        [
            "",
            f"planted concepts recovered: {right} of {planted} (by chance: {chance});"
            f" neurons without a rule that got a confident name: {false}",
            "",
            f"{made.classifier.root / 'report.html'}",
            f"{made.planted.root / 'report.html'}",
            f"{made.seconds:.0f} s",
        ]
    )
