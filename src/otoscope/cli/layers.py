"""``otoscope layers MODEL``: the tree of layers, their shapes, neurons and geometry; which globs match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from otoscope.cli import options
from otoscope.cli.output import aligned, counted, plain, print_json, print_lines

if TYPE_CHECKING:
    from otoscope.record.tree import TreeRow


def layers(
    model: options.Model,
    layers: Annotated[
        list[str] | None, typer.Option(help="show only what these names or globs match")
    ] = None,
    device: options.Device = "cpu",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show a network's layers: a star marks what '*' names; seconds: first centre and step."""
    from otoscope.record.tree import layer_tree

    network = options.open_network(model, device)
    tree = layer_tree(network, tuple(layers or ()))
    if json:
        print_json(
            [{**plain(row), "n_neurons": row.probed.n_neurons if row.probed else None} for row in tree]
        )
        return
    rows = []
    for row in tree:
        probed = row.probed
        grid = probed.geometry if probed else None
        timed = grid is not None and grid.n_time > 1
        where = f"{grid.offset_s:+.3f} + {grid.stride_s:.3f} t" if timed and grid else ""
        hertz = (
            f"{min(grid.frequency_hz):.0f}-{max(grid.frequency_hz):.0f}" if grid and grid.frequency_hz else ""
        )
        shape = " x ".join(str(size) for size in probed.shape[1:]) if probed else row.reason
        star = "*" if row.declared else ""
        sure = "~" if grid is not None and grid.approximate else ""
        axes = grid.axes[1:] if grid else ""
        rows.append(
            [star, row.name, row.kind, probed.n_neurons if probed else None, shape, axes, sure + where, hertz]
        )
    print_lines(aligned(rows, ["", "layer", "kind", "neurons", "shape", "axes", "seconds", "hertz"]))
    print_lines(["", f"{_shown(tree, bool(layers))} '~': geometry inferred, not declared."])


def _shown(tree: tuple[TreeRow, ...], chosen: bool) -> str:
    """Return how many layers '*' names; where only some are shown, how many of those."""
    starred = [row.probed.n_neurons for row in tree if row.probed and row.declared]
    if not chosen:
        return f"'*' names {counted(len(starred), 'layer')} with {counted(sum(starred), 'neuron')}."
    neurons = sum(row.probed.n_neurons for row in tree if row.probed)
    return f"Shown: {counted(len(tree), 'layer')} with {counted(neurons, 'neuron')}, {len(starred)} of them in '*'."
