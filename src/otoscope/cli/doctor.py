"""``otoscope doctor MODEL --data D``: is this network ready to be recorded on these sounds?"""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import print_json, print_lines


def doctor(
    model: options.Model,
    data: options.Data,
    layers: Annotated[list[str] | None, typer.Option(help="names or globs to record")] = None,
    events: options.Events = None,
    derive: options.Derive = None,
    folds: options.Folds = None,
    split: options.Split = None,
    limit: options.Limit = None,
    device: options.Device = "cpu",
    settings: options.Settings = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    dry_run: options.DryRun = False,
) -> None:
    """Check hooks, logits, geometry, rates and clips; estimate the cost. Exit 1 if something would fail."""
    from otoscope.record.config import RecordConfig
    from otoscope.record.doctor import CLIPS_TRIED, examine
    from otoscope.record.layers import resolve

    clips = options.open_clips(data, folds, split, limit, events=events, derive=derive)
    config = options.configured(RecordConfig, settings, layers=tuple(layers) if layers else None)
    network = options.open_network(model, device)
    if dry_run:
        names = [one.name for one in resolve(network, config.layers)]
        tried = min(len(clips), CLIPS_TRIED)
        print_json({"clips": len(clips), "decoded": tried, "layers": names, "config": config.identity()})
        return
    checks = examine(network, clips, config)
    if json:
        print_json(list(checks))
    else:
        print_lines(f"{check.verdict:<8} {check.name:<9} {check.detail}" for check in checks)
    if any(check.verdict == "failed" for check in checks):
        raise typer.Exit(1)
