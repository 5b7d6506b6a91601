"""What would describing cost? The questions that a method would put to its chat model, counted and not asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otoscope.describe import ESTIMATES, METHODS
from otoscope.describe.stage import config_type
from otoscope.errors import InputError, UnknownNameError
from otoscope.language.chat import Estimate
from otoscope.registry import known, lookup
from otoscope.stage_config import StageConfig
from otoscope.store.run import Run, open_run


def estimate(
    run: Run | Path | str, config: StageConfig | Mapping[str, Any] | None = None, *, method: str, **tools: Any
) -> Estimate:
    """Return what a describing method would ask its chat model now; nothing is asked or written.

    Parameters
    ----------
    run : Run or path
    config : StageConfig or dict, optional
        The method's options.
    method : str
        One of :data:`otoscope.describe.ESTIMATES`.
    **tools
        As for :func:`otoscope.describe.stage.describe`; and ``prices``, what a provider charges.

    Raises
    ------
    UnknownNameError
        If no method has the name.
    InputError
        If the method, or this configuration of it, asks no chat model.
    """
    if method in known(METHODS, "methods") and method not in known(ESTIMATES, "estimates"):
        raise InputError(f"the method {method!r} asks no chat model, so there is nothing to estimate")
    if method not in known(ESTIMATES, "estimates"):
        raise UnknownNameError.of("describing method", method, known(METHODS, "methods"))
    function = lookup(ESTIMATES, method, room="estimates", kind="describing method")
    found: Estimate = function(open_run(run), config_type(method).of(config), **tools)
    return found
