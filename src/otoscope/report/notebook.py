"""A run in a notebook: tables as polars, arrays as numpy, neurons as cards that show and play.

``open_run(path)`` (``otoscope.open`` for users) reads lazily: nothing is loaded before it is asked for. A card is
self-contained: its sounds and pictures are inside, so it also plays in an exported notebook.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope.errors import AudioFileError, InputError
from otoscope.report import assets
from otoscope.report.compose import sample_rate
from otoscope.report.explanations import ExplanationsView
from otoscope.report.neurons import LayerData, neuron_view, read_layer
from otoscope.report.page import environment
from otoscope.report.pictures import height_of
from otoscope.report.reading import RunData, clip_views, read_run
from otoscope.report.views import ClipView, NeuronView, RankedClip, Trace
from otoscope.store.run import Run
from otoscope.store.run import open_run as open_folder

_WIDTH, _HEIGHT = 240, 28
_TICKS = (("500", 500.0), ("2k", 2000.0), ("8 kHz", 8000.0))


@dataclass(frozen=True)
class CardClip:
    """One ranked clip on a card.

    Attributes
    ----------
    ranked : RankedClip
        Its rank, value, peak and trace.
    clip : ClipView
        Its name, label and credit.
    asset : Asset or None
        Sound and picture; None where the run keeps none of it.
    outline : str
        Points of the trace's polygon, in a box of 240 x 28; empty without a trace.
    peak_x : float or None
        Where the peak stands across the picture, 0 to 240.
    """

    ranked: RankedClip
    clip: ClipView
    asset: assets.Asset | None
    outline: str
    peak_x: float | None


@dataclass(frozen=True)
class NeuronCard:
    """One neuron: what it was found to listen to, with the clips that move it most and least.

    Attributes
    ----------
    view : NeuronView
        All numbers of it.
    top, bottom : tuple of CardClip
        Its most and least active clips.
    sample_rate : int
        The network's, in hertz: pictures reach up to half of it.
    """

    view: NeuronView
    top: tuple[CardClip, ...]
    bottom: tuple[CardClip, ...]
    sample_rate: int

    def __repr__(self) -> str:
        """Return the card in one line of text."""
        words = "; ".join(f"{one.pole}: {one.words} ({one.verdict})" for one in self.view.descriptions)
        return f"<neuron {self.view.index} of {self.view.layer}: {words or self.view.verdict}>"

    def _repr_html_(self) -> str:
        """Return the card as HTML that shows and plays without a network."""
        rate = self.sample_rate
        ticks = [(text, 96 * (1 - height_of(hz, rate))) for text, hz in _TICKS if hz <= rate / 2]
        shown = {"card": self, "width": _WIDTH, "height": _HEIGHT, "rate": rate, "ticks": ticks}
        return str(environment().get_template("card.html.j2").render(shown))


class RunView:
    """A finished run, read lazily.

    Parameters
    ----------
    root : path
        The run folder.

    Raises
    ------
    StageError
        If it is no run.
    FormatError
        If it is of a newer format.
    """

    def __init__(self, root: Path | str) -> None:
        self.run: Run = open_folder(root)
        self._layers: dict[str, LayerData] = {}
        if self.run.layers:  # a run of explanations only has no tables of clips and neurons
            self._data  # noqa: B018 - reads now what every view needs, and says now what is missing

    @cached_property
    def _data(self) -> RunData:
        return read_run(self.run)

    @property
    def explanations(self) -> ExplanationsView:
        """The explanations in the run: tables, and cards that show and play."""
        return ExplanationsView(self.run.root)

    @property
    def layers(self) -> list[str]:
        """Names of the recorded layers."""
        return [one.name for one in self.run.layers]

    @property
    def clips(self) -> pl.DataFrame:
        """One row a clip, failed ones included."""
        return self._data.clips

    @property
    def neurons(self) -> pl.DataFrame:
        """One row a neuron."""
        return self._data.neurons

    def descriptions(self, name: str | None = None) -> pl.DataFrame:
        """Return a table of descriptions: one row per neuron and pole; the last one made by default."""
        wanted = name or self._data.method
        return self.run.table("descriptions", wanted)[1] if wanted else self._data.descriptions

    def captions(self, name: str | None = None) -> pl.DataFrame:
        """Return a table of captions, by its name or the beginning of it; the only one by default."""
        return self.run.table("captions", name)[1]

    def activations(self, layer: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return pooled activations ``(clip, neuron)`` float32, NaN where a clip failed."""
        return self.run.activations(layer)

    def neuron(self, layer: str, index: int, *, clips: int = 4) -> NeuronCard:
        """Return the card of one neuron.

        Parameters
        ----------
        layer : str
            A recorded layer.
        index : int
            Its number in the layer.
        clips : int
            Ranked clips per pole.

        Raises
        ------
        UnknownNameError
            If the layer was not recorded; the nearest names are listed.
        InputError
            If it has no such neuron.
        """
        width = self.run.layer(layer).n_neurons
        if not 0 <= index < width:
            raise InputError(f"layer {layer} has neurons 0 to {width - 1}, got {index}")
        if layer not in self._layers:
            self._layers[layer] = read_layer(self._data, layer)
        found = self._layers[layer]
        view = neuron_view(found, found.neurons[index], alpha=0.05, n_clips=clips)
        return NeuronCard(
            view, self._card_clips(view.top), self._card_clips(view.bottom), sample_rate(self._data)
        )

    @cached_property
    def _clip_views(self) -> tuple[ClipView, ...]:
        return clip_views(self._data)

    def _card_clips(self, ranked: tuple[RankedClip, ...]) -> tuple[CardClip, ...]:
        found = []
        for one in ranked:
            asset = _asset(self._data, one.row)
            seconds = asset.duration_s if asset else 0.0
            at = None if one.peak_s is None or not seconds else min(one.peak_s / seconds, 1.0) * _WIDTH
            outline = _outline(one.trace, seconds) if one.trace and seconds else ""
            found.append(CardClip(one, self._clip_views[one.row], asset, outline, at))
        return tuple(found)

    def __repr__(self) -> str:
        """Return the run in one line of text."""
        if not self.layers:
            n = len(self.explanations)
            return f"<run {self.run.root}: {n} explanation{'' if n == 1 else 's'}>"
        return f"<run {self.run.root}: {self.neurons.height} neurons, {self.clips.height} clips>"

    def _repr_html_(self) -> str:
        """Return what the run holds, as a small table."""
        if not self.layers:
            return self.explanations._repr_html_()
        manifest = self.run.manifest
        shown = {
            "root": str(self.run.root),
            "model": manifest["model"]["spec"] or "a network",
            "data": manifest["data"]["spec"],
            "n_clips": self.clips.height,
            "n_failed": self.clips.filter(pl.col("status") != "ok").height,
            "layers": self.run.layers,
            "method": self._data.method,
        }
        return str(environment().get_template("run.html.j2").render(shown))


def open_run(root: Path | str) -> RunView:
    """Return the run at ``root`` for a notebook; errors as :class:`RunView`."""
    return RunView(root)


def _asset(data: RunData, row: int) -> assets.Asset | None:
    path = assets.sound_path(data.run.root, row)
    if path is None:
        return None
    try:
        return assets.load(path, row, sample_rate(data))
    except AudioFileError:
        return None  # the card says that the sound is missing


def _outline(trace: Trace, seconds: float) -> str:
    low, high = min(*trace.levels, 0.0), max(trace.levels)
    span = (high - low) or 1.0
    step = (trace.end_s - trace.start_s) / len(trace.levels)
    points = [
        (
            min((trace.start_s + (i + 0.5) * step) / seconds, 1.0) * _WIDTH,
            (1 - (level - low) / span) * _HEIGHT,
        )
        for i, level in enumerate(trace.levels)
    ]
    corners = [(points[0][0], float(_HEIGHT)), *points, (points[-1][0], float(_HEIGHT))]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
