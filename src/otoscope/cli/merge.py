"""``otoscope merge RUN RUN... --out RUN``."""

from __future__ import annotations

from typing import Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import counted, print_json, print_lines


def merge(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="run folders, two or more")],
    out: options.Out,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make one run of recordings of one network on different clips: shards, folds, collections.

    Clips, counts, activations, ranks and moments are those of one recording of all clips. Captions, descriptions and
    selections are made anew.
    """
    from otoscope.record.merge import merge as merge_runs

    merged = merge_runs([options.path(one) for one in runs], options.path(out))
    clips, neurons = merged.clips(), merged.neurons()
    result = {
        "run": merged.root,
        "runs": len(runs),
        "layers": len(merged.layers),
        "neurons": neurons.height,
        "clips": clips.height,
        "failed": int((clips["status"] == "failed").sum()),
    }
    if json:
        print_json(result)
        return
    heard = f"{counted(clips.height, 'clip')} of {len(runs)} runs ({result['failed']} failed)"
    print_lines(
        [
            f"{merged.root}: {heard}, {counted(neurons.height, 'neuron')} in {counted(len(merged.layers), 'layer')}"
        ]
    )
