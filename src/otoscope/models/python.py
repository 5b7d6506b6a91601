"""Any network of the user's own: ``py:module:factory`` or ``py:path/to/file.py:factory``.

``factory`` is a function or class that is called without arguments, or the finished object. It gives

* an :class:`~otoscope.models.audio_model.AudioModel`, or
* an ``nn.Module`` that takes waveforms ``(clip, channel, time)`` and returns logits ``(clip, class)`` (or an object
  with ``.logits``), with the attributes ``sample_rate`` and, where wanted, ``classes``, ``clip_s`` and
  ``waveform_axes`` (``"BCT"``, or ``"BT"`` for mono waveforms without a channel axis), or
* a tuple ``(module, sample_rate)`` or ``(module, sample_rate, classes)``.

The layers are the module's own; nothing is declared about their geometry, so it is inferred.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError, ModelError, UnknownNameError
from otoscope.models.audio_model import Adapter, AudioModel
from otoscope.store.hashing import hash8

_FORM = "expected py:module:factory or py:path/to/file.py:factory"


class Waveform(nn.Module):
    """The front end of a network that takes waveforms: it only drops the channel axis where asked to."""

    def __init__(self, axes: str) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the waveforms ``(clip, channel, time)``, or ``(clip, time)`` as the mean over channels."""
        return waveform.mean(1) if self.axes == "BT" else waveform


class LogitsOnly(Adapter):
    """The user's module, giving its logits as a tensor ``(clip, class)``."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the logits.

        Raises
        ------
        ModelError
            If the module returns something else.
        """
        output: Any = self.inner(waveform)
        logits = getattr(output, "logits", output)
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(output).__name__
            raise ModelError(
                f"{type(self.inner).__name__} returned {found}; expected logits (clip, class) or an object with "
                ".logits: wrap it in a module that returns them"
            )
        return logits


def load(rest: str, device: str = "cpu") -> AudioModel:
    """Return the model behind ``module:factory`` or ``path/to/file.py:factory``, on ``device``.

    Raises
    ------
    InputError
        If the spec has another form, or there is no such file, module or factory.
    ModelError
        If the factory fails or returns something unusable.
    """
    place, separator, name = rest.rpartition(":")
    if not separator or not place or not name:
        raise InputError(f"{_FORM}, got 'py:{rest}'")
    module = module_of(place)
    if not hasattr(module, name):
        public = [one for one in vars(module) if not one.startswith("_")]
        raise UnknownNameError.of(f"factory in {place}", name, public)
    made = _made(getattr(module, name), f"py:{rest}")
    return made.to(device)


def from_module(
    module: nn.Module,
    *,
    sample_rate: int | None = None,
    classes: Sequence[str] | None = None,
    clip_s: float | None = None,
    waveform_axes: str | None = None,
    spec: str = "py:",
) -> AudioModel:
    """Return ``module`` as an AudioModel; what is not given is read from the module's attributes.

    Parameters
    ----------
    module : nn.Module
        Waveforms in, logits ``(clip, class)`` out. It is used as it is, not copied.
    sample_rate : int
        In hertz; needed here or as an attribute.
    classes : sequence of str
        Names of the output neurons; empty where they have none.
    clip_s : float
        Seconds that the network takes; None: clips as they are.
    waveform_axes : {"BCT", "BT"}
        Whether waveforms have a channel axis.
    spec : str
        For messages.

    Examples
    --------
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
    >>> from_module(net, sample_rate=8, classes=("low", "high")).classes
    ('low', 'high')
    """
    rate = sample_rate if sample_rate is not None else getattr(module, "sample_rate", None)
    if not isinstance(rate, int) or isinstance(rate, bool) or rate < 1:
        raise ModelError(
            f"{spec} does not say at which sample rate it listens (got {rate!r}): give its module an attribute "
            "`sample_rate = 16000`, or return (module, sample_rate, classes)"
        )
    names = classes if classes is not None else getattr(module, "classes", ())
    if isinstance(names, str) or not all(isinstance(one, str) for one in names):
        raise ModelError(f"the classes of {spec} are {names!r}; expected a sequence of names")
    axes = waveform_axes or getattr(module, "waveform_axes", "BCT")
    if axes not in ("BCT", "BT"):
        raise ModelError(f"waveform_axes of {spec} is {axes!r}; expected 'BCT' (clip, channel, time) or 'BT'")
    length_s = clip_s if clip_s is not None else getattr(module, "clip_s", None)
    return AudioModel(
        Waveform(axes),
        LogitsOnly(module),
        sample_rate=rate,
        classes=tuple(names),
        clip_length=ClipLength(length_s),
        spec=spec,
    )


def _made(factory: Any, spec: str) -> AudioModel:
    made = factory
    if callable(factory) and not isinstance(factory, nn.Module):
        try:
            made = factory()
        except Exception as error:
            raise ModelError(f"{spec} failed: {type(error).__name__}: {error}") from error
    if isinstance(made, AudioModel):
        return made
    if isinstance(made, nn.Module):
        return from_module(made, spec=spec)
    if isinstance(made, tuple) and len(made) in (2, 3) and isinstance(made[0], nn.Module):
        classes = made[2] if len(made) == 3 else None
        return from_module(made[0], sample_rate=made[1], classes=classes, spec=spec)
    raise ModelError(
        f"{spec} gave {type(made).__name__}; expected an AudioModel, an nn.Module with a `sample_rate`, or "
        "(module, sample_rate) or (module, sample_rate, classes)"
    )


def module_of(place: str) -> ModuleType:
    """Return the user's module, by its name or by the path of its file (``.py``).

    Raises
    ------
    InputError
        If there is no such file or module.
    ModelError
        If it fails as it is imported.
    """
    return _from_file(Path(place)) if place.endswith(".py") else _from_name(place)


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"there is no file {path}; {_FORM}")
    name = f"otoscope_py_{hash8(str(path.resolve()))}"
    described = importlib.util.spec_from_file_location(name, path)
    if described is None or described.loader is None:
        raise InputError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(described)
    sys.modules[name] = module  # dataclasses and torch.compile look their module up there
    try:
        with _importable(path.parent):
            described.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ModelError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _from_name(name: str) -> ModuleType:
    try:
        with _importable(Path.cwd()):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise InputError(
                f"there is no module {name!r} in the current folder or the environment; {_FORM}"
            ) from error
        raise ModelError(f"module {name!r} cannot be imported: {error}") from error
    except Exception as error:
        raise ModelError(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules beside the user's own be imported while the block runs."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
