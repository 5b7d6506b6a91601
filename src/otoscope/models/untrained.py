"""The same network before it learnt anything: ``untrained:MODEL`` or ``untrained:MODEL?seed=3``.

The control for whatever a study finds in a trained network: the same architecture, classes and front end (its
standardisation included) with weights drawn anew. Without a seed they are drawn as MODEL's own were before training;
with one, differently each time. MODEL is a folder, ``demo:`` or any network of an architecture of
:data:`otoscope.models.ARCHITECTURES`.

Reference: J. Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018 (randomised weights as the control).
"""

from __future__ import annotations

import re

from otoscope.errors import InputError, ModelError
from otoscope.models import ARCHITECTURES, open_model
from otoscope.models.audio_model import AudioModel
from otoscope.registry import lookup

_SEEDED = re.compile(r"^(?P<model>.*?)(?:\?seed=(?P<seed>\d+))?$")


def load(rest: str, device: str = "cpu") -> AudioModel:
    """Return a network like another one, with weights drawn anew.

    Parameters
    ----------
    rest : str
        MODEL, or ``MODEL?seed=NUMBER``.
    device : str

    Raises
    ------
    InputError
        If no MODEL is named.
    ModelError
        If it is none of our architectures.

    Examples
    --------
    >>> fresh, again, other = load("demo:"), load("demo:"), load("demo:?seed=5")
    >>> one, two, three = (next(model.net.parameters()).sum().item() for model in (fresh, again, other))
    >>> one == two, one == three, fresh.classes == open_model("demo:").classes
    (True, False, True)
    """
    found = _SEEDED.match(rest)
    if found is None or not found["model"]:
        raise InputError("expected untrained:MODEL, such as untrained:demo: or untrained:FOLDER?seed=3")
    trained = open_model(found["model"])
    name = trained.config.get("architecture")
    if name is None:
        raise ModelError(
            f"{found['model']} is none of {', '.join(ARCHITECTURES)}, so it cannot be built anew from what it says of "
            "itself: write a factory that draws its weights, and open it with py:module:factory"
        )
    options = {key: value for key, value in trained.config["options"].items() if key != "n_classes"}
    if found["seed"] is not None:
        options["seed"] = int(found["seed"])
    build = lookup(ARCHITECTURES, name, room="architectures", kind="architecture")
    fresh: AudioModel = build(tuple(trained.classes), **options)
    fresh.front_end.load_state_dict(trained.front_end.state_dict())
    return fresh.to(device)
