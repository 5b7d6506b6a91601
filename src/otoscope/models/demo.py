"""The bundled network: a small CNN that names the synthetic sounds, ready without a download.

It is opened as ``demo:`` and was made by::

    python -m otoscope.models.demo FOLDER

which trains :mod:`otoscope.models.cnn` with the recipe of :mod:`otoscope.models.train` on sounds of
:mod:`otoscope.audio.synthesis` and tests it on sounds of another seed. What it learnt is in ``demo_weights/``
beside this file, as :mod:`otoscope.models.folder` describes; its results are in its ``model.json``.
"""

from __future__ import annotations

import logging
import sys
from importlib.resources import as_file, files
from pathlib import Path

from otoscope.errors import InputError
from otoscope.models import folder
from otoscope.models.audio_model import AudioModel

FOLDER = "demo_weights"
N_SOUNDS = 2880
SEED = 1000
EPOCHS = 30


def load(rest: str = "", device: str = "cpu") -> AudioModel:
    """Return the bundled network, in evaluation mode, on ``device``.

    Raises
    ------
    InputError
        If anything follows ``demo:``.

    Examples
    --------
    >>> load().sample_rate
    16000
    """
    if rest:
        raise InputError(f"there is one bundled network, named 'demo:' alone; got 'demo:{rest}'")
    with as_file(files("otoscope.models") / FOLDER) as place:
        model = folder.load(place, device)
    model.spec = "demo:"
    return model


def make(out: Path | str, *, n_sounds: int = N_SOUNDS, seed: int = SEED, epochs: int = EPOCHS) -> AudioModel:
    """Train the bundled network anew, write it to ``out`` and return it.

    Parameters
    ----------
    out : path
        The folder.
    n_sounds : int
        Sounds to train on (a fifth of them as the test part).
    seed : int
        Of the sounds and of the training.
    epochs : int
        Passes over the sounds.
    """
    from otoscope.data import open_data
    from otoscope.models.train import TrainConfig, train

    config = TrainConfig(
        test_folds="5",
        valid=0.125,
        options={"width": 16, "clip_s": 2.0},
        epochs=epochs,
        mixup=0.2,
        time_shift_s=0.3,
        mask_s=0.1,
        mask_mels=6,
        seed=seed,
    )
    return train("cnn", open_data(f"sounds:{n_sounds}", seed=seed), out, config)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m otoscope.models.demo FOLDER")
    make(sys.argv[1])
