"""What is wrong with a setting, in our words: the setting, what is allowed, what was given, the closest name.

pydantic checks the settings; its sentences ("Input should be ...", "Extra inputs are not permitted") say neither what
was given nor which name was meant, so none of them reaches a user.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from otoscope.errors import InputError, OtoscopeError, UnknownNameError

_LONGEST_SHOWN = 80
_KINDS: dict[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_CHECKED: dict[str, type] = {"int": int, "float": float, "string": str, "bool": bool}
_BOUNDS = {"ge": "of at least {}", "gt": "above {}", "le": "of at most {}", "lt": "below {}"}


def explained(kind: type[BaseModel], error: ValidationError) -> OtoscopeError:
    """Return the error that says what is wrong with the settings of ``kind``, ready to be raised.

    Parameters
    ----------
    kind : subclass of BaseModel
        The settings.
    error : ValidationError
        What pydantic found.

    Returns
    -------
    OtoscopeError
        An error of ours that a check of the settings raised, as it is; :class:`~otoscope.errors.UnknownNameError`
        for a setting, or a value, that is none of the known names; else :class:`~otoscope.errors.InputError`. Where
        several settings are wrong, one that says all of it.
    """
    found = [_complaint(kind, one) for one in _one_a_setting(error.errors(include_url=False))]
    return found[0] if len(found) == 1 else InputError(" ".join(_sentence(one) for one in found))


def stage_of(kind: type[BaseModel]) -> str:
    """Return what settings are of, for a sentence: ``record`` of ``RecordConfig``."""
    return kind.__name__.removesuffix("Config").lower()


def shown(value: object) -> str:
    """Return a value as it stands in a message, at most 80 characters long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def wanted(annotation: Any, metadata: Iterable[object] = ()) -> str | None:
    """Return in words what a type with bounds allows; None where there are no words for it.

    Examples
    --------
    >>> from pydantic import Field
    >>> wanted(Annotated[float | None, Field(gt=0, lt=1)])
    'a number above 0 and below 1, or None'
    """
    if get_origin(annotation) is Annotated:
        inner, *extra = get_args(annotation)
        return wanted(inner, [*metadata, *_flat(extra)])
    choices = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    words = [_one_kind(one, metadata) for one in choices if one is not type(None)]
    if None in words:
        return None
    return " or ".join(str(one) for one in words) + (", or None" if type(None) in choices else "")


def allowed_by(details: Mapping[str, Any]) -> str:
    """Return in words what one of pydantic's complaints asks for, where nothing but the complaint is known.

    Examples
    --------
    >>> allowed_by({"type": "int_parsing", "msg": "", "ctx": {}})
    'a whole number'
    """
    kind = _CHECKED.get(details["type"].partition("_")[0])
    if kind is not None:
        return _KINDS[kind]
    bounds = _bounds([types.SimpleNamespace(**details.get("ctx", {}))])
    return f"a number {bounds}" if bounds else str(details["msg"]).removeprefix("Input should be ")


def _one_kind(annotation: Any, metadata: Iterable[object]) -> str | None:
    if get_origin(annotation) is Literal:
        *first, last = (repr(one) for one in get_args(annotation))
        return f"{', '.join(first)} or {last}" if first else last
    if get_origin(annotation) is tuple:
        each = wanted(get_args(annotation)[0])
        return each and f"several values, each {each}"
    if get_origin(annotation) is dict:
        return "names with values (a dict; on the command line NAME.KEY=VALUE)"
    if annotation not in _KINDS:
        return None
    return " ".join([_KINDS[annotation], bounds]) if (bounds := _bounds(metadata)) else _KINDS[annotation]


def _bounds(metadata: Iterable[object]) -> str:
    found = {
        key: getattr(one, key) for one in metadata for key in _BOUNDS if getattr(one, key, None) is not None
    }
    if found.keys() == {"ge", "le"}:
        return f"from {found['ge']} to {found['le']}"
    return " and ".join(_BOUNDS[key].format(bound) for key, bound in found.items())


def _flat(metadata: Iterable[object]) -> list[object]:
    return [one for part in metadata for one in (part.metadata if isinstance(part, FieldInfo) else [part])]


def _one_a_setting(details: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first complaint about each setting: a choice of types makes one for each of them."""
    first: dict[object, Mapping[str, Any]] = {}
    for one in details:
        first.setdefault(one["loc"][0] if one["loc"] else None, one)
    return list(first.values())


def _complaint(kind: type[BaseModel], details: Mapping[str, Any]) -> OtoscopeError:
    place, given, problem = details["loc"], details["input"], details["type"]
    ours = details.get("ctx", {}).get("error")
    if isinstance(ours, OtoscopeError):
        return ours
    if problem == "value_error":
        return InputError(str(ours))
    if not place:
        return InputError(f"expected the settings of {stage_of(kind)} by name, got {shown(given)}")
    name = str(place[0])
    if problem == "extra_forbidden":
        return UnknownNameError.of(f"{stage_of(kind)} setting", name, kind.model_fields)
    field = kind.model_fields[name]
    if problem == "missing":
        return InputError(f"{name} is missing: expected {wanted(field.annotation, field.metadata)}")
    if problem == "frozen_instance":
        return InputError(_frozen(kind, name))
    if problem == "literal_error" and isinstance(given, str):
        return UnknownNameError.of(name, given, _names(field.annotation))
    return _wrong_value(field, place, given, details)


def _wrong_value(
    field: FieldInfo, place: tuple[int | str, ...], given: object, details: Mapping[str, Any]
) -> InputError:
    annotation, metadata, name = field.annotation, field.metadata, str(place[0])
    if get_origin(annotation) is tuple and len(place) > 1:
        annotation, metadata, name = get_args(annotation)[0], [], f"{name}[{place[1]}]"
    allowed = wanted(annotation, metadata) or allowed_by(details)
    return InputError(f"{name}: expected {allowed}, got {shown(given)}")


def _frozen(kind: type[BaseModel], name: str) -> str:
    return (
        f"{name} cannot be set: a {kind.__name__} never changes. Make another: "
        f"{kind.__name__}(**{{**config.model_dump(), {name!r}: ...}})"
    )


def _names(annotation: Any) -> list[str]:
    """Return the texts of a Literal, also of one among other types."""
    if get_origin(annotation) is Literal:
        return [str(one) for one in get_args(annotation)]
    return [name for one in get_args(annotation) for name in _names(one)]


def _sentence(error: OtoscopeError) -> str:
    text = str(error)
    return text if text.endswith((".", "!", "?")) else f"{text}."
