"""The counts by event of one block of clips, on their way to the run.

Events do not divide into blocks of equal size as clips do, so a block's counts lie in files of its own,
``events/<block>-<n>.safetensors`` beside the summaries, until the recording ends; :func:`gather` then writes them into
arrays ``(event, neuron)``. A file is written whenever the counts in memory reach :data:`MOST_BYTES`, after a whole
clip, so memory does not grow with the number of events. A block that is begun again removes its files first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from otoscope.record.events import EventPart
from otoscope.store import arrays, event_counts, tensors
from otoscope.store.run import Run
from otoscope.work.blocks import Block

MOST_BYTES = 64 * 2**20


class EventBlock:
    """The counts by event of a block that is being recorded.

    Parameters
    ----------
    folder : Path
        Where the files of all blocks lie.
    block : Block
        The block.
    """

    def __init__(self, folder: Path, block: Block) -> None:
        self._folder, self._block, self._n_files, self._bytes = folder, block, 0, 0
        self._parts: dict[int, list[tuple[EventPart, np.ndarray[Any, Any]]]] = {}
        for left_behind in folder.glob(f"{block.index}-*"):
            left_behind.unlink()

    def add(self, layers: Sequence[Sequence[EventPart]]) -> None:
        """Add what a clip's windows tell of its events, layer by layer."""
        for layer, parts in enumerate(layers):
            for part in parts:
                counts = part.positives.cpu().numpy().astype(np.uint32)
                self._parts.setdefault(layer, []).append((part, counts))
                self._bytes += counts.nbytes
        if self._bytes >= MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory to a file."""
        if not self._parts:
            return
        content: dict[str, np.ndarray[Any, Any]] = {}
        for layer, parts in self._parts.items():
            content[f"{layer}/events"] = np.concatenate([part.events for part, _ in parts])
            content[f"{layer}/positions"] = np.concatenate([part.positions for part, _ in parts])
            content[f"{layer}/positives"] = np.concatenate([counts for _, counts in parts])
        tensors.write(self._folder / f"{self._block.index}-{self._n_files}.safetensors", content)
        self._parts, self._bytes, self._n_files = {}, 0, self._n_files + 1


def gather(folder: Path, run: Run, n_events: int) -> None:
    """Write the counts of all blocks into the run's arrays, which are made anew."""
    event_counts.remove(run)
    files = sorted(folder.glob("*.safetensors"), key=lambda path: [int(one) for one in path.stem.split("-")])
    positions = np.zeros((n_events, len(run.layers)), np.uint32)
    for place, layer in enumerate(run.layers):
        if layer.name not in event_counts.layers(run):
            continue
        path = event_counts.path_of(run, layer.name)
        arrays.create_array(path, (n_events, layer.n_neurons), "uint32", event_counts.ROWS_PER_CHUNK)
        opened = arrays.open_array(path)
        for file in files:
            found = tensors.read_some(
                file, [f"{place}/{one}" for one in ("events", "positions", "positives")]
            )
            if found:
                events, here, positives = found.values()
                np.add.at(positions[:, place], events, here.astype(np.uint32))
                _add(path, opened, events, positives)
    arrays.create_array(
        run.root / event_counts.POSITIONS, positions.shape, "uint32", event_counts.ROWS_PER_CHUNK
    )
    arrays.write_rows(run.root / event_counts.POSITIONS, 0, positions)


def _add(path: Path, opened: Any, events: np.ndarray[Any, Any], positives: np.ndarray[Any, Any]) -> None:
    """Add counts to the rows of their events; an event may come several times."""
    first, last = int(events.min()), int(events.max()) + 1
    sums = np.asarray(opened[first:last])
    if len(np.unique(events)) == len(events):
        sums[events - first] += positives
    else:
        np.add.at(sums, events - first, positives)
    arrays.write_rows(path, first, sums, opened)
