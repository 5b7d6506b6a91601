"""``otoscope.record(...)`` calls the stage, whatever of the room was imported before, and in whichever order."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import otoscope
from otoscope import _ROOMS

CALLED = """
import importlib
def refused(call, *arguments):
    try:
        call(*arguments)
    except TypeError as error:
        assert "missing" in str(error), error
        return error
    raise SystemExit(f"{call} took no arguments")
"""
ORDERS = {
    "the package first": "import otoscope\nfirst = otoscope.{0}\nrefused(first)\nrefused(otoscope.{0})",
    "the stage first": "import otoscope.{0}.stage\nimport otoscope\nrefused(otoscope.{0})",
    "the stage between": (
        "import otoscope\nfirst = otoscope.{0}\nrefused(first)\nimport otoscope.{0}.stage\n"
        "assert otoscope.{0} is first\nrefused(first)\nrefused(otoscope.{0})"
    ),
    "by from": "from otoscope import {0}\nrefused({0})\nfrom otoscope.{0}.stage import {0}\nrefused({0})",
    "by star": "from otoscope import *\nrefused({0})",
}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", CALLED + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("order", ORDERS)
def test_every_room_is_called_in_any_order(order: str) -> None:
    """Each stage's function complains of its own missing argument: it is the function that was called."""
    run("\n".join(ORDERS[order].format(room) for room in _ROOMS))


def test_the_whole_path_by_the_public_names(tmp_path) -> None:
    run(
        f"import otoscope as o\nout = {str(tmp_path / 'r')!r}\n"
        "clips, model = o.open_data('sounds:24'), o.open_model('demo:')\n"
        "run = o.record(model, clips, out)\nwords = o.caption(run, clips)\nassert words.startswith('acoustic')\n"
        "assert o.describe(run).startswith('db-')\nassert o.report(run.root).path.is_file()\n"
        "import otoscope.record.stage\nassert o.record(model, clips, out).root == run.root"
    )


def test_a_room_shows_the_signature_and_the_modules_of_its_stage() -> None:
    from otoscope.record import stage

    assert inspect.signature(otoscope.record) == inspect.signature(stage.record)
    assert inspect.ismodule(otoscope.record) and otoscope.record.stage is stage


def test_naming_a_room_loads_nothing_heavy() -> None:
    heavy = "torch", "transformers", "sklearn", "matplotlib", "polars", "numpy", "pydantic"
    code = f"import sys, otoscope\nfor room in {_ROOMS!r}: getattr(otoscope, room)\n"
    assert run(code + f"print([one for one in {heavy!r} if one in sys.modules])") == "[]"


def test_every_public_name_is_there() -> None:
    assert set(_ROOMS) < set(otoscope.__all__) == set(dir(otoscope))
    assert [name for name in otoscope.__all__ if getattr(otoscope, name, None) is None] == []
    with pytest.raises(AttributeError, match=r"no attribute 'recrod'; it offers .*, record, report"):
        otoscope.recrod  # noqa: B018
