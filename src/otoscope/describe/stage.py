"""The describe stage: words for the neurons of a recorded run, by one of the methods of a table.

A method is a function ``(run, config, **tools) -> name of its table`` in :data:`otoscope.describe.METHODS`; the type
of its parameter ``config`` are its options, and the tools are what a caller may lend it: ``clips``, a loaded
``encoder``, a ``chat`` model. It leaves its table by :func:`otoscope.describe.output.write_descriptions`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from otoscope.describe import METHODS
from otoscope.errors import InputError
from otoscope.registry import lookup
from otoscope.stage_config import StageConfig
from otoscope.store.run import Run, open_run


def describe(
    run: Run | Path | str,
    config: StageConfig | Mapping[str, Any] | None = None,
    *,
    method: str = "db",
    **tools: Any,
) -> str:
    """Write the descriptions of the run's neurons and return the name of their table.

    Parameters
    ----------
    run : Run or path
        A recorded run; what else it must hold, the method says.
    config : StageConfig or dict, optional
        The method's options (:func:`config_type`); its defaults where not given.
    method : str
        ``db`` or ``tab`` (concepts by captions or by the sound itself), or another of
        :data:`otoscope.describe.METHODS`.
    **tools
        What the method takes beside: ``clips`` where the run's sounds have moved, ``encoder`` for a loaded one.

    Returns
    -------
    str
        ``<method>-<hash8>``, for ``run.table("descriptions", name)``.

    Raises
    ------
    UnknownNameError
        If no method has the name; and what the method says of captions, layers, encoders.
    InputError
        If ``config`` is of another method.
    StageError
        If the run was not recorded, or a stage that the method needs has not run.
    """
    function = lookup(METHODS, method, room="methods", kind="describing method")
    expected = config_type(method)
    if isinstance(config, StageConfig) and not isinstance(config, expected):
        raise InputError(
            f"the method {method!r} takes a {expected.__name__} as config, got a {type(config).__name__}"
        )
    name: str = function(open_run(run), expected.of(config), **tools)
    return name


def config_type(method: str) -> type[StageConfig]:
    """Return the class of a method's options: the type of its parameter ``config``.

    Examples
    --------
    >>> config_type("db").__name__
    'DescribeConfig'
    """
    function = lookup(METHODS, method, room="methods", kind="describing method")
    hint = get_type_hints(function).get("config")
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for one in choices:
        if isinstance(one, type) and issubclass(one, StageConfig):
            return one
    raise InputError(
        f"the describing method {method!r} does not say what its config is: annotate `config` with a StageConfig"
    )
