"""Renders the page: one HTML file, nothing loaded from anywhere, and a policy that forbids it.

Text reaches the page in two ways only: through templates that escape it, and as JSON whose ``<``, ``>`` and ``&``
are escaped, which the script puts on the page as text. The Content-Security-Policy allows exactly our script and
our style by their sha256, images and sounds from the page itself, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

SCRIPTS = (
    "data.js",
    "player.js",
    "table.js",
    "clip.js",
    "words.js",
    "panel.js",
    "classes.js",
    "explain.js",
    "app.js",
)
STYLES = ("style.css", "neurons.css", "classes.css", "explain.css")
_PLAIN_STYLE = "main[hidden]:not(.neurons) { display: block; }"


@cache
def environment() -> Environment:
    """Return the templates: escaping always on, an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("otoscope.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters |= {
        "pct": lambda value: f"{value:.2f}%",
        "num": number_text,
        "fixed": lambda value: "–" if value is None else f"{value:.2f}".replace("-", "−"),
        "weblink": lambda text: str(text).startswith(("http://", "https://")),
        "count": lambda value: f"{value:,}",
        "plural": lambda n, noun: f"{n:,} {noun}" + ("" if n == 1 else "s"),
        "urlencode_all": lambda text: quote(str(text), safe=""),
    }
    return made


def number_text(value: float | None) -> str:
    """Return a number as a person writes it: three significant digits, a real minus sign, a dash for None.

    Examples
    --------
    >>> number_text(-0.12345), number_text(16000), number_text(None)
    ('−0.123', '16000', '–')
    """
    if value is None:
        return "–"
    whole = float(value).is_integer() and abs(value) < 1e9
    shown = str(int(value)) if whole else f"{value:.3g}"
    return shown.replace("-", "−")


def asset_text(names: tuple[str, ...]) -> str:
    """Return the packaged scripts or styles of these names, one after the other."""
    folder = files("otoscope.report") / "templates"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def content_hash(text: str) -> Markup:
    """Return the source expression that allows exactly this inline script or style."""
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return Markup(f"'sha256-{digest}'")


def render(
    template: str,
    content: Mapping[str, Any],
    data: str,
    *,
    scripts: tuple[str, ...] = SCRIPTS,
    styles: tuple[str, ...] = STYLES,
) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        Its name in ``templates/``.
    content : mapping
        What the templates name: ``overview``, ``assets``, ``clips`` ...
    data : str
        From :func:`otoscope.report.payload.script_json`; already safe inside a script element.
    scripts, styles : tuple of str
        Files in ``templates/`` that become the page's script and style.
    """
    script = f'(() => {{\n"use strict";\n{asset_text(scripts)}}})();\n'
    style = asset_text(styles)
    return (
        environment()
        .get_template(template)
        .render(
            **content,
            data=Markup(data),
            script=Markup(script),
            style=Markup(style),
            plain_style=Markup(_PLAIN_STYLE),
            script_hash=content_hash(script),
            style_hash=content_hash(style),
            plain_style_hash=content_hash(_PLAIN_STYLE),
        )
    )
