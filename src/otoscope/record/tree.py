"""What is inside a network: every module with the shape it gives, its neurons, and where they lie in time."""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.models.audio_model import LOGITS, AudioModel
from otoscope.record.layers import Layer, modules_of, resolve
from otoscope.record.probe import ProbedLayer, probe


@dataclass(frozen=True)
class TreeRow:
    """One module of a network, or its output.

    Attributes
    ----------
    name : str
        Layer name, as ``--layers`` takes it.
    depth : int
        How deep it is nested, 0 at the top.
    kind : str
        Class of the module.
    probed : ProbedLayer or None
        What it gives; None where it cannot be recorded.
    reason : str
        Why it cannot be recorded; empty where it can.
    declared : bool
        Whether ``*`` names it.
    """

    name: str
    depth: int
    kind: str
    probed: ProbedLayer | None
    reason: str
    declared: bool


def layer_tree(model: AudioModel, patterns: tuple[str, ...] = ()) -> tuple[TreeRow, ...]:
    """Return every module of the network in its own order, the output last; with patterns only what they name.

    Raises
    ------
    LayerError
        If a pattern matches nothing.
    ModelError
        If the network cannot run on a clip of its own length.
    """
    modules = modules_of(model)
    everything = tuple(Layer(name, name, globbed=True) for name in modules)
    output = (Layer(LOGITS, None),) if model.has_logits else ()
    probed, left_out = probe(model, (*everything, *output))
    by_module = {one.layer.module: one for one in probed}
    declared = {layer.module for layer in resolve(model, ("*",))}
    chosen = {layer.module for layer in resolve(model, patterns)} if patterns else {*modules, None}
    rows = []
    for name in (*modules, *([None] if output else [])):
        if name in chosen:
            found = by_module.get(name)
            kind = "output" if name is None else type(modules[name]).__name__
            shown = found.name if found else str(name)
            depth = name.count(".") if name else 0
            rows.append(TreeRow(shown, depth, kind, found, left_out.get(str(name), ""), name in declared))
    return tuple(rows)
