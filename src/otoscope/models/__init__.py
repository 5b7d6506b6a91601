"""Networks: a front end and a net with named layers; one file per family.

A model is named ``scheme:rest``; the schemes are the rows of :data:`MODELS`. Without a scheme it is a
folder with a ``model.json``. Each row is a function ``(rest, device) -> AudioModel``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otoscope.errors import InputError
from otoscope.models.device import checked_device
from otoscope.models.published import import_weights as import_weights
from otoscope.registry import lookup, split_spec

if TYPE_CHECKING:
    from torch import nn

    from otoscope.models.audio_model import AudioModel

#: scheme -> function ``(rest of the spec, device) -> AudioModel``
MODELS: dict[str, str] = {
    "demo": "otoscope.models.demo:load",
    "planted": "otoscope.models.planted:load",
    "hf": "otoscope.models.huggingface:load",
    "py": "otoscope.models.python:load",
    "beats": "otoscope.models.beats.build:load",
    "panns": "otoscope.models.panns:load",
    "m2d": "otoscope.models.m2d:load",
    "untrained": "otoscope.models.untrained:load",
}

#: architectures that ``otoscope train`` can build: name -> function ``(classes, **options) -> AudioModel``
ARCHITECTURES: dict[str, str] = {
    "cnn": "otoscope.models.cnn:build",
    "transformer": "otoscope.models.transformer:build",
    "vit": "otoscope.models.m2d:build",
    "beats": "otoscope.models.beats.build:build",
    "cnn14": "otoscope.models.panns:build_cnn14",
    "cnn10": "otoscope.models.panns:build_cnn10",
    "cnn6": "otoscope.models.panns:build_cnn6",
    "cnn14-speechbrain": "otoscope.models.cnn14_speechbrain:build",
    "conv2d": "otoscope.models.conv2d:build",
    "vgg": "otoscope.models.vgg:build",
    "focalnet": "otoscope.models.focalnet:build",
    "vit-image": "otoscope.models.vit_image:build",
}


def open_model(spec: str, device: str = "cpu") -> AudioModel:
    """Return the model named by ``spec``, in evaluation mode, on ``device``.

    Parameters
    ----------
    spec : str
        ``demo:``, ``planted:...``, ``hf:NAME_OR_PATH``, ``beats:FILE_OR_FOLDER``,
        ``panns:FILE_OR_FOLDER``, ``m2d:FILE_OR_FOLDER``, ``untrained:MODEL``, ``py:module:factory``, or a folder with
        ``model.json``.
    device : str
        A torch device.

    Raises
    ------
    InputError
        If ``spec`` is no text, or the device cannot be used here.
    UnknownNameError
        If no family has the scheme.
    ModelError, FormatError
        If the model cannot be built or read.
    """
    if not isinstance(spec, str):
        raise InputError(f"MODEL is a text such as 'demo:' or a folder, got a {type(spec).__name__}")
    scheme, rest = split_spec(spec)
    target: dict[str, str] = MODELS if scheme else {"folder": "otoscope.models.folder:load"}
    opener: Any = lookup(target, scheme or "folder", room="models", kind="model scheme")
    model: AudioModel = opener(rest, checked_device(device))
    model.spec = spec
    return model.eval()


def model_of(given: AudioModel | str, device: str = "cpu") -> AudioModel:
    """Return the network that a function was given: as it is, or opened where its spec was given.

    Raises
    ------
    InputError
        If it is neither; and as :func:`open_model`.
    """
    from otoscope.models.audio_model import AudioModel

    if isinstance(given, AudioModel):
        return given
    if isinstance(given, str):
        return open_model(given, device)
    raise InputError(
        f"a network is an AudioModel, or a text that names one such as 'demo:' or its folder; got a "
        f"{type(given).__name__}. A module of your own is opened with 'py:module:factory'."
    )


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside ``torch.compile``, (Distributed)DataParallel and our adapters."""
    from otoscope.models import audio_model

    return audio_model.unwrap(module)
