"""Write what the training core costs into benchmarks/RESULTS.md: `python benchmarks/core.py`, about twenty minutes.

Runs the scripts below on one core and keeps what they print, word by word.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sections

from kdeploy.system import host

SCRIPTS = ("labelling.py", "student_step.py", "memory.py", "ten_students.py")


def main() -> None:
    core = max(host.allowed_cpus())
    os.sched_setaffinity(0, {core})  # the scripts inherit it
    lines = [
        "## training-core",
        "",
        "- command: `python benchmarks/core.py`",
        f"- machine: {host.cpu_model()}, {host.logical_cpus()} CPUs, of which one is used; {host.os_name()}",
        f"- versions: {sections.versions(host.library_versions(('torch', 'numpy', 'onnxruntime')))}",
        "",
    ]
    for script in SCRIPTS:
        lines += [f"`python benchmarks/{script}`", "", "```", *printed(script), "```", ""]
    sections.replace("training-core", lines)


def printed(script: str) -> list[str]:
    """The lines of a script that had no error."""
    settings = os.environ | {"OMP_NUM_THREADS": "1"}
    path = Path(__file__).parent / script
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True, env=settings)
    return done.stdout.strip().splitlines()


if __name__ == "__main__":
    main()
