"""What every stage's settings share: frozen, no unknown names, and our words for what is wrong.

A stage takes them as its config, as a dict (``{"pooling": "max"}``), or not at all: :meth:`StageConfig.of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from otoscope.errors import InputError
from otoscope.setting_errors import explained, shown, stage_of

MOST_SEED = 2**32 - 1
"""Largest seed: the largest that numpy, torch and scikit-learn all take."""

Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
"""What decides everything random in a stage."""


class StageConfig(BaseModel):
    """Settings of a stage; unknown names are refused, and nothing changes once they are made.

    A text is taken for a setting of several texts: ``layers="logits"`` is ``layers=("logits",)``.

    Raises
    ------
    UnknownNameError
        If a setting, or a value out of a fixed choice, is unknown; the closest and the known ones are listed.
    InputError
        If a value is refused: which one, what is allowed, what was given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    if not TYPE_CHECKING:  # type checkers see pydantic's own signatures

        def __init__(self, **settings: Any) -> None:
            try:
                super().__init__(**settings)
            except ValidationError as error:
                _refuse(type(self), error)

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                _refuse(type(self), error)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Return the settings in a dict, as :meth:`pydantic.BaseModel.model_validate`, with our errors."""
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            _refuse(cls, error)

    @classmethod
    def of(cls, given: Self | Mapping[str, Any] | None) -> Self:
        """Return settings as they may be passed to a stage: made already, as a dict, or None for the defaults.

        Raises
        ------
        InputError
            If ``given`` is something else, and as the class itself does.

        Examples
        --------
        >>> class EchoConfig(StageConfig):
        ...     seed: Seed = 0
        >>> EchoConfig.of({"seed": 3}).seed, EchoConfig.of(None).seed
        (3, 0)
        """
        if given is None:
            return cls()
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            return cls.model_validate(dict(given))
        raise InputError(
            f"the config of {stage_of(cls)} is a {cls.__name__}, or a dict of its settings; "
            f"got {type(given).__name__} {shown(given)}"
        )

    @model_validator(mode="before")
    @classmethod
    def _one_text_for_several(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: (value,) if cls._one_of_several(name, value) else value for name, value in data.items()}

    @classmethod
    def _one_of_several(cls, name: str, value: object) -> bool:
        field = cls.model_fields.get(name)
        if field is None or not isinstance(value, str):
            return False
        return get_origin(field.annotation) is tuple and get_args(field.annotation)[0] is str


def _refuse(kind: type[BaseModel], error: ValidationError) -> NoReturn:
    raise explained(kind, error) from None
