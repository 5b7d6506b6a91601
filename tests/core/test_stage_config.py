"""Settings: what is refused and in which words, what is taken, and that pydantic's words reach nobody."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import traceback
from typing import Any, Literal, Self, get_origin

import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator

import otoscope
from otoscope.errors import InputError, OtoscopeError, UnknownNameError
from otoscope.setting_errors import allowed_by, explained, wanted
from otoscope.stage_config import MOST_SEED, Seed, StageConfig


class EchoConfig(StageConfig):
    """A stage's settings, one of each kind."""

    layers: tuple[str, ...] = ("*",)
    rows: tuple[int, ...] = ()
    seeds: tuple[Seed, ...] = ()
    pooling: Literal["mean", "max"] = "mean"
    freeze: Literal["encoder"] | None = None
    split: float = Field(0.5, gt=0, lt=1)
    top: int | None = Field(None, ge=1, le=9)
    audio: bool = True
    name: str = "echo"
    entries: dict[str, Any] | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.name == "ours":
            raise UnknownNameError.of("echo", "wel", ["well", "hall"])
        if self.name == "theirs":
            raise ValueError("a sentence of a check")
        return self


REFUSED = [
    ({"pooling": "men"}, "unknown pooling 'men'. Did you mean 'mean'? Known: mean, max."),
    ({"pooling": 3}, "pooling: expected 'mean' or 'max', got 3"),
    ({"freeze": "all"}, "unknown freeze 'all'. Known: encoder."),
    ({"split": 1}, "split: expected a number above 0 and below 1, got 1"),
    ({"split": "half"}, "split: expected a number above 0 and below 1, got 'half'"),
    ({"split": float("nan")}, "split: expected a number above 0 and below 1, got nan"),
    ({"top": 0}, "top: expected a whole number from 1 to 9, or None, got 0"),
    ({"top": 1.5}, "top: expected a whole number from 1 to 9, or None, got 1.5"),
    ({"audio": "perhaps"}, "audio: expected true or false, got 'perhaps'"),
    ({"name": 3}, "name: expected a text, got 3"),
    ({"layers": 3}, "layers: expected several values, each a text, got 3"),
    ({"layers": ("a", 3)}, "layers[1]: expected a text, got 3"),
    ({"rows": "12"}, "rows: expected several values, each a whole number, got '12'"),
    ({"seeds": (0, -1)}, f"seeds[1]: expected a whole number from 0 to {MOST_SEED}, got -1"),
    ({"seed": -1}, f"seed: expected a whole number from 0 to {MOST_SEED}, got -1"),
    ({"seed": 2**32}, f"seed: expected a whole number from 0 to {MOST_SEED}, got 4294967296"),
    (
        {"entries": 3},
        "entries: expected names with values (a dict; on the command line NAME.KEY=VALUE), or None, got 3",
    ),
    (
        {"laeyrs": 3},
        "unknown echo setting 'laeyrs'. Did you mean 'layers' or 'entries' or 'rows'? "
        "Known: layers, rows, seeds, pooling, freeze, split, "
        "top, audio, name, entries, seed.",
    ),
    ({"name": "ours"}, "unknown echo 'wel'. Did you mean 'well'? Known: well, hall."),
    ({"name": "theirs"}, "a sentence of a check"),
    (
        {"split": 2, "pooling": "men"},
        "unknown pooling 'men'. Did you mean 'mean'? Known: mean, max. split: expected a number above 0 and below 1, "
        "got 2.",
    ),
    ({"split": "x" * 300}, "split: expected a number above 0 and below 1, got '" + "x" * 76 + "..."),
]


@pytest.mark.parametrize(("settings", "said"), REFUSED, ids=lambda one: str(one)[:40])
@pytest.mark.parametrize("make", [lambda s: EchoConfig(**s), EchoConfig.model_validate, EchoConfig.of])
def test_what_is_refused_is_said_in_our_words(make, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        make(settings)
    assert str(caught.value) == said
    whole = "".join(traceback.format_exception(caught.value))
    assert "pydantic.dev" not in whole and "ValidationError" not in whole.replace(
        "except ValidationError", ""
    )


def test_unknown_names_carry_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        EchoConfig(pooling="men")
    assert (caught.value.name, caught.value.known) == ("men", ("mean", "max"))


def test_settings_never_change() -> None:
    config = EchoConfig()
    with pytest.raises(
        InputError, match=r"^seed cannot be set: a EchoConfig never changes. Make another: Echo"
    ):
        config.seed = 3
    assert config.seed == 0
    assert EchoConfig(**{**config.model_dump(), "seed": 3}).seed == 3


def test_one_text_is_taken_for_several() -> None:
    assert EchoConfig(layers="logits") == EchoConfig(layers=("logits",)) == EchoConfig(layers=["logits"])
    assert EchoConfig(name="logits").name == "logits"


def test_a_stage_takes_settings_a_dict_or_nothing() -> None:
    made = EchoConfig(seed=4)
    assert EchoConfig.of(made) is made
    assert EchoConfig.of({"seed": 4}) == made
    assert EchoConfig.of(None) == EchoConfig()
    with pytest.raises(InputError) as caught:
        EchoConfig.of("seed=4")
    assert (
        str(caught.value) == "the config of echo is a EchoConfig, or a dict of its settings; got str 'seed=4'"
    )
    with pytest.raises(InputError, match="expected the settings of echo by name, got 3"):
        EchoConfig.model_validate(3)


def test_what_pydantic_does_is_kept() -> None:
    config = EchoConfig(layers=("a",), top=3)
    assert EchoConfig.model_validate(config.model_dump()) == config
    assert hash(EchoConfig(seed=2)) == hash(EchoConfig(seed=2))
    assert config.model_copy(update={"top": 4}).top == 4
    assert EchoConfig(split="0.25", seed="7") == EchoConfig(split=0.25, seed=7)
    assert list(inspect.signature(EchoConfig).parameters) == list(EchoConfig.model_fields)


def test_types_without_words_keep_the_sentence_of_the_check() -> None:
    class Plain(BaseModel):
        when: bytes = b""
        missing: int

    with pytest.raises(ValidationError) as caught:
        Plain(when=3, missing=1)
    assert str(explained(Plain, caught.value)) == "when: expected a valid bytes, got 3"
    with pytest.raises(ValidationError) as caught:
        Plain()
    assert str(explained(Plain, caught.value)) == "missing is missing: expected a whole number"


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | str, "a whole number or a text"),
        (tuple[float, ...], "several values, each a number"),
        (Literal["one"], "'one'"),
        (bytes, None),
        (bytes | None, None),
        (Seed, f"a whole number from 0 to {MOST_SEED}"),
    ],
)
def test_what_a_type_allows(annotation: Any, words: str | None) -> None:
    assert wanted(annotation) == words


def test_a_complaint_without_a_type() -> None:
    at_least = {"type": "greater_than_equal", "msg": "Input should be ...", "ctx": {"ge": 2}}
    assert allowed_by(at_least) == "a number of at least 2"
    assert allowed_by({"type": "url_parsing", "msg": "Input should be a valid URL"}) == "a valid URL"


def configs() -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {}
    for module in pkgutil.walk_packages(otoscope.__path__, "otoscope."):
        if module.name.endswith("__main__"):
            continue
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, BaseModel) and one.__module__.startswith("otoscope"):
                found[one] = None
    return [one for one in found if one is not StageConfig]


def test_every_stage_has_such_settings_and_no_seed_is_negative() -> None:
    found = configs()
    assert len(found) > 12
    for kind in found:
        assert issubclass(kind, StageConfig), kind
        assert kind.model_config.get("frozen") and kind.model_config.get("extra") == "forbid"
        for name in kind.model_fields:
            if "seed" in name or (kind.__name__, name) == ("ReproduceConfig", "shuffles"):
                bad = (-1,) if get_origin(kind.model_fields[name].annotation) is tuple else -1
                with pytest.raises(
                    OtoscopeError, match=rf"^{name}.*: expected a whole number from 0 to \d+, got -1$"
                ):
                    kind(**{name: bad})
