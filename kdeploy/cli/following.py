"""The command that follows another, as it can be copied: with the options that were given, and quoted for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from kdeploy.cli.options import RUNS


def following(
    *words: object,
    runs: Path = RUNS,
    data_root: Path | None = None,
    set_: Iterable[str] | None = None,
    trust: bool = False,
) -> str:
    """The command line of a verb; options that have their default are left out.

    >>> following("bundle", "my recipe.yaml", runs=Path("runs"), set_=["student.units=[8, 8]"])
    "kdeploy bundle 'my recipe.yaml' --set 'student.units=[8, 8]'"
    """
    line = ["kdeploy", *map(str, words)]
    for setting in set_ or ():
        line += ["--set", setting]
    if data_root is not None:
        line += ["--data-root", str(data_root)]
    if runs != RUNS:
        line += ["--runs", str(runs)]
    return shlex.join(line + ["--trust"] * trust)
