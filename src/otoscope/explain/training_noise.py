"""Something else under the sound while an explainer learns: drawn anew for every batch, the same in every training.

What is drawn is decided by the training's own generator, so each epoch hears other mixtures and a training that was
killed goes on with the same ones. A clip that nothing can be added to (digital silence) is heard as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.data.contaminate import Contaminator
from otoscope.errors import InputError
from otoscope.stage_config import MOST_SEED


@dataclass(frozen=True)
class TrainingNoise:
    """A :data:`otoscope.explain.setting.Contamination` of one kind at one SNR; its text is part of what was trained.

    Attributes
    ----------
    kind : {"white", "clip", "speech", "noise"}
        As in :mod:`otoscope.data.contaminate`.
    snr_db : float
        Energy of the clip above that of what is added.
    sample_rate : int
        Of the classifier, in hertz.
    source : str
        Where it is drawn from: empty, or a hash of the collection.
    clips : Clips
        The collection that is trained on.
    drawn : Clips or None
        What is drawn from.
    drawn_from : frozenset of int or None
        Rows of it that may be drawn; None: all.
    """

    kind: str
    snr_db: float
    sample_rate: int
    source: str
    clips: Clips = field(repr=False, compare=False)
    drawn: Clips | None = field(repr=False, compare=False)
    drawn_from: frozenset[int] | None = field(default=None, repr=False, compare=False)

    def __call__(self, waveforms: Tensor, rows: NDArray[np.int64], generator: torch.Generator) -> Tensor:
        """Return sounds ``(example, 1, time)`` of clips ``(example,)`` with something under each."""
        seed = int(torch.randint(MOST_SEED, (), generator=generator))
        add = Contaminator(self.kind, self.sample_rate, self.drawn, seed, drawn_from=self.drawn_from)
        names = [str(self.clips.table["id"][int(row)]) for row in rows]
        heard = [
            add(one, name, self.snr_db).waveform if one.any() else one
            for one, name in zip(waveforms.cpu().numpy(), names, strict=True)
        ]
        return torch.from_numpy(np.stack(heard)).to(waveforms)


def training_noise(
    kind: str,
    snr_db: float,
    sample_rate: int,
    clips: Clips,
    contaminants: Clips | str | None = None,
    *,
    rows: Sequence[int] | NDArray[np.int64] | None = None,
) -> TrainingNoise:
    """Return what is mixed into training sound.

    Parameters
    ----------
    kind : {"white", "clip", "speech", "noise"}
    snr_db : float
    sample_rate : int
        Of the classifier.
    clips : Clips
        The collection that is trained on; ``clip`` draws from it.
    contaminants : Clips or str, optional
        A collection (a folder of WHAM!, ``fsdd:PATH``), for ``speech`` and ``noise``.
    rows : sequence of int, optional
        The training clips, which alone ``clip`` draws from, so that no test clip is heard; None: all.

    Raises
    ------
    InputError
        If a collection is missing, or given where none is drawn from.
    """
    if (contaminants is None) == (kind in ("speech", "noise")):
        wants = (
            "is drawn from a collection: give contaminants"
            if contaminants is None
            else "takes no contaminants"
        )
        raise InputError(f"contamination {kind!r} {wants}")
    drawn = clips_of(contaminants) if contaminants is not None else clips if kind == "clip" else None
    Contaminator(kind, sample_rate, drawn)  # refuses an unknown kind
    source = "" if drawn is None else drawn.content_hash()[:16]
    only = frozenset(map(int, rows)) if rows is not None and kind == "clip" else None
    return TrainingNoise(kind, float(snr_db), sample_rate, source, clips, drawn, only)
