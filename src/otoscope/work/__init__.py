"""Blocks of work: fixed row ranges, idempotent and atomic, handed out by an engine.

:data:`ENGINES` names the engines; each is ``(blocks, folder, work, merge, engine) -> list of summary paths``, called
through :func:`otoscope.work.engine.run`.
"""

from __future__ import annotations

ENGINES: dict[str, str] = {"local": "otoscope.work.local:run", "ray": "otoscope.work.ray:run"}

SESSIONS: dict[str, str] = {"ray": "otoscope.work.ray:cluster"}
"""Engines that start something which several jobs can share: ``(engine) -> context manager``."""
