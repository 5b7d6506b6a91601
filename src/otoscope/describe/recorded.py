"""The recorded layers of a run, read as they are needed, and the descriptions of all of them.

Layers are read in blocks of columns, so memory does not grow with the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from otoscope.describe.clipwise import Clipwise
from otoscope.describe.closed import identify, with_q
from otoscope.describe.config import ClosedConfig
from otoscope.describe.output import write_descriptions
from otoscope.progress import track
from otoscope.store.run import LayerRecord, Run

_HELD_IN_MEMORY = 2**26
"""Activations (256 MB) up to which a layer is read once instead of once a pass."""


@dataclass(frozen=True)
class Stored:
    """A recorded layer that is read as it is sliced.

    Attributes
    ----------
    run : Run
    layer : str
    shape : tuple of int
        (clip, neuron).
    """

    run: Run
    layer: str
    shape: tuple[int, int]

    @cached_property
    def _whole(self) -> NDArray[np.float32] | None:
        if self.shape[0] * self.shape[1] > _HELD_IN_MEMORY:
            return None
        return self.run.activations(self.layer)

    def __getitem__(self, index: tuple[slice, slice]) -> NDArray[np.float32]:
        rows, neurons = index
        if self._whole is not None:
            return self._whole[rows, neurons]
        return self.run.activations(self.layer, neurons)[rows]


def chosen_layers(run: Run, names: Sequence[str]) -> list[LayerRecord]:
    """Return the recorded layers called so, all of them where no name is given; an unknown one raises."""
    return [run.layer(name) for name in names] if names else list(run.layers)


def describe_layers(run: Run, config: ClosedConfig, clips: Clipwise) -> pl.DataFrame:
    """Return the descriptions of the run's (or the configured) layers, ``q`` over all rows."""
    signed = run.neurons()["signed"].to_numpy()
    found = []
    layers = chosen_layers(run, config.layers)
    for layer in track(layers, len(layers), "describing layers"):
        neurons = slice(layer.first_neuron, layer.first_neuron + layer.n_neurons)
        activations = Stored(run, layer.name, (len(clips.groups), layer.n_neurons))
        found.append(
            identify(
                activations,
                clips,
                config,
                signed=signed[neurons],
                layer=layer.name,
                first_neuron=layer.first_neuron,
            )
        )
    return with_q(pl.concat(found))


def write_closed(
    run: Run,
    method: str,
    version: int,
    config: ClosedConfig,
    own: Mapping[str, Any],
    clips: Callable[[], Clipwise],
) -> str:
    """Write the table of a method that picks concepts from a set, and return its name.

    Parameters
    ----------
    run : Run
    method, version
        As in :func:`otoscope.describe.output.write_descriptions`.
    config : ClosedConfig
    own : mapping
        What decides the table beside the configuration and the layers, JSON-able.
    clips : callable
        Gives the affinities; called only if the table is not there yet.
    """
    layers = [one.name for one in chosen_layers(run, config.layers)]

    def notes(table: pl.DataFrame) -> dict[str, Any]:
        return {**summary(table, config.alpha), "top_k": config.top_k(table["n_describe"][0])}

    return write_descriptions(
        run,
        method,
        version,
        {**config.identity(), "layers": layers, **own},
        lambda: describe_layers(run, config, clips()),
        notes=notes,
    )


def summary(descriptions: pl.DataFrame, alpha: float) -> dict[str, Any]:
    """Return what a person wants to know of a table of descriptions first."""
    return {
        "descriptions": descriptions.height,
        "testable": int(descriptions["testable"].sum()),
        "significant": _significant(descriptions, alpha).height,
        **headline(descriptions, alpha),
        "n_describe": descriptions["n_describe"][0],
        "n_score": descriptions["n_score"][0],
        "flags": dict(descriptions["flags"].str.split(";").explode().value_counts(sort=True).iter_rows()),
    }


def headline(descriptions: pl.DataFrame, alpha: float) -> dict[str, Any]:
    """Return how many neurons have a significant description, and the medians of held-out and control scores.

    Medians are over all descriptions, of both poles: the better of a neuron's two held-out scores is no held-out score.
    Scores that are not defined (NaN) are left out.
    """
    heldout, control = (descriptions[one].fill_nan(None) for one in ("heldout_pearson", "control_pearson"))
    return {
        "neurons_significant": _significant(descriptions, alpha)["neuron"].n_unique(),
        "median_heldout_pearson": heldout.median(),
        "median_control_pearson": control.median(),
    }


def _significant(descriptions: pl.DataFrame, alpha: float) -> pl.DataFrame:
    return descriptions.filter((pl.col("q") <= alpha) & pl.col("testable"))
