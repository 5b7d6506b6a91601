"""Released files of Listen to Interpret (``.pt``): the classifier, and the interpreter beside it where it is there.

``{"f_state_dict": ..., "H_state_dict": ..., "h_state_dict": ..., "W_state_dict": ..., ...}``, or the classifier's
weights alone. The classifier f becomes a model folder (:mod:`otoscope.models.vgg`, 44.1 kHz, signed maximum; frames
padded by reflection, as the authors' librosa did); its AudioSet head, which it never uses, is left out. The weights of
Psi, Theta and the dictionary become ``released.safetensors`` in the same folder under ``psi.``, ``theta.`` and
``dictionary.`` and their own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from otoscope.errors import ModelError
from otoscope.models import vgg
from otoscope.models.published.reader import Content, Reader, Released
from otoscope.models.published.states import load_strictly, weights

CLASSIFIER = "f_state_dict"
#: part of the file -> what stands before its keys
PARTS = {"H_state_dict": "psi", "h_state_dict": "theta", "W_state_dict": "dictionary"}
UNUSED = "netx.layer19."
_FIRST = {"netx.layer1.0.weight", "netx.layer18.0.weight", "layer.0.weight", "fc.weight"}


def is_l2i(content: Content) -> bool:
    """Return whether this holds the classifier."""
    return _classifier(content.data).keys() >= _FIRST


def read(content: Content, classes: tuple[str, ...] = ()) -> Released:
    """Return the classifier, and the interpreter's weights.

    Raises
    ------
    ModelError
        If keys or shapes do not fit, or there are other than as many names as output neurons.
    """
    state, what = _classifier(content.data), content.path.name
    count = int(state["fc.weight"].shape[0])
    if classes and len(classes) != count:
        raise ModelError(f"{what} has {count} output neurons; {len(classes)} class names were given")
    width, neurons = (int(state[key].shape[0]) for key in ("netx.layer1.0.weight", "layer.0.weight"))
    model = vgg.build(
        classes,
        n_classes=None if classes else count,
        width=width,
        head_neurons=None if neurons == 16 * width else neurons,
        level="max",
        padding="reflect",
        sample_rate=44100,
    )
    own = {key: one for key, one in state.items() if not key.startswith(UNUSED)}
    load_strictly(model.net, own, what)
    arrays = {
        f"{name}.{key}": one
        for part, name in PARTS.items()
        if isinstance(content.data.get(part), Mapping)
        for key, one in weights(content.data[part]).items()
    }
    return Released(model=model, arrays=arrays, notes={"left_out": sorted(state.keys() - own.keys())})


def _classifier(data: Any) -> dict[str, Tensor]:
    inside = data.get(CLASSIFIER) if isinstance(data, Mapping) else None
    return weights(inside if isinstance(inside, Mapping) else data)


L2I = Reader("the classifier of Listen to Interpret, with its interpreter where it is there", is_l2i, read)
