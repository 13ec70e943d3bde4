"""The pytest-benchmark suites of benchmarks/ run, each benchmark once; how fast this machine is decides nothing."""

from __future__ import annotations

import re

import pytest

from tests.program import REPOSITORY, python

ONCE = ("-q", "-p", "no:cacheprovider", "--benchmark-disable", "-rs")


@pytest.mark.parametrize(("suite", "at_least"), [("test_hot_paths.py", 14), ("test_models.py", 4)])
def test_a_suite_runs_and_what_it_skips_has_a_reason(suite: str, at_least: int) -> None:
    done = python("-m", "pytest", *ONCE, REPOSITORY / "benchmarks" / suite, OMP_NUM_THREADS="1")
    assert done.code == 0, done.stdout
    found = re.search(r"(\d+) passed", done.stdout)
    assert found is not None
    assert int(found.group(1)) >= at_least
    reasons = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all(
        re.search(r"its time means nothing|is not here: |does not take an ONNX file: ", line) for line in reasons
    )
