"""A command's function (or a group of them) as something that typer can call, with the words that the documents use.

What an option takes is written TEXT, INTEGER or NUMBER, and an argument by its name in capitals, whatever the version
of typer: ``--help`` and ``docs/cli.md`` read the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_origin

import typer
from typer.main import get_command

from otoscope.errors import UnknownNameError

TAKES = {bool: "", int: "INTEGER", float: "NUMBER"}
"""Type of an option -> what it takes; any other takes TEXT."""


def command_of(found: Any) -> Any:
    """Return the command of a function, or the group of a typer app."""
    if isinstance(found, typer.Typer):
        group: Any = get_command(found)
        for one in found.registered_commands:
            if one.callback is not None:
                _name(group.commands[one.name or one.callback.__name__], one.callback)
        return group
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(found)
    return _name(get_command(app), found)


def checked_arguments(name: str, command: Any, arguments: list[str]) -> list[str]:
    """Return the arguments of a command; those of a group begin with one of its commands, or ask for help.

    Raises
    ------
    UnknownNameError
        If a group has no such command: its commands are listed.
    """
    known = getattr(command, "commands", None)
    if known is None:
        return arguments
    if not arguments:
        return ["--help"]
    if not arguments[0].startswith("-") and arguments[0] not in known:
        raise UnknownNameError.of(f"{name} command", arguments[0], known)
    return arguments


def metavar(parameter: inspect.Parameter) -> str:
    """Return what stands for the value of an argument or option in the help; empty for a switch.

    Examples
    --------
    >>> from otoscope.cli.train import train
    >>> given = inspect.signature(train, eval_str=True).parameters
    >>> [metavar(given[one]) for one in ("arch", "out", "epochs", "valid", "settings", "json")]
    ['ARCH', 'TEXT', 'INTEGER', 'NUMBER', 'KEY=VALUE', '']
    """
    kind, declared = get_args(parameter.annotation)[:2]
    if declared.metavar:
        return str(declared.metavar)
    if isinstance(declared, typer.models.ArgumentInfo):
        return parameter.name.upper()
    inner = [one for one in get_args(kind) if one is not type(None)]
    many = get_origin(kind) is list or any(get_origin(one) is list for one in inner)
    return "TEXT" if many else TAKES.get(inner[0] if inner else kind, "TEXT")


def _name(command: Any, function: Callable[..., Any]) -> Any:
    given = inspect.signature(function, eval_str=True).parameters
    for one in command.params:
        if one.name in given and (text := metavar(given[one.name])):
            one.metavar = text
            if one.param_type_name == "argument":
                _plain(one, text)
    return command


def _plain(argument: Any, text: str) -> None:
    """Show an argument as ``ARCH``, where some versions of typer write ``{ARCH}`` and ``ARCH <str>``."""
    record = argument.get_help_record

    def get_help_record(ctx: Any) -> tuple[str, str] | None:
        found = record(ctx)
        return None if found is None else (text, found[1])

    argument.get_usage_pieces = lambda ctx: [text]
    argument.get_help_record = get_help_record
