"""The options that verbs share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.errors import UsageError

if TYPE_CHECKING:
    from kdeploy.api import Options
    from kdeploy.system.progress import Progress

Subject = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|RUN", help="A recipe file, or the name of a run or of a recipe that ships.", show_default=False
    ),
]
Runs = Annotated[Path, typer.Option("--runs", help="The folder of all work.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", help="What data paths are relative to [default: $KDEPLOY_DATA, else ./data].", show_default=False
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a setting, as student.bottleneck=128; repeatable.",
        show_default=False,
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Let the recipe's torch: run the code that it names.")]
RequireExact = Annotated[
    bool, typer.Option("--require-exact", help="Refuse a checkpoint that cannot be resumed bit for bit here.")
]
Rehash = Annotated[
    bool, typer.Option("--rehash", help="Hash the data again, also files that did not change by size and time.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Copy the files there too.", show_default=False),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that --out has already.")]


def lengths(text: str | None) -> tuple[int, ...] | None:
    """The lengths in `3,224,224`. Raises: BadParameter."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise typer.BadParameter(f"--shape must be lengths of at least 1, as 3,224,224 (got {text!r})")
    return tuple(map(int, parts))


Shape = Annotated[
    str | None,
    typer.Option(
        "--shape",
        metavar="LENGTHS",
        help="Lengths of one sample, for an .onnx file in which some are free: 3,224,224.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

RUNS = Path("runs")


def options(
    runs: Path, data_root: Path | None, overrides: list[str] | None, trust: bool, progress: Progress
) -> Options:
    """The options of the API that these options of the command line say."""
    from kdeploy.api import Options

    command = ("kdeploy", *sys.argv[1:])
    return Options(runs, data_root, tuple(overrides or ()), trust, command, progress)


def refuse(values: Mapping[str, object], subject: str, owners: str) -> None:
    """Refuse options that mean nothing to what was named.

    Args:
        values: of the options, by name; those that are empty were left out.
        subject: what was named.
        owners: what the options are for.
    Raises: UsageError for the first of them.
    """
    for option, value in values.items():
        if value:
            raise UsageError(option, f"must be left out for {subject}", advice=f"It is for {owners}.")
