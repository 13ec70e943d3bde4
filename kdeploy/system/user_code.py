"""Code that the user gave, as of a `torch:` teacher: what it raises is its own fault, told with the place in it."""

from __future__ import annotations

import signal
import sys
import sysconfig
import traceback
from collections.abc import Iterator
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
        raise ModelError(name, must, got=told(exc), advice=advice) from exc


def told(error: BaseException) -> str:
    """What an error says, on one line; where code that is neither ours, torch's nor Python's raised it, with its class
    and the place."""
    words = str(error).strip().partition("\n")[0].rstrip(".")
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_known(frame.filename)]
    if not places:
        return words or type(error).__name__
    what = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return f"{what}, in {places[-1].filename}:{places[-1].lineno}"


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
