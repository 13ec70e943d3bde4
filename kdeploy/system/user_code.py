"""Code that the user gave, as of a `torch:` teacher, by name: what it raises is its own fault, told with the place in
it."""

from __future__ import annotations

import importlib
import signal
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from kdeploy.errors import KdeployError, ModelError
from kdeploy.formatting.shortage import is_shortage

_OURS = str(Path(__file__).parents[1])


@contextmanager
def calling(name: str, must: str, *, advice: str = "") -> Iterator[None]:
    """While it runs, what it prints goes to stderr, as stdout belongs to --json; what it raises becomes a ModelError.

    That is so for sys.exit too; not for Ctrl-C, and not for memory or threads that ran out.

    Args:
        name: of the code.
        must: what it must do.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (KdeployError, MemoryError):
        raise
    except BaseException as exc:
        if _is_from_the_keyboard(exc) or is_shortage(exc):
            raise
        error = ModelError(name, must, got=told(exc), advice=advice)
        if trace := their_traceback(exc):
            error.add_note(trace)
        raise error from exc


def function(name: str) -> Callable[..., object]:
    """The function of a name, `package.module:function`, whose module is imported: the caller made sure that it may.

    Raises: ModelError when there is none; what its module raises.
    """
    place, _, function = name.partition(":")
    try:
        found: Callable[..., object] = getattr(importlib.import_module(place), function)
    except (ImportError, AttributeError) as exc:
        if their_traceback(exc):
            raise  # their module is here, and what it does fails
        must, got = "must be an importable package.module:function", str(exc)
        raise ModelError(name, must, got=got, advice="Look at PYTHONPATH.") from exc
    return found


def told(error: BaseException) -> str:
    """What an error says, on one line; where code that is neither ours, torch's nor Python's raised it, with its class
    and the place: the last one in a file of the user's own, or else in a package."""
    words = str(error).strip().partition("\n")[0].rstrip(".")
    places = _their_frames(error)
    if not places:
        return words or type(error).__name__
    what = f"{type(error).__name__}: {words}" if words else type(error).__name__
    place = next((frame for frame in reversed(places) if not _is_in_package(frame.filename)), places[-1])
    return f"{what}, in {place.filename}:{place.lineno}"


def their_traceback(error: BaseException) -> str:
    """The traceback of an error from the first line on that is the user's own; empty where none is."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((number for number, frame in enumerate(frames) if not _is_known(frame.filename)), None)
    if first is None:
        return ""
    lines = (*traceback.format_list(frames[first:]), *traceback.format_exception_only(error))
    return "Traceback (most recent call last):\n" + "".join(lines)


def _their_frames(error: BaseException) -> list[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_known(frame.filename)]


def _is_in_package(file: str) -> bool:
    return Path(file).is_relative_to(sysconfig.get_path("purelib"))


def _is_from_the_keyboard(error: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C: where kdeploy catches the signal, Python raises no KeyboardInterrupt for it."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _is_known(file: str) -> bool:
    torch = sys.modules.get("torch")
    roots = [_OURS, *([] if torch is None else torch.__path__)]
    if file.startswith("<") or any(Path(file).is_relative_to(root) for root in roots):
        return True
    library, packages = sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")
    return Path(file).is_relative_to(library) and not Path(file).is_relative_to(packages)
