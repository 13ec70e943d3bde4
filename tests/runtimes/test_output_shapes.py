"""Lengths and types that outputs leave open are inferred, where they are the same for every batch."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.runtimes.output_shapes import closed_outputs

FLOAT = TensorProto.FLOAT


def linear(output: onnx.ValueInfoProto, *further: onnx.NodeProto, wide: int = 5) -> onnx.ModelProto:
    """x (n, 3) to h (n, 5) by a stored weight, and further nodes."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), *further]
    weight = numpy_helper.from_array(np.zeros((3, wide), np.float32), "w")
    read = helper.make_tensor_value_info("x", FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "linear", [read], [output], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def lengths(model: onnx.ModelProto) -> list[int | str]:
    [value] = closed_outputs(model)
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("declared", [["rows", "classes"], [None, None], ["rows"], [4, None]])
@pytest.mark.parametrize("wide", [5, 2000])  # the values of a large weight are not looked at
def test_open_lengths_are_those_of_a_weight_and_the_first_stays(declared: list[int | str | None], wide: int):
    found = lengths(linear(helper.make_tensor_value_info("h", FLOAT, declared), wide=wide))
    assert found == [declared[0] or 0, wide]


def test_an_output_without_a_type_is_given_one():
    model = linear(onnx.ValueInfoProto(name="h"))
    [value] = closed_outputs(model)
    assert value.type.tensor_type.elem_type == FLOAT
    assert not model.graph.output[0].HasField("type")


def test_a_length_that_depends_on_the_batch_stays_open():
    turned = helper.make_node("Transpose", ["h"], ["y"])
    assert lengths(linear(helper.make_tensor_value_info("y", FLOAT, ["a", "b"]), turned)) == ["a", "b"]


def test_of_a_graph_that_onnx_cannot_follow_nothing_is_said():
    strange = helper.make_node("Strange", ["h"], ["y"], domain="my.own")
    assert lengths(linear(helper.make_tensor_value_info("y", FLOAT, ["a", "b"]), strange)) == ["a", "b"]
