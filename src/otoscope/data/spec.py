"""What does ``scheme:rest?option=value`` ask for?

A ``?`` starts options only where ``rest`` as a whole is not an existing path, so files with a question mark
in their name stay reachable. Values are percent-decoded and converted to the type of the loader's default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from otoscope.errors import InputError, UnknownNameError
from otoscope.registry import known, split_spec

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


_MARKS = (
    ("meta/esc50.csv", "esc50"),
    ("metadata/UrbanSound8K.csv", "urbansound8k"),
    ("blues", "gtzan"),
    ("genres/blues", "gtzan"),
    ("dataset_dict.json", "hub"),
    ("state.json", "hub"),
    ("recordings", "fsdd"),
    ("validation_list.txt", "speech-commands"),
    ("iden_split.txt", "voxceleb1"),
    ("AudioWAV", "crema-d"),
    ("nsynth-train", "nsynth"),
    ("nsynth-valid", "nsynth"),
    ("nsynth-test", "nsynth"),
    ("isolated_events", "gise51"),
    ("FSD50K.ground_truth", "fsd50k"),
    ("annotations.csv", "sonyc-ust"),
    ("annotations_with_test.csv", "sonyc-ust"),
)
"""What lies in a folder -> the scheme that it looks like."""


@dataclass(frozen=True)
class DataSpec:
    """A DATA argument taken apart.

    Attributes
    ----------
    scheme : str
        Name of the loader.
    rest : str
        What the loader gets: a path, a number ...
    options : dict of str to str
        The options after ``?``, as text.
    """

    scheme: str
    rest: str
    options: dict[str, str]


def parse(spec: str, table: Mapping[str, str]) -> DataSpec:
    """Return ``spec`` taken apart; the scheme is looked up later.

    Raises
    ------
    InputError
        If there is no scheme, with the scheme that the path looks like; or if an option has no ``=``.

    Examples
    --------
    >>> parse("csv:table.csv?multi=;", {})
    DataSpec(scheme='csv', rest='table.csv', options={'multi': ';'})
    """
    scheme, rest = split_spec(spec)
    if scheme is None:
        raise InputError(_without_scheme(spec, known(table, "data")))
    if "?" not in rest or Path(rest).exists():
        return DataSpec(scheme, rest, {})
    rest, _, query = rest.rpartition("?")
    return DataSpec(scheme, rest, pairs_of(query, spec))


def pairs_of(query: str, spec: str) -> dict[str, str]:
    """Return ``option=value&option=value`` as a dict, percent-decoded.

    Raises
    ------
    InputError
        If an option has no ``=``.
    """
    return dict(_pair(part, spec) for part in query.split("&") if part)


def typed_options(spec: DataSpec, loader: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ``spec`` and ``given`` (which wins), converted and checked against the loader's signature.

    Raises
    ------
    UnknownNameError
        If the loader has no such option.
    InputError
        If a text cannot be converted.
    """
    parameters = list(inspect.signature(loader).parameters.values())
    defaults = {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    merged: dict[str, Any] = {**spec.options, **given}
    for name in merged:
        if name not in defaults:
            raise UnknownNameError.of(f"option of {spec.scheme}:", name, defaults)
    return {name: _convert(name, value, defaults[name]) for name, value in merged.items()}


def written(spec: DataSpec, options: Mapping[str, Any]) -> str:
    """Return the one text for ``spec`` with the options that were used, sorted: opening it gives the same clips.

    Examples
    --------
    >>> written(DataSpec("sounds", "40", {}), {"seed": 3, "n": 7})
    'sounds:40?n=7&seed=3'
    """
    pairs = [f"{name}={quote(str(options[name]), safe='/,;|')}" for name in sorted(options)]
    return f"{spec.scheme}:{spec.rest}" + ("?" + "&".join(pairs) if pairs else "")


def _pair(part: str, spec: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals or not name:
        raise InputError(f"expected option=value after '?', got {part!r} in {spec!r}")
    return unquote(name), unquote(value)


def _convert(name: str, value: Any, default: Any) -> Any:
    if not isinstance(value, str) or default is None or isinstance(default, str):
        return value
    try:
        return _TRUTH[value.lower()] if isinstance(default, bool) else type(default)(value)
    except (KeyError, ValueError):
        kind = "yes or no" if isinstance(default, bool) else type(default).__name__
        raise InputError(f"option {name} takes {kind}, got {value!r}") from None


def _without_scheme(spec: str, schemes: tuple[str, ...]) -> str:
    path = Path(spec)
    guess = next((scheme for mark, scheme in _MARKS if (path / mark).exists()), "")
    if not guess:
        guess = "folder" if path.is_dir() else "csv" if path.suffix.lower() in {".csv", ".tsv"} else ""
    advice = f" Did you mean {guess}:{spec}?" if guess else ""
    return f"DATA is scheme:rest with scheme one of {', '.join(schemes)}; got {spec!r}.{advice}"
