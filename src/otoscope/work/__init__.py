"""Blocks of work: fixed row ranges, idempotent and atomic, handed out by an engine.

:data:`ENGINES` names the engines; each is ``(blocks, folder, compute, merge) -> list of summary paths``.
"""

from __future__ import annotations

ENGINES: dict[str, str] = {"local": "otoscope.work.local:run"}
