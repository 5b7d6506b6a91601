"""Explanations as HTML for a notebook: picture, three players, what the network says; plays without a network."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from otoscope.report.explained.assets import mp3
from otoscope.report.explained.views import ExplanationView, explanation
from otoscope.report.page import environment
from otoscope.store.explanations import SOUNDS, Kept

MOST = 12
"""Explanations in one cell; more are counted."""


def cards(kept: Iterable[Kept]) -> str:
    """Return HTML of the first explanations, and how many there are in all."""
    every = tuple(kept)
    shown = [_card(explanation(one)) for one in every[:MOST]]
    text: str = environment().get_template("explanation_cards.html.j2").render(cards=shown, n=len(every))
    return text


def _card(view: ExplanationView) -> dict[str, Any]:
    folder: Path = view.kept.folder
    picture = base64.b64encode((folder / "overlay.png").read_bytes()).decode("ascii")
    return {"view": view, "picture": picture, "sounds": {name: mp3(view.kept.sound(name)) for name in SOUNDS}}
