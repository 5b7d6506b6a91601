"""Options that mean the same in every command, and how they become models, clips and configs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

import typer

from otoscope.errors import InputError
from otoscope.stage_config import MOST_SEED, StageConfig

if TYPE_CHECKING:
    from otoscope.data.clips import Clips
    from otoscope.models.audio_model import AudioModel
    from otoscope.store.run import Run
    from otoscope.work.engine import Engine

Config = TypeVar("Config", bound=StageConfig)

Model = Annotated[
    str,
    typer.Argument(
        help="demo:, planted:, hf:NAME, beats:FILE, panns:FILE, m2d:FILE, untrained:MODEL, py:module:factory, or a"
        " model folder"
    ),
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="a run folder")]
Data = Annotated[
    str,
    typer.Option(
        help="esc50:PATH, folder:PATH, csv:FILE, hub:NAME, sounds:N ...; otoscope data list shows all"
    ),
]
Events = Annotated[
    str | None,
    typer.Option(
        help="annotations in time: a file or folder of CSV, TextGrid, CTM, RTTM, JAMS; PATH?tier=NAME picks a tier"
    ),
]
Derive = Annotated[
    str | None,
    typer.Option(
        help="label sets made of others: digit+speaker, octave=note:FILE, a column; joined by commas"
    ),
]
Moved = Annotated[
    str | None, typer.Option("--data", help="where the recorded sounds are now, if they were moved")
]
Out = Annotated[str, typer.Option(help="where to write")]
Folds = Annotated[str | None, typer.Option(help="folds to use, such as 1-4 or 1,3")]
Split = Annotated[str | None, typer.Option(help="split to use, such as train or test")]
Limit = Annotated[int | None, typer.Option(help="use at most this many clips, spread over the collection")]
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="decides every random choice")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress and no warnings on stderr")]
Show = Annotated[int, typer.Option(min=0, help="print at most so many")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")]
EngineName = Annotated[str, typer.Option("--engine", help="who computes the blocks: local or ray")]
Address = Annotated[
    str | None, typer.Option(help="ray: a running cluster (auto, HOST:PORT, ray://HOST:PORT)")
]
Workers = Annotated[int | None, typer.Option(min=1, help="ray: workers, each with its copy of the network")]
CpusPerWorker = Annotated[int | None, typer.Option(min=1, help="ray: cores of each worker")]
GpusPerWorker = Annotated[float | None, typer.Option(min=0, help="ray: GPUs of each worker, 0.5 shares one")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="any other setting of this stage; repeatable"),
]


def path(text: str) -> Path:
    """Return a path with ``~`` resolved, or the place that a URL names."""
    from otoscope.store.place import place

    return place(text)


def open_clips(
    data: str,
    folds: str | None,
    split: str | None,
    limit: int | None,
    *,
    events: str | None = None,
    derive: str | None = None,
) -> Clips:
    """Return the clips that the data options name."""
    from otoscope.data import open_data

    said = {key: text for key, text in (("events", events), ("derive", derive)) if text}
    return open_data(data, **said).select(folds=folds, split=split, limit=limit)


def moved_clips(run: Run, data: str | None) -> Clips | None:
    """Return a run's clips where they are now, in its order; None where nothing is said of that."""
    from otoscope.data import open_data
    from otoscope.data.reopen import reopen

    return None if data is None else reopen(run, open_data(data))


def open_network(model: str, device: str) -> AudioModel:
    """Return the network that the model options name."""
    from otoscope.models import open_model

    return open_model(model, device)


def network_of(run: Run, model: str | None, device: str) -> AudioModel:
    """Return the network of a run: the one that is named, else the one that the run was recorded from."""
    from otoscope.models.reopen import reopen_model

    return open_network(model, device) if model is not None else reopen_model(run, device)


def configured(
    kind: type[Config], settings: list[str] | None, *, base: dict[str, Any] | None = None, **options: Any
) -> Config:
    """Return a config from a base, options (those that are None keep the base) and ``KEY=VALUE`` settings.

    ``KEY.INNER=VALUE`` sets one entry of a setting that holds several, such as ``parameters.top_k=50``;
    ``KEY={"INNER": VALUE}``, a JSON object, sets all of them.

    Raises
    ------
    InputError
        If a setting has no ``=``, an object is no JSON, or the config refuses it (see
        :class:`~otoscope.stage_config.StageConfig`).
    """
    values = {**(base or {}), **{key: value for key, value in options.items() if value is not None}}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"expected --set KEY=VALUE, got {setting!r}")
        outer, dot, inner = key.strip().partition(".")
        if dot:
            values[outer] = {**_entries(values.get(outer), outer), inner: number_or_text(value)}
        else:
            values[outer] = _parsed(kind, outer, value)
    return kind.model_validate(values)


def engine_of(
    name: str, address: str | None, workers: int | None, cpus: int | None, gpus: float | None
) -> Engine:
    """Return who computes the blocks."""
    from otoscope.work.engine import Engine

    given = {"address": address, "workers": workers, "cpus_per_worker": cpus, "gpus_per_worker": gpus}
    return Engine(name=name, **{key: value for key, value in given.items() if value is not None})


def number_or_text(text: str) -> int | float | str:
    """Return ``text`` as the number that it writes, else as it is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _entries(present: Any, name: str) -> dict[str, Any]:
    """Return the entries of a setting that holds several; none where it is not set yet."""
    if present is None or isinstance(present, dict):
        return present or {}
    raise InputError(f"{name} takes one value and has no entries: expected --set {name}=VALUE")


def _parsed(kind: type[StageConfig], key: str, value: str) -> Any:
    """Return the text of a setting as what its type takes: None only where that is a value of it."""
    field = kind.model_fields.get(key)
    if field is None:
        return value
    if value.lower() in ("none", "null") and type(None) in get_args(field.annotation):
        return None
    if dict in (get_origin(field.annotation), *map(get_origin, get_args(field.annotation))):
        return _object(key, value)
    if get_origin(field.annotation) is tuple:
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _object(key: str, value: str) -> Any:
    try:
        found = json.loads(value)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{key} holds several entries: expected --set {key}='{{\"NAME\": VALUE}}' or --set {key}.NAME=VALUE, "
            f"got {value!r} ({error})"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{key} holds several entries: expected a JSON object, got {value!r}")
    return found
