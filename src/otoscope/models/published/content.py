"""Read a released file without running anything that is in it: the one place that opens pickles.

``.pt``, ``.pth``, ``.ckpt``, ``.bin``  :func:`torch.load` with ``weights_only=True``: tensors, plain containers,
                                         arrays of numpy, and the parsed options (``argparse.Namespace``) that training
                                         scripts keep
``.safetensors``                         named tensors
``.json``                                UTF-8
"""

from __future__ import annotations

import argparse
import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otoscope.errors import FormatError, InputError
from otoscope.models.published.reader import Content


def read(path: Path) -> Content:
    """Return the content of the file at ``path``.

    Raises
    ------
    InputError
        If there is no such file, or its ending is of none of these kinds.
    FormatError
        If it is broken, or holds objects that are more than tensors and plain containers.
    """
    if path.is_dir() and (path / "config.json").is_file():
        raise InputError(f"{path} is a folder of transformers: it needs no import, open it as hf:{path}")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path.name}: released files end in {', '.join(_READERS)}")
    return Content(path, reader(path))


def _pickled(path: Path) -> Any:
    try:
        with (
            warnings.catch_warnings(),
            torch.serialization.safe_globals(_harmless()),
        ):  # an old protocol is read or refused, either way not the reader's concern
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FormatError(
            f"{path} holds more than tensors and plain containers, and nothing else is opened: "
            f"{_first_line(error)}. Save its state dict alone with the code that made it."
        ) from error
    except (RuntimeError, EOFError, KeyError, ValueError, OSError) as error:
        raise FormatError(f"{path} cannot be read as a PyTorch file: {_first_line(error)}") from error


def _harmless() -> list[Any]:
    """Return what may be built beside tensors: parsed options, and arrays of numpy under its old and new names."""
    rebuild = np.zeros(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    renamed = [
        (made, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name, made in (("_reconstruct", rebuild), ("scalar", scalar))
    ]
    kinds = [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    return [argparse.Namespace, np.ndarray, np.dtype, *renamed, *kinds]


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise FormatError(f"{path} cannot be read as safetensors: {error}") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON: {error}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".pt": _pickled,
    ".pth": _pickled,
    ".ckpt": _pickled,
    ".bin": _pickled,
    ".safetensors": _safetensors,
    ".json": _json,
}
