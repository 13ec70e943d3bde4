"""What came from outside is compared in a child: a runtime may end that, and the verification goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import ModelError
from kdeploy.parity.every_format import compared
from kdeploy.parity.subject import Subject
from kdeploy.parity.truth import GraphTruth
from kdeploy.runtimes import installed
from kdeploy.system.progress import Progress
from tests.parity.test_apart import recurrent
from tests.parity.test_second_oracle import quantized
from tests.pipeline.test_advance import Said


def subject(path: Path, *shape: int) -> Subject:
    """A graph from outside with its own graph as the truth."""
    inputs = np.random.default_rng(1).random((8, *shape), np.float32)
    truth = GraphTruth(path, "its graph in float64")
    return Subject("teacher", path, inputs, truth.oracle(inputs), {}, truth, outside=True)


def test_a_runtime_that_ends_its_process_ends_no_verification(tmp_path: Path):
    lstm = subject(recurrent(tmp_path / "net.onnx"), 4, 3)
    record = compared(subjects=[lstm], names=["reference", "onnxruntime"], progress=Progress())
    found = {row.runtime: (row.passed, row.batches[0]) for row in record.rows}
    assert found == {"reference": (True, 0), "onnxruntime": (True, 1)}  # which dies of an empty batch of an LSTM


@pytest.mark.skipif("ncnn" not in installed.available(), reason="ncnn is not installed, which refuses")
def test_a_runtime_that_refuses_says_why(tmp_path: Path):
    with pytest.raises(ModelError, match=r"^runtime 'ncnn': must take net\.onnx in fp32 \(ncnn .*\)\. Choose another"):
        compared(subjects=[subject(recurrent(tmp_path / "net.onnx"), 4, 3)], names=["ncnn"], progress=Progress())


def test_a_gap_of_the_reference_evaluator_is_said_and_the_others_are_compared(tmp_path: Path):
    said = Said()
    record = compared(
        subjects=[subject(quantized(tmp_path / "net.onnx"), 4)], names=["reference", "onnxruntime"], progress=said
    )
    assert [(row.runtime, row.passed, row.precision) for row in record.rows] == [("onnxruntime", True, "int8")]
    [gap] = record.unavailable
    assert gap.field == "teacher on reference"
    assert gap.reason.startswith("No implementation for operator 'DequantizeLinear'")
    assert said.lines == [f"  left out: {gap.field}: {gap.reason}"]
