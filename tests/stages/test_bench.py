from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdeploy.records.bench import BenchRecord, Quality
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import bench
from kdeploy.stages.bench import Contender
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.timing.request import Settings
from tests.stages.conftest import HALF, IMAGE, Done, inputs_of

# as little as can be measured: the numbers mean nothing, their places do
SHORT = Settings(
    looks=(1,), blocks=2, block_ns=1_000_000, warm_up_ns=1_000_000, warm_up_calls=1, least_calls=2, limit_ns=10**9
)


@pytest.fixture(scope="module")
def contenders(digits: SampleSet, taught: Done, distilled: Done, exported: Done) -> tuple[Contender, Contender]:
    logits = {
        "teacher": np.load(taught.folder / "test_logits.npy"),
        "student": np.load(distilled.folder / distilled.record.chosen.logits),
    }
    found = [
        Contender(
            name=name,
            onnx=exported.folder / f"{name}.onnx",
            inputs=inputs_of(digits, preprocessing, "test"),
            expected=logits[name],
            quality=Quality(metric="top1", value=0.9, n=150, dataset_sha256=digits.sample_hash),
            torch_flops=getattr(exported.record, name).torch_flops,
            artefacts={"onnxruntime": exported.folder / f"{name}.onnx"},
        )
        for name, preprocessing in (("teacher", HALF), ("student", IMAGE))
    ]
    return found[0], found[1]


def measure(folder: Path, baseline: Contender, candidate: Contender, **changes: Any) -> BenchRecord:
    arguments: dict[str, Any] = {"names": ["onnxruntime"], "sizes": [(1, 1)], "command": ("kdeploy", "bench")} | changes
    return bench.run(
        folder,
        baseline=baseline,
        candidate=candidate,
        settings=SHORT,
        progress=Progress(),
        **arguments,
    )


def test_every_size_is_measured_and_the_record_has_what_was_given(
    contenders: tuple[Contender, Contender], tmp_path: Path
):
    record = measure(tmp_path, *contenders, sizes=[(1, 1), (1, 4)])
    assert [(found.runtime, found.threads, found.batch) for found in record.comparison] == [
        ("onnxruntime", 1, 1),
        ("onnxruntime", 1, 4),
    ]
    for found in record.comparison:
        for name, contender in zip((found.baseline, found.candidate), contenders, strict=True):
            arm = record.arm(name)
            assert arm.model == contender.name
            assert arm.artifact.sha256 == hash_file(contender.onnx)
            assert arm.quality == contender.quality
    assert record.null_sut is not None
    assert [(floor.runtime, floor.threads) for floor in record.null_sut] == [("onnxruntime", 1)]
    assert record.command == ("kdeploy", "bench")
    assert (tmp_path / "raw.jsonl.gz").is_file()
    assert BenchRecord.read(tmp_path / "bench.json") == record


def test_both_models_are_counted_at_the_batch_of_the_arm(
    contenders: tuple[Contender, Contender], exported: Done, tmp_path: Path
):
    record = measure(tmp_path, *contenders, sizes=[(1, 1), (1, 4)])
    models = {"teacher": exported.record.teacher, "student": exported.record.student}
    for arm in record.arms:
        compute, model, batch = arm.compute, models[arm.model], arm.workload.batch
        assert compute is not None
        assert compute.multiply_adds == batch * model.multiply_adds > 0
        assert compute.flops == 2 * compute.multiply_adds == compute.cross_check["torch_flop_counter"]
        assert (compute.coverage, compute.uncounted_ops, compute.params) == (1, {}, model.parameters)
        assert compute.weights_bytes is not None
        assert 4 * model.parameters <= compute.weights_bytes < model.bytes
        assert sum(layer.multiply_adds for layer in compute.layers) == compute.multiply_adds
        assert {layer.output_shape[0] for layer in compute.layers} == {batch}


def test_a_model_that_answers_wrongly_gets_no_claim(contenders: tuple[Contender, Contender], tmp_path: Path):
    teacher, student = contenders
    assert student.expected is not None
    record = measure(tmp_path, teacher, replace(student, expected=student.expected + 1))
    claim = record.comparison[0].claim
    assert claim.status == "refused"
    assert "R13" in [reason.code for reason in claim.reasons]


def test_a_model_made_elsewhere_is_converted_measured_and_counted_without_torch(
    contenders: tuple[Contender, Contender], tmp_path: Path
):
    bare = [replace(found, expected=None, quality=None, torch_flops=None, artefacts={}) for found in contenders]
    record = measure(tmp_path, *bare)
    for arm in record.arms:
        assert arm.compute is not None
        assert arm.compute.multiply_adds > 0
        assert arm.compute.cross_check == {}
    assert sorted(path.name for path in (tmp_path / "models" / "onnxruntime").iterdir()) == ["baseline", "candidate"]
    assert [arm.parity for arm in record.arms] == [None, None]


def test_more_sizes_can_be_looked_at_briefly(contenders: tuple[Contender, Contender], tmp_path: Path):
    record = measure(tmp_path, *contenders, brief=[(1, 8)])
    assert [(row.batch, row.threads) for row in record.comparison] == [(1, 1)]
    found = {(row.model, row.batch) for row in record.throughput}
    assert found <= {("teacher", 8), ("student", 8)}  # without those whose blocks a busy machine made void
    assert {row.processes for row in record.throughput} <= {1, 2}
