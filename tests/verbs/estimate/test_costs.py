"""What a small run comes to for the run, with laps that say round numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.pipeline.job import Job
from kdeploy.pipeline.store import Store
from kdeploy.recipe.load import load
from kdeploy.records.run import StageKey
from kdeploy.samples.sampleset import SampleSet
from kdeploy.verbs.estimate.costs import Costs
from kdeploy.verbs.estimate.few import few
from kdeploy.verbs.estimate.laps import Lap, Task
from kdeploy.verbs.estimate.small_run import SmallRun
from tests.program import REPOSITORY

SIZES = {"labeled": 1000, "unlabeled": 600, "held_out": 264, "test": 1064}
SHORT = ("distill.epochs=10", "distill.seeds=2", "distill.batch=100", "views.count=4", "export.bottleneck=factored")


def task(description: str, steps: int, each: float) -> Task:
    """So many steps of so many seconds."""
    return Task(description, 0.0, [(step, step * each) for step in range(1, steps + 1)], steps * each)


LAPS = {
    "teacher": Lap(1 + 5 * 0.5, (task("teacher", 5, 0.5),), 1000, 100),
    "labels": Lap(0.25 + 512 * 0.01, (task("labels", 512, 0.01),), 2000, 50),
    "distill": Lap(2 + 4 * 0.1 + 4 * 0.2, (task("student 1 of 1", 4, 0.1), task("baseline 1 of 1", 4, 0.2)), 3000, 70),
    "export": Lap(9.0, (), 4000, 800),
    "verify": Lap(5.0, (task("parity", 6, 0.2),), 4000, 5),
    "bench": Lap(3 + 4 * 2.0, (task("latency", 4, 2.0),), 4000, 30),
    "bundle": Lap(1.5, (), 400, 900),
}


def costs(folder: Path, *overrides: str, laps: dict[str, Lap] | None = None, resident: bool = False) -> Costs:
    ends = np.cumsum([0, *SIZES.values()])
    parts = {name: np.arange(start, end) for name, start, end in zip(SIZES, ends, ends[1:], strict=False)}
    labels = np.where(np.isin(np.arange(ends[-1]), parts["unlabeled"]), -1, 0)
    inputs = {"x": np.zeros((ends[-1], 1, 8, 8), np.uint8)}
    samples = SampleSet(inputs, labels, parts, ("a", "b"), {"x": "image"})
    recipe = load(REPOSITORY / "recipes" / "mnist-5k.yaml", (*SHORT, *overrides)).recipe
    job = Job(recipe, Store(folder), {}, "")
    small = few(samples, 256, 64)
    keys = {StageKey.parse(name): lap for name, lap in (laps or LAPS).items()}
    return Costs(job, samples, SmallRun(small, 2, keys, {0: 4}, [300, 40]), resident)


def seconds(found: Costs, stage: str) -> float:
    cost = found.of(StageKey.parse(stage))
    assert cost is not None
    return cost.seconds


def test_a_training_takes_its_steps_and_the_evaluation_of_all_samples(tmp_path: Path):
    # 200 held-out and 1,000 test samples more than in the small run, at 10 ms each
    found = costs(tmp_path)
    assert seconds(found, "teacher") == pytest.approx(1 + 1200 * 0.01 + 600 * 0.5)
    epochs = costs(tmp_path, "teacher=[{model: deep-cnn, train: {epochs: 3, batch: 50}}]")
    assert seconds(epochs, "teacher") == pytest.approx(1 + 1200 * 0.01 + 3 * 20 * 0.5)
    assert seconds(costs(tmp_path, "teacher=[{onnx: t.onnx}]"), "teacher") == pytest.approx(1 + 12)


def test_each_view_of_each_sample_is_labelled(tmp_path: Path):
    assert seconds(costs(tmp_path), "labels") == pytest.approx(0.25 + 4 * 1600 * 0.01)
    assert costs(tmp_path).row_seconds(0) == pytest.approx(0.01)


def test_students_and_baselines_of_all_seeds_are_trained(tmp_path: Path):
    # 16 steps an epoch; 1,200 answers cost as 4 steps of 100
    assert seconds(costs(tmp_path), "distill") == pytest.approx(2 + 2 * (160 + 4) * (0.1 + 0.2))
    curve = costs(tmp_path, "distill.curve=true")
    assert seconds(curve, "distill") == pytest.approx(2 + 2 * (160 + 4 + 10 * 1064 / 300) * 0.3)


def test_a_benchmark_takes_the_looks_that_fit_into_its_time(tmp_path: Path):
    # two runtimes; 48 sets of 2 s each fit into 150 s, no more than 12 into 40 s, and never fewer
    calm = ("bench.throughput=[]", "bench.runtimes=[onnxruntime, openvino]")
    assert seconds(costs(tmp_path, *calm, "bench.max_seconds=150"), "bench") == pytest.approx(3 + 2 * 48 * 2)
    assert seconds(costs(tmp_path, *calm, "bench.max_seconds=40"), "bench") == pytest.approx(3 + 2 * 12 * 2)
    assert seconds(costs(tmp_path, *calm, "bench.max_seconds=4"), "bench") == pytest.approx(3 + 2 * 6 * 2)
    more = costs(tmp_path, *calm, "bench.max_seconds=40", "bench.batch=[1, 8]", "bench.sustained=5")
    assert seconds(more, "bench") == pytest.approx(3 + 2 * 2 * (12 * 2 + 2 * 5))


def test_both_forms_are_timed_where_that_decides(tmp_path: Path):
    # 2/3 of 1,536 of the transfer set and 264 held-out inputs in place of 2/3 of 512 and 64; four times in float64 and
    # once a format, at a third of a hundredth of a student's step
    compared = (1024 + 264 - 341 - 64) * (4 + 2) * 0.1 / 300
    assert seconds(costs(tmp_path), "export") == pytest.approx(9 + compared)
    assert seconds(costs(tmp_path, "export.bottleneck=auto"), "export") == pytest.approx(9 + compared + 8 * 2.0)
    plain = costs(tmp_path, "export.bottleneck=auto", "student.bottleneck=null")
    assert seconds(plain, "export") == pytest.approx(9 + compared)


def test_a_trained_teacher_is_verified_on_all_test_samples_and_a_graph_on_few(tmp_path: Path):
    student = 0.1 / 300  # a third of a hundredth of its step
    assert seconds(costs(tmp_path), "verify") == pytest.approx(5 + 1000 * (4 + 3) * (0.01 + student))
    asked = costs(tmp_path, "teacher=[{onnx: t.onnx}]")
    assert seconds(asked, "verify") == pytest.approx(5 + 1000 * (4 + 3) * student)


def test_disk_is_what_all_seeds_and_all_samples_leave(tmp_path: Path):
    found = {name: cost.disk_bytes for name in LAPS if (cost := costs(tmp_path).of(StageKey.parse(name)))}
    assert found == {
        "teacher": 100 + 1200 * 2 * 4,
        "labels": 4 * 1600 * 4,
        "distill": 2 * (70 + 2 * 1000 * 2 * 4),
        "export": 800,
        "verify": 5,
        "bench": 30,
        "bundle": 900,
    }


def test_both_forms_are_kept_where_they_were_timed(tmp_path: Path):
    cost = costs(tmp_path, "export.bottleneck=auto").of(StageKey("export"))
    assert cost is not None
    assert cost.disk_bytes == 800 + 300 + 40


def test_memory_is_that_of_the_small_run_and_of_what_it_did_not_read(tmp_path: Path):
    found = costs(tmp_path)
    memory = {name: cost.memory_bytes for name in LAPS if (cost := found.of(StageKey.parse(name)))}
    samples = 2928 * (64 + 8)
    assert memory["labels"] == 2000 + samples
    assert memory["distill"] == 3000 + samples + 4 * 1600 * 4
    assert memory["verify"] == 4000 + samples + 2 * 1000 * 64 * 4
    assert memory["bundle"] == 400 + samples
    already = costs(tmp_path, resident=True).of(StageKey("labels"))
    assert already is not None
    assert already.memory_bytes == 2000


def test_what_several_teachers_come_to_costs_what_it_cost(tmp_path: Path):
    laps = {"teacher-0": LAPS["teacher"], "labels-0": LAPS["labels"], "teacher": Lap(0.5, (), 10, 20)}
    found = costs(tmp_path, "teacher.0.count=2", laps=laps)
    assert seconds(found, "teacher") == 0.5
    assert seconds(found, "teacher-0") == pytest.approx(1 + 12 + 300)
    assert found.of(StageKey.parse("bench")) is None
    assert found.row_seconds(1) == 0
