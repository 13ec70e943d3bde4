"""Exit codes and messages: whatever ended a command becomes one of each; the traceback of a bug goes to a file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from kdeploy.cli.subcommand import completed
from kdeploy.errors import InputError, Interrupted, KdeployError, OtherProcessFailed
from kdeploy.formatting.shortage import is_shortage
from kdeploy.formatting.untrusted import is_unicode, printable
from kdeploy.system.dependencies import missing_dependency
from kdeploy.system.os_errors import error_of
from kdeploy.system.room import must_hold_numpy

T = TypeVar("T")


class AlreadyReported(Exception):
    """Carries an error that already stands in the one document of --json."""

    def __init__(self, error: KdeployError) -> None:
        super().__init__(str(error))
        self.error = error


def raised(check: Callable[[T], None], value: T) -> KdeployError | None:
    """The error of a check, for a command that prints first and fails then."""
    try:
        check(value)
    except KdeployError as exc:
        return exc
    return None


def exit_code_of(app: typer.Typer, arguments: list[str]) -> int:
    """Run the application; returns its exit code."""
    as_json = "--json" in arguments
    try:
        _must_be_unicode("TMPDIR")
        _must_have_working_folder()
        must_hold_numpy()
        result = typer.main.get_command(app)(args=completed(app, arguments), prog_name="kdeploy", standalone_mode=False)
    except BaseException as exc:
        return _code(exc, as_json)
    return result if isinstance(result, int) else 0


def _must_be_unicode(variable: str) -> None:
    if not is_unicode(os.environ.get(variable, "")):
        must = "must be a folder with a name in UTF-8, as runtimes open files only there"
        raise InputError(variable, must, got=os.environ[variable])


def _must_have_working_folder() -> None:
    """Every relative path leads out of it, those of libraries and child processes too."""
    try:
        Path.cwd()
    except OSError as exc:
        advice = "Change to another folder, and run the same command again."
        raise InputError("the working folder", "must be there", got=exc.strerror or str(exc), advice=advice) from exc


def told(error: KdeployError, *, as_json: bool = False) -> int:
    """Print an error; returns its exit code."""
    trace = "".join(getattr(error, "__notes__", ()))  # of code that the user gave
    sys.stderr.write(printed(trace))
    _tell(error.as_json() | ({"traceback": trace} if trace else {}), str(error), as_json)
    return error.code if isinstance(error, Interrupted) else error.exit_code


def _code(error: BaseException, as_json: bool) -> int:
    if isinstance(error, AlreadyReported):
        error, as_json = error.error, False
    error = _cause(error)
    error = missing_dependency(error) or error_of(error) or error
    if isinstance(error, typer.TyperException):
        return _usage(error, as_json)
    if isinstance(error, OtherProcessFailed):
        return error.code  # the other process has reported it
    if isinstance(error, KdeployError):
        return told(error, as_json=as_json)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 130
    return _unexpected(error, as_json)


def _cause(error: BaseException) -> BaseException:
    """An EOFError or a broken pipe in place of what Typer makes of them: an interruption, and an exit."""
    cause = error.__cause__ if isinstance(error, typer.Abort) else error.__context__
    is_made = isinstance(error, typer.Abort | SystemExit) and isinstance(cause, EOFError | BrokenPipeError)
    return cause if is_made and cause is not None else error


def _usage(error: typer.TyperException, as_json: bool) -> int:
    message = error.format_message()
    _tell({"kind": "UsageError", "exit_code": 2, "message": message}, f"{message}\nTry: kdeploy --help", as_json)
    return 2


def _unexpected(error: BaseException, as_json: bool) -> int:
    """The exit code of our bug, or of memory or threads that ran out."""
    log, what = _logged(error), f"{type(error).__name__}: {error}".splitlines()[0]
    if is_shortage(error):
        advice = "Use smaller batches, or raise the limits of this process."
        kind, code, line = (
            "ResourceError",
            8,
            f"kdeploy ran out of memory or threads ({what}). {advice} Details: {log}.",
        )
    else:
        kind, code, line = "Bug", 1, f"kdeploy failed: {what}. The traceback is in {log}. Please report it."
    _tell({"kind": kind, "exit_code": code, "message": line}, line, as_json)
    return code


def _logged(error: BaseException) -> str:
    """The file that keeps a traceback, or why there is none."""
    try:
        text = "".join(traceback.format_exception(error))
        with tempfile.NamedTemporaryFile(
            "w", prefix="kdeploy-error-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log:
            log.write(text)
    except OSError as exc:
        return f"no file ({exc.strerror})"
    except MemoryError:
        return "no file (there is no memory for it)"
    return log.name


def printed(text: str) -> str:
    """Lines for a terminal, which obeys control characters: file names and recipes come from outside."""
    return "\n".join(map(printable, text.split("\n")))


def _tell(document: dict[str, object], line: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": document}, indent=1))  # noqa: T201 - the one document that --json promises
    shown = printed(line)
    print(f"error: {shown}" if "\n" not in shown else shown, file=sys.stderr)  # noqa: T201 - the message itself
