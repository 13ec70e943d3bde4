from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_benchmark.stats import Stats

from kdeploy.timing import pytest_benchmark
from kdeploy.timing.recompute import recompute
from tests.timing.test_recompute import folder

__all__ = ["folder"]  # the fixture of a finished benchmark of two comparisons


def compare(*files: Path, cwd: Path) -> str:
    """What the real command says of the files."""
    words = [
        sys.executable,
        "-m",
        "pytest_benchmark",
        "compare",
        *map(str, files),
        "--columns=median,rounds,iterations",
    ]
    environment = {**os.environ, "PY_COLORS": "0"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=cwd, env=environment)
    assert "Failed to load" not in done.stdout + done.stderr
    return done.stdout


def test_the_command_of_pytest_benchmark_reads_and_compares_it(folder: Path, tmp_path: Path) -> None:
    record = recompute(folder)
    path = pytest_benchmark.export(record, folder)
    assert path == folder / "pytest-benchmark.json"
    later = tmp_path / "later.json"
    later.write_bytes(path.read_bytes())
    shown = compare(path, later, cwd=tmp_path)
    groups = [line for line in shown.splitlines() if "benchmark '" in line]
    assert len(groups) == 1  # both comparisons of the fixture are of one runtime, batch and number of threads
    assert "benchmark 'onnxruntime, batch 1, threads 1': 8 tests" in groups[0]
    for arm in record.arms:
        assert shown.count(f"{arm.name} (") == 2


def test_the_data_are_the_mean_of_each_counted_block_of_each_replicate(folder: Path) -> None:
    record = recompute(folder)
    found = json.loads(pytest_benchmark.export(record, folder).read_bytes())["benchmarks"]
    assert [one["name"] for one in found] == [arm.name for arm in record.arms]
    for one, arm in zip(found, record.arms, strict=True):
        assert arm.latency_ns is not None
        told = one["extra_info"]["kdeploy"]
        assert sum(told["calls"]) == arm.latency_ns.n_calls
        assert one["stats"]["rounds"] == len(one["stats"]["data"]) == len(told["replicate"])
        total = sum(mean * calls for mean, calls in zip(one["stats"]["data"], told["calls"], strict=True))
        assert total * 1e9 / arm.latency_ns.n_calls == pytest.approx(arm.latency_ns.mean, abs=1)
        assert (told["arm"], told["role"], told["schema"]) == (arm.name, arm.role, "kdeploy.bench/3")
    assert [one["extra_info"]["kdeploy"]["status"] for one in found[::2]] == [
        compared.claim.status for compared in record.comparison
    ]


def test_an_arm_without_a_block_that_counts_has_no_benchmark(folder: Path) -> None:
    record = recompute(folder)
    assert pytest_benchmark.document(record, {})["benchmarks"] == []


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=30))
def test_its_statistics_are_those_of_pytest_benchmark(data: list[float]) -> None:
    theirs = Stats()
    theirs.data = data
    wanted = theirs.as_dict()
    found = pytest_benchmark.stats(data, 7)
    assert found.pop("data") == data
    assert found.pop("iterations") == 7
    assert found == wanted
