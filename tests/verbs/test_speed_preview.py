"""How fast a student will be is known before anything is trained, and asking leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kdeploy import api
from kdeploy.graphs.counting.count import count
from kdeploy.models.signature import signature
from kdeploy.parity.compare import answers
from kdeploy.records.bench import BenchRecord
from kdeploy.records.plan import SpeedPreview
from kdeploy.records.report import GateResult
from kdeploy.stages import bench
from kdeploy.verbs.prepare import Options
from tests import made
from tests.program import TINY, inside
from tests.reports import report_records

ONNX = """\
name: given
data: {numpy: data.npz}
teacher: [{onnx: teacher.onnx}]
student: {bottleneck: 2, hidden: [16]}
export: {bottleneck: factored}
"""


class Timed(NamedTuple):
    """What was handed to the benchmark, looked at while it was there."""

    multiply_adds: int
    answers: np.ndarray
    inputs: np.ndarray


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Timed]:
    """Instead of timing: the models of the next preview, by name."""
    found: dict[str, Timed] = {}

    def look(_folder: Path, *, baseline: bench.Contender, candidate: bench.Contender, **_: object) -> BenchRecord:
        for one in (baseline, candidate):
            name, shape = signature(one.onnx).input, (1, *one.inputs.shape[1:])
            cost = count(one.onnx, {name: shape}).multiply_adds
            found[one.name] = Timed(cost, answers("onnxruntime", one.onnx, name, one.inputs)[0], one.inputs)
        return report_records.bench()

    monkeypatch.setattr(bench, "run", look)
    return found


def _previewed(subject: Path, runs: Path, *overrides: str, data_root: Path | None = None) -> SpeedPreview:
    options = Options(runs=runs, overrides=overrides, data_root=data_root)
    found = api.plan(subject, options, speed=True, timed=False).speed_preview
    assert found is not None
    return found


def test_a_plan_times_an_untrained_student_and_keeps_nothing(tmp_path: Path):
    found = inside("plan", TINY, "--speed", "--no-time", "--runs", tmp_path / "runs", "--set", "gate.min_speedup=0.01")
    assert found.code == 0, found.stderr
    assert (
        "speed: an untrained student and an untrained teacher; latency depends on sizes, not on weights\n"
        "bottleneck: would ship factored (asked for (export.bottleneck: factored))\n"
    ) in found.stdout
    assert "\nonnxruntime, batch 1, 1 thread  " in found.stdout
    assert "\ngate: min_speedup " in found.stdout
    assert not (tmp_path / "runs").exists()


def test_a_plan_that_is_not_asked_for_speed_has_none(runs: Path):
    assert api.plan(TINY, Options(runs=runs), timed=False).speed_preview is None


def test_a_teacher_that_is_made_is_the_one_that_is_timed(runs: Path, timed: dict[str, Timed]):
    before = sorted(runs.rglob("*"))
    found = _previewed(TINY, runs)
    assert (found.reason, found.untrained_teacher, found.gate) == ("", False, None)
    assert [(row.runtime, row.low) for row in found.bench] == [("onnxruntime", 6.51), ("openvino", 6.74)]
    [teacher] = (runs / "teacher").iterdir()
    logits = np.load(teacher / "held_out_logits.npy")
    np.testing.assert_allclose(timed["teacher"].answers, logits[: len(timed["teacher"].inputs)], atol=1e-4)
    assert sorted(runs.rglob("*")) == before


def test_an_untrained_net_has_the_sizes_of_the_trained_one(tmp_path: Path, tiny, timed: dict[str, Timed]):
    found = _previewed(TINY, tmp_path / "runs", "gate.min_speedup=7")
    summary = tiny.outcome.document
    assert found.untrained_teacher
    assert {name: one.multiply_adds for name, one in timed.items()} == {
        name: summary[name]["multiply_adds"] for name in ("teacher", "student")
    }
    assert found.gate == GateResult(
        key="min_speedup",
        required=7,
        measured=6.51,
        passed=False,
        text="lower bound 6.51x on onnxruntime, batch 1, 1 thread, 0.49x short of the 7x asked; "
        "lower bound 6.74x on openvino, batch 1, 1 thread, 0.26x short of the 7x asked",
    )


@pytest.mark.parametrize(("data", "shape"), [(made.images, (1, 8, 8)), (made.points, (2,))], ids=["images", "points"])
def test_an_onnx_teacher_is_timed_as_the_file_that_it_is(
    tmp_path: Path, timed: dict[str, Timed], data: Callable[[Path], Path], shape: tuple[int, ...]
):
    data(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", shape)
    (tmp_path / "given.yaml").write_text(ONNX)
    found = _previewed(tmp_path / "given.yaml", tmp_path / "runs", data_root=tmp_path)
    assert (found.reason, found.untrained_teacher) == ("", False)
    assert found.bottleneck == "factored (asked for (export.bottleneck: factored))"
    expected, _ = answers(
        "onnxruntime", tmp_path / "teacher.onnx", signature(tmp_path / "teacher.onnx").input, timed["teacher"].inputs
    )
    np.testing.assert_array_equal(timed["teacher"].answers, expected)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("teacher.0.count=2", "the teacher is not made yet: kdeploy label makes it"),
        (
            "export.bottleneck={tolerance: 1e-3}",
            "export.bottleneck {tolerance: 0.001} finds a rank from trained weights",
        ),
    ],
)
def test_a_speed_that_cannot_be_known_yet_says_why(tmp_path: Path, override: str, reason: str):
    found = inside("plan", TINY, "--speed", "--no-time", "--runs", tmp_path / "runs", "--set", override)
    assert f"\nspeed: not known, {reason}\n" in found.stdout
    assert _previewed(TINY, tmp_path / "runs", override) == SpeedPreview(reason=reason)
