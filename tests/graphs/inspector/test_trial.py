"""One call of a model that the inspector lets pass, in a child: one that does not end is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from kdeploy.errors import ResourceError
from kdeploy.graphs.inspector import trial
from kdeploy.graphs.inspector.admit import admit, inspect
from kdeploy.system.limits import memory_of_this_machine
from tests.graphs.inspector import hostile
from tests.graphs.inspector.hostile import good, model, value


def tireless(width: int = 8192, depth: int = 400) -> onnx.ModelProto:
    """y = w w w ... + x with w made in the graph: some kilobytes of file, and minutes for each product."""
    steps = [("ConstantOfShape", ["square"], "w0")]
    steps += [("MatMul", [f"w{step}", "w0"], f"w{step + 1}") for step in range(depth)]
    steps += [("ReduceMax", [f"w{depth}"], "largest"), ("ReduceMax", ["x"], "input")]
    steps += [("Add", ["largest", "input"], "sum"), ("Expand", ["sum", "one"], "y")]
    nodes = [helper.make_node(operator, inputs, [output], name=output) for operator, inputs, output in steps]
    shapes = {"square": [width, width], "one": [1, 1]}
    tensors = [numpy_helper.from_array(np.array(lengths), name) for name, lengths in shapes.items()]
    return model(nodes, outputs=[value("y", [1, 1])], tensors=tensors)


def test_a_model_that_answers_is_admitted(tmp_path):
    assert admit(hostile.write(good(), tmp_path / "net.onnx")).opset == 18


def test_a_model_that_would_compute_for_days_is_refused(tmp_path, monkeypatch):
    path = hostile.write(tireless(), tmp_path / "net.onnx")
    assert path.stat().st_size < 50_000
    assert inspect(path).activation_bytes < 2**30
    monkeypatch.setattr(trial, "SECONDS", 3)
    with pytest.raises(ResourceError) as caught:
        admit(path)
    must = f"must be run once within {memory_of_this_machine()} bytes of memory and 3 s of processor time"
    assert str(caught.value) == f"{path}: {must} (it took more than 3 s of processor time). Do not run it here."


def test_a_model_that_onnx_runtime_refuses_is_left_to_the_verb(tmp_path):
    path = hostile.write(hostile.unary("BitwiseNot"), tmp_path / "net.onnx")
    found = inspect(hostile.write(good(), tmp_path / "good.onnx"))
    assert trial.call_once(tmp_path / "good.onnx", found) is None
    assert "BitwiseNot" in (trial.call_once(path, found) or "")
    request = {"inputs": [value.model_dump() for value in found.inputs], "runtime": trial.RUNTIME}
    answers = [trial.called(request | {"path": str(one)}, lambda _: None) for one in (tmp_path / "good.onnx", path)]
    assert [answer["refused"] is None for answer in answers] == [True, False]


def test_inputs_are_of_one_row_and_of_the_length_that_stands_for_a_free_one():
    found = trial._zeros(trial.Value(name="x", dtype="uint8", shape=("n", 3, None)))
    assert (found.shape, found.dtype, found.any()) == ((1, 3, 224), np.uint8, False)
