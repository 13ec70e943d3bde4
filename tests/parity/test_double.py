"""What a graph computes in half precision is widened for the oracle, and judged in that precision's budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.parity.compare import proved
from kdeploy.parity.double import as_double, as_single, precision_of
from kdeploy.parity.truth import onnx_oracle
from tests import made


def half(path: Path) -> Path:
    """float32 ports, and float16 weights between two casts."""
    weight = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float16)
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["h", "w"], ["z"]),
        helper.make_node("Cast", ["z"], ["y"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weight, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_half_precision_inside_is_judged_in_its_own_row(tmp_path):
    path, inputs = half(tmp_path / "half.onnx"), np.random.default_rng(1).random((8, 40), np.float32)
    oracle = onnx_oracle(path, inputs)
    weight = numpy_helper.to_array(onnx.load(path).graph.initializer[0]).astype(np.float64)
    np.testing.assert_allclose(oracle.logits, inputs @ weight, rtol=0, atol=1e-12)
    row = proved(path, "half", oracle, inputs, "reference")
    assert (row.precision, row.passed) == ("fp16", True)
    assert row.max_abs_error > 100 * oracle.float32_error


@pytest.mark.parametrize("wide", [as_single, as_double])
def test_no_half_is_left_in_a_graph_that_is_widened(wide, tmp_path):
    model = wide(onnx.load(half(tmp_path / "half.onnx")))
    assert precision_of(model) == "fp32"
    assert [node.attribute[0].i for node in model.graph.node[::2]] == [model.graph.initializer[0].data_type] * 2


def test_the_lowest_precision_that_a_graph_computes_in_is_its_own(tmp_path):
    model = onnx.load(made.linear(tmp_path / "a.onnx", (4,)))
    assert precision_of(model) == "fp32"
    assert as_single(model) is model
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", 16, [1], [1.0])))
    assert precision_of(model) == "bf16"
    model.graph.node.append(helper.make_node("QuantizeLinear", ["x", "step"], ["q"]))
    assert precision_of(model) == "int8"
