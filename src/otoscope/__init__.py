"""Otoscope looks inside networks that listen: in words, in numbers, and in sound you can play.

The whole path in Python::

    import otoscope

    model = otoscope.open_model("demo:")
    clips = otoscope.open_data("sounds:200")
    run = otoscope.dissect(model, clips, "my-run")
    print(otoscope.open("my-run").descriptions())

Public names are loaded when they are first used: importing the package loads neither torch nor a web framework.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "open_data": "otoscope.data:open_data",
    "open_model": "otoscope.models:open_model",
    "train": "otoscope.models.train:train",
    "layer_tree": "otoscope.record.tree:layer_tree",
    "doctor": "otoscope.record.doctor:examine",
    "interpret": "otoscope.describe.interpret:interpret",
    "rate": "otoscope.report.rate:rate",
    "read_ratings": "otoscope.report.rate:read_ratings",
    "import_weights": "otoscope.models:import_weights",
    "select": "otoscope.selectivity.stage:select",
    "share": "otoscope.selectivity.share:share",
    "probe": "otoscope.ablate.probe.stage:probe",
    "train_explainer": "otoscope.explain.train_explainer:train_explainer",
    "score_explanations": "otoscope.explain.score_set:score_explanations",
    "merge": "otoscope.record.merge:merge",
    "compare": "otoscope.study.compare.stage:compare",
    "dissect": "otoscope.study.dissect:dissect",
    "export": "otoscope.store.export:export",
    "open": "otoscope.report.notebook:open_run",
    "OtoscopeError": "otoscope.errors:OtoscopeError",
}

_ROOMS = ("ablate", "caption", "describe", "explain", "record", "report")
"""Packages that are called like their stage's function, see :mod:`otoscope.callable_room`."""

__all__ = ["__version__", *sorted((*_PUBLIC, *_ROOMS))]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"otoscope.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'otoscope' has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
