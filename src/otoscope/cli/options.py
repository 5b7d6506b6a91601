"""Options that mean the same in every command, and how they become models, clips and configs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from otoscope.errors import InputError

if TYPE_CHECKING:
    from otoscope.data.clips import Clips
    from otoscope.models.audio_model import AudioModel
    from otoscope.store.run import Run

Config = TypeVar("Config", bound=BaseModel)

Model = Annotated[
    str,
    typer.Argument(
        help="demo:, planted:, hf:NAME, beats:FILE, panns:FILE, py:module:factory, or a model folder"
    ),
]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="a run folder")]
Data = Annotated[
    str,
    typer.Option(help="esc50:PATH, fsdd:PATH, folder:PATH, csv:FILE, hub:NAME, sounds:N, ..."),
]
Out = Annotated[str, typer.Option(help="where to write")]
Folds = Annotated[str | None, typer.Option(help="folds to use, such as 1-4 or 1,3")]
Split = Annotated[str | None, typer.Option(help="split to use, such as train or test")]
Limit = Annotated[int | None, typer.Option(help="use at most this many clips, spread over the collection")]
Seed = Annotated[int, typer.Option(help="decides every random choice")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps")]
Json = Annotated[bool, typer.Option("--json", help="print the result as JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress and no warnings on stderr")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="any other setting of this stage; repeatable"),
]


def path(text: str) -> Path:
    """Return a path with ``~`` resolved."""
    return Path(text).expanduser()


def open_clips(data: str, folds: str | None, split: str | None, limit: int | None) -> Clips:
    """Return the clips that the data options name."""
    from otoscope.data import open_data

    return open_data(data).select(folds=folds, split=split, limit=limit)


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

    ``KEY.INNER=VALUE`` sets one entry of a setting that holds several, such as ``parameters.top_k=50``.

    Raises
    ------
    InputError
        If a setting has no ``=``, an unknown key, or a value that the config refuses; allowed keys are listed.
    """
    values = {**(base or {}), **{key: value for key, value in options.items() if value is not None}}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"expected --set KEY=VALUE, got {setting!r}")
        outer, dot, inner = key.strip().partition(".")
        if dot:
            values[outer] = {**values.get(outer, {}), inner: number_or_text(value)}
        else:
            values[outer] = _parsed(kind, outer, value)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        raise InputError(f"{where}: {first['msg']}. Settings: {', '.join(kind.model_fields)}") from error


def number_or_text(text: str) -> int | float | str:
    """Return ``text`` as the number that it writes, else as it is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _parsed(kind: type[BaseModel], key: str, value: str) -> Any:
    field = kind.model_fields.get(key)
    if value.lower() in ("none", "null"):
        return None
    takes_many = field is not None and str(field.annotation).startswith("tuple")
    return tuple(value.split(",")) if takes_many else value
