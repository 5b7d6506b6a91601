"""Run one command's function under typer, and say in one sentence what went wrong where something did."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from otoscope.cli.command import checked_arguments, command_of
from otoscope.errors import InputError, OtoscopeError
from otoscope.progress import shown
from otoscope.registry import load


def call(name: str, target: str, arguments: list[str]) -> int:
    """Run the command ``name`` whose function (or typer app) is ``target``; return the exit code."""
    command = command_of(load(target))
    quiet = "--quiet" in arguments
    with ExitStack() as stack:
        stack.enter_context(shown(not quiet))
        stack.enter_context(_logged_to_stderr(logging.ERROR if quiet else logging.WARNING))
        try:
            given = checked_arguments(name, command, arguments)
            code = command(given, prog_name=f"otoscope {name}", standalone_mode=False)
        except OtoscopeError as error:
            return _explain(error)
        except KeyboardInterrupt:
            sys.stderr.write("otoscope: interrupted; what was finished is kept, the same command continues\n")
            return 130
        except Exception as error:  # noqa: BLE001 - typer's own usage errors have several roots across its versions
            return _usage_or_bug(error, arguments)
    return code if isinstance(code, int) else 0


@contextmanager
def _logged_to_stderr(level: int) -> Iterator[None]:
    """Send the package's messages to stderr while a command runs, and leave logging as it was."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("otoscope: %(message)s"))
    logger = logging.getLogger("otoscope")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _explain(error: OtoscopeError) -> int:
    sys.stderr.write(f"otoscope: {error}\n")
    if os.environ.get("OTOSCOPE_TRACEBACK"):
        traceback.print_exception(error)
    return 2 if isinstance(error, InputError) else 1


def _usage(message: str, arguments: list[str]) -> str:
    """Return a usage error of typer in our words, with the value that was given."""
    if "Input should be" not in message:
        return message.rstrip(".")
    text = message.replace("Input should be", "it must be").partition(", unable to parse")[0]
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, joined = option.partition("=")
        if f"'{name}'" in text:
            return f"{text}, got {(joined if equals else value)!r}"
    return text


def _usage_or_bug(error: Exception, arguments: list[str]) -> int:
    if hasattr(error, "format_message"):  # a usage error of typer
        sys.stderr.write(f"otoscope: {_usage(str(error.format_message()), arguments)} (see --help)\n")
        return 2
    if type(error).__name__ in ("Exit", "Abort"):
        return int(getattr(error, "exit_code", 1))
    traceback.print_exception(error)
    sys.stderr.write(f"otoscope: this is a bug in Otoscope ({type(error).__name__}); please report it\n")
    return 1
