"""A container with a tenth of a CPU, and one with 600 MB: results are the same, and no claim is made that is not so."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests import made
from tests.conftest import TinyRun
from tests.control_group import ControlGroup, control_group
from tests.program import PROGRAM, TINY, Outcome, outcome
from tests.surroundings.results import copied, results

MB = 1_000_000


def test_a_tenth_of_a_cpu_gives_the_same_labels(tiny: TinyRun, tmp_path: Path):
    runs = copied(tiny.runs, tmp_path, "labels")
    with control_group("cpu.max", "10000 100000") as group:
        ended = _kdeploy(group, tmp_path, "label", TINY, "--runs", runs)
        assert (ended.code, ended.stderr[-300:] if ended.code else "") == (0, "")
        assert group.count("cpu.stat")["nr_throttled"] > 10
    assert results(runs) == results(tiny.runs)


def test_a_benchmark_in_a_tenth_of_a_cpu_supports_no_claim(tmp_path: Path):
    models = [made.linear(tmp_path / f"{name}.onnx", (1, 8, 8)) for name in "ab"]
    words = ("--quick", "--no-null", "--max-time", "5", "--runtime", "onnxruntime", "--require-claim")
    with control_group("cpu.max", "10000 100000") as group:
        ended = _kdeploy(group, tmp_path, "bench", "models", *models, *words, "--runs", tmp_path / "runs")
    assert ended.code == 6
    [record] = (tmp_path / "runs").rglob("bench.json")
    [comparison] = json.loads(record.read_text())["comparison"]
    assert comparison["claim"]["status"] == "refused"
    assert "the control group was throttled" in comparison["claim"]["text"]


def test_600_mb_are_enough_and_what_the_kernel_killed_goes_on(tiny: TinyRun, tmp_path: Path):
    """Nobody can say a word when the kernel takes all: the next command goes on."""
    runs = copied(tiny.runs, tmp_path, "labels", "distill")
    with control_group("memory.max", str(150 * MB)) as group:
        assert _kdeploy(group, tmp_path, "distill", TINY, "--runs", runs).code in {-signal.SIGKILL, 8}
    with control_group("memory.max", str(600 * MB)) as group:
        ended = _kdeploy(group, tmp_path, "distill", TINY, "--runs", runs)
    assert (ended.code, ended.stderr[-300:] if ended.code else "") == (0, "")
    assert results(runs) == results(tiny.runs)


def _kdeploy(group: ControlGroup, folder: Path, *words: str | Path) -> Outcome:
    return outcome(group.command(PROGRAM, *words), folder)
