"""Clips in words: captions from labels, metadata, a file, what the waveform measures, or what a network hears.

:func:`open_captioner` turns ``acoustic``, ``labels``, ``titles``, ``metadata:COLUMN``, ``file:PATH``,
``qwen2-audio:NAME_OR_PATH``, ``chat:CHAT_MODEL`` or ``py:module:function`` into a
:class:`~otoscope.caption.captioner.Captioner`; :func:`otoscope.caption.stage.caption` writes its table into a run.
A new captioner is one file with a function ``(rest of the spec) -> Captioner`` plus one line in :data:`CAPTIONERS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otoscope.callable_room import callable_room
from otoscope.registry import lookup

if TYPE_CHECKING:
    from otoscope.caption.captioner import Captioner

callable_room(__name__, "otoscope.caption.stage:caption")

CAPTIONERS: dict[str, str] = {
    "acoustic": "otoscope.caption.acoustic.captioner:load",
    "labels": "otoscope.caption.labels:load",
    "titles": "otoscope.caption.metadata:load_titles",
    "metadata": "otoscope.caption.metadata:load",
    "file": "otoscope.caption.from_file:load",
    "qwen2-audio": "otoscope.caption.qwen2_audio:load",
    "py": "otoscope.caption.python:load",
    "chat": "otoscope.caption.endpoint:load",
}
"""Scheme -> function ``(rest of the spec) -> Captioner``."""


def open_captioner(spec: str = "acoustic") -> Captioner:
    """Return the captioner that ``spec`` names.

    Parameters
    ----------
    spec : str
        ``acoustic``, ``labels``, ``labels:SET``, ``titles``, ``metadata:COLUMN``, ``file:PATH``,
        ``qwen2-audio:NAME_OR_PATH`` (:mod:`~otoscope.caption.qwen2_audio`), ``chat:CHAT_MODEL``
        (:mod:`~otoscope.caption.endpoint`) or ``py:module:function`` (:mod:`~otoscope.caption.python`).

    Raises
    ------
    UnknownNameError
        If no captioner has the scheme.
    InputError
        If the rest of the spec is unusable.

    Examples
    --------
    >>> from otoscope.data import open_data
    >>> open_captioner("labels").captions(open_data("sounds:3", seed=1))["status"].to_list()
    ['ok', 'ok', 'ok']
    """
    scheme, _, rest = spec.partition(":")
    found: Captioner = lookup(CAPTIONERS, scheme, room="caption", kind="captioner")(rest)
    return found


__all__ = ["CAPTIONERS", "open_captioner"]
