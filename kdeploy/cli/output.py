"""The output of verbs: one JSON document with --json, else tables on stdout; the next command goes to stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kdeploy.cli.errors import AlreadyReported
from kdeploy.cli.openable import openable
from kdeploy.formatting.untrusted import printable
from kdeploy.system import distributed

if TYPE_CHECKING:
    from pathlib import Path

    from kdeploy.errors import KdeployError
    from kdeploy.records.base import Record


def document(text: str) -> None:
    """Print the one JSON document of --json; what the encoding of stdout does not have is escaped."""
    # a character that is not ASCII stands inside of a string
    encoding = sys.stdout.encoding or "utf-8"
    shown = text if _fits(text, encoding) else re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")
    sys.stdout.flush()


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def record(result: Record, error: KdeployError | None = None, *, folder: Path | None = None) -> None:
    """Print a record as the document; a failure that it shows is in it, under `error`.

    Args:
        folder: what the paths in the record are relative to; those that are printed can be opened as they stand.
    Raises: AlreadyReported when there is an error.
    """
    if error is None and folder is None:
        document(result.to_json())
        return
    content = json.loads(result.to_json())
    if folder is not None:
        content = openable(content, folder)
    document(json.dumps(content | ({} if error is None else {"error": error.as_json()}), indent=1, ensure_ascii=False))
    if error is None:
        return
    raise AlreadyReported(error)


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with figures to the right; the first column holds names."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        grid.add_column(heading, justify="left" if number == 0 else "right", header_style="dim", no_wrap=number == 0)
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    _console().print(grid)
    _console().print()


def line(text: str) -> None:
    """Print one line on stdout, never wrapped: people copy paths from it."""
    _console().print(printable(text), soft_wrap=True)


def next_command(text: str) -> None:
    """Print the next command on stderr."""
    Console(stderr=True, quiet=not distributed.is_first()).print(
        f"next: {printable(text)}", style="dim", highlight=False, markup=False, soft_wrap=True
    )


def _console() -> Console:
    # 120 columns where there is no terminal, so that a pipe or a log does not cut tables at 80
    return Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False, emoji=False)
