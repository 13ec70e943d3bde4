"""Packages that are imported to see whether they can be, in a child: one may crash, print, or take minutes.

`python -m kdeploy.system.importing MODULE ...` writes a line of JSON before and after each: `{"begins": name}`, and
`{"done": name, "error": words}`, with an empty text where it was imported.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from typing import TextIO

from kdeploy.system.children import module_command, own_environment

PATIENCE_S = 120.0  # for all of them


def import_errors(modules: Sequence[str]) -> dict[str, str]:
    """Why modules cannot be imported, by name; empty texts for those that can.

    A child imports them one after the other; where it dies, another goes on behind the one that it died of.
    """
    errors: dict[str, str] = {}
    while left := [name for name in modules if name not in errors]:
        lines, how = _ask(left)
        errors |= {line["done"]: line["error"] for line in lines if "done" in line}
        begun = next((line["begins"] for line in reversed(lines) if "begins" in line), left[0])
        errors.setdefault(begun, how)
        if begun not in left:
            break
    return errors


def _ask(modules: Sequence[str]) -> tuple[list[dict[str, str]], str]:
    """What a child says, and how it ended."""
    command = module_command(__name__, *modules)
    try:
        done = subprocess.run(command, env=own_environment(), capture_output=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as exc:
        return _lines(exc.stdout or b""), f"it is not imported within {PATIENCE_S:g} s"
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
    return _lines(done.stdout), f"it ends the process with {how}"


def _lines(output: bytes) -> list[dict[str, str]]:
    """The lines that are whole."""
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


def main(modules: Iterable[str]) -> None:
    """Import modules, and say so."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for name in modules:
        _say(answers, {"begins": name})
        try:
            with redirect_stdout(sys.stderr):
                importlib.import_module(name)
        except BaseException as exc:
            words = str(exc).strip().partition("\n")[0].rstrip(".")
            _say(answers, {"done": name, "error": f"{type(exc).__name__}: {words}"})
        else:
            _say(answers, {"done": name, "error": ""})


def _say(answers: TextIO, line: dict[str, str]) -> None:
    answers.write(json.dumps(line) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
