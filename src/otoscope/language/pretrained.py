"""What the networks from the hub share: options after ``?``, quiet opening, and a name for the weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.errors import InputError, ModelError, OtoscopeError
from otoscope.models.huggingface import transformers as transformers
from otoscope.models.spec_options import parse


def named(scheme: str, rest: str, options: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return name or path, and the options of ``NAME_OR_PATH?option=value&...``.

    Raises
    ------
    InputError
        If there is no name.
    UnknownNameError
        If an option is none of ``options``.

    Examples
    --------
    >>> named("clap", "laion/clap-htsat-unfused?seed=3", ("seed", "int16"))
    ('laion/clap-htsat-unfused', {'seed': '3'})
    """
    name, given = parse(scheme, rest, options)
    if not name:
        raise InputError(f"expected {scheme}:NAME_OR_PATH, got no name after '{scheme}:'")
    return name, given


def whole_number(options: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    """Return an option as a whole number of at least ``least``.

    Raises
    ------
    InputError
        If it is none.
    """
    text = options.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise InputError(f"{name} takes a whole number of at least {least}, got {text!r}")
    return int(text)


def switch(options: Mapping[str, str], name: str) -> bool:
    """Return an option as yes or no: ``true``, ``1``, ``false``, ``0``; not given is no.

    Raises
    ------
    InputError
        If it is none of these.
    """
    text = options.get(name, "false").lower()
    if text not in ("true", "1", "false", "0"):
        raise InputError(f"{name} takes true or false, got {text!r}")
    return text in ("true", "1")


@contextmanager
def opening(library: Any, spec: str) -> Iterator[None]:
    """Keep bars and reports of transformers off the terminal while the block runs; say what failed in it.

    Raises
    ------
    ModelError
        If the block cannot find or read what it opens.
    """
    reports = library.utils.logging
    verbosity, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity_error()
    reports.disable_progress_bar()
    try:
        yield
    except OtoscopeError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"cannot open {spec}: {reason} Give a folder that holds the checkpoint, or a name on the hub (offline: "
            "one that its cache holds)."
        ) from error
    finally:
        reports.set_verbosity(verbosity)
        if bars:
            reports.enable_progress_bar()


def complete(spec: str, info: Mapping[str, Any]) -> None:
    """Raise ModelError if a checkpoint lacks weights of the network it was loaded into."""
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"{spec} has no weights for {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}: "
            "they would be random"
        )


def shown(name: str) -> str:
    """Return a folder's own name, or a name on the hub as it is: ids do not depend on where a folder lies."""
    local = Path(name).expanduser()
    return local.resolve().name if local.is_dir() else name


def hash_weights(model: Any, *settings: object) -> str:
    """Return 8 digits over (name, dtype, shape, bytes) of the weights, sorted by name, and over ``settings``."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name}|{array.dtype}|{tuple(array.shape)}|".encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
    for one in settings:
        digest.update(f"|{one!r}".encode())
    return digest.hexdigest()[:8]


def unit_rows(vectors: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    """Return rows of Euclidean length 1.

    Raises
    ------
    ModelError
        If a row is zero or not finite: the network gave it no direction.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0))
    if bad.size:
        raise ModelError(
            f"{what} gave item {int(bad[0])} a vector of length {lengths[bad[0], 0]}: no direction"
        )
    return np.asarray(vectors / lengths, dtype=np.float32)
