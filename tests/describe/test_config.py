"""Options of describing: strict, with the parameters of the function in view."""

from __future__ import annotations

import pytest

from otoscope.describe import PRESETS
from otoscope.describe.config import DescribeConfig
from otoscope.describe.presets import preset
from otoscope.describe.stage import config_type
from otoscope.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"permutation": 3}, "unknown describe setting 'permutation'. Did you mean 'permutations'"),
        ({"function": "soft_wpmy"}, r"unknown similarity function 'soft_wpmy'\. Did you mean 'soft_wpmi'"),
        ({"function": "cos", "parameters": {"top_k": 3}}, "unknown parameter of cos 'top_k'"),
        ({"parameters": {"topk": 3}}, "unknown parameter of wpmi 'topk'. Did you mean 'top_k'"),
        ({"null": "pool"}, "unknown null 'pool'. Did you mean 'pooled'"),
        ({"split": 1.0}, "split: expected a number above 0 and below 1, got 1.0"),
        ({"poles": "low"}, "unknown poles 'low'. Known: both, high"),
        ({"function": "soft_wpmi", "parameters": {"p_end": 2}}, "0 <= p_end <= p_start <= 1"),
    ],
)
def test_refused(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DescribeConfig(**options)


def test_frozen() -> None:
    with pytest.raises(InputError, match="alpha cannot be set: a DescribeConfig never changes"):
        DescribeConfig().alpha = 0.1


@pytest.mark.parametrize(
    ("options", "n_clips", "top_k"),
    [
        ({}, 200, 20),
        ({}, 5000, 28),
        ({}, 4, 1),
        ({"function": "soft_wpmi"}, 200, 20),
        ({"function": "soft_wpmi"}, 2000, 100),
        ({"function": "soft_wpmi", "top_share": 1}, 40, 100),
        ({"function": "soft_wpmi", "parameters": {"top_k": 70}}, 200, 70),
        ({"function": "cos"}, 200, None),
    ],
)
def test_how_many_clips_are_looked_at(options: dict, n_clips: int, top_k: int | None) -> None:
    assert DescribeConfig(**options).top_k(n_clips) == top_k


def test_identity_holds_what_changes_a_number() -> None:
    base = DescribeConfig()
    assert base.identity() == DescribeConfig(block=7).identity()
    assert base.identity()["parameters"] == {"lam": 0.8}
    assert DescribeConfig(parameters={}).identity() != base.identity()
    assert DescribeConfig(parameters={"lam": 0.8}).identity() == base.identity()


@pytest.mark.parametrize(
    ("name", "method"), [("default", "db"), *((name, one) for name in PRESETS for one in PRESETS[name])]
)
def test_presets(name: str, method: str) -> None:
    found = preset(name, method)
    assert isinstance(found, config_type(method)) and preset(name, method, **found.model_dump()) == found


def test_the_published_preset() -> None:
    published = preset("and-2024", function="soft_wpmi")
    assert (published.marginal, published.affinity, published.temperature) == ("neuron", "softmax", 100.0)
    assert published.same_clips and published.poles == "high"
    assert published.top_k(5) == 100
    with pytest.raises(UnknownNameError, match=r"unknown preset 'and'.*and-2024"):
        preset("and")
    with pytest.raises(
        UnknownNameError, match=r"unknown method of the preset and-2024 'dbb'.*Did you mean 'db'"
    ):
        preset("and-2024", "dbb")
