"""Makes the golden explainer and dictionary of format 1: ``python -m tests.explain.make_golden FOLDER``.

They are of the golden model (``tests/format/golden/model``). Made once; the tests read what is in ``golden``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from otoscope.data import open_data
from otoscope.explain.train_explainer import train_explainer
from otoscope.models import open_model

MODEL = Path(__file__).parents[1] / "format" / "golden" / "model"
DICTIONARY = {
    "n_components": 3,
    "hidden": (4,),
    "solver": "amortised",
    "epochs": 1,
    "valid": 0.25,
}
L2I = {
    "n_components": 3,
    "dictionary_iterations": 5,
    "dictionary_frames": 100,
    "width": 4,
    "epochs": 1,
    "valid": 0.25,
}


def make(folder: Path) -> None:
    """Write ``dictionary/`` and ``l2i/``."""
    clips, model = open_data("sounds:?n=12&kinds=rain,siren&duration_s=0.5"), open_model(str(MODEL))
    model.spec = "golden"
    train_explainer("nmf", model, clips, folder / "dictionary", DICTIONARY)
    train_explainer("l2i", model, clips, folder / "l2i", L2I)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
