from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import DataError, ModelError
from kdeploy.graphs.counting.count import Layer, count


def zeros(name: str, *shape: int, dtype: str = "float32") -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(shape, dtype), name)


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    tensors: Sequence[onnx.TensorProto] = (),
    *,
    known: Sequence[onnx.ValueInfoProto] = (),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model whose output is the last node's."""
    graph = helper.make_graph(
        nodes,
        "tried",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        tensors,
        value_info=known,
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def dense(source: str, target: str, wide: int, narrow: int) -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    node = helper.make_node("Gemm", [source, f"{target}_weight", f"{target}_bias"], [target], transB=1)
    return node, [zeros(f"{target}_weight", narrow, wide), zeros(f"{target}_bias", narrow)]


def chain(source: str, widths: Sequence[int]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    nodes, tensors = [], []
    for index, (wide, narrow) in enumerate(pairwise(widths)):
        node, found = dense(source, f"dense{index}", wide, narrow)
        nodes.append(node)
        tensors += found
        source = f"dense{index}"
    return nodes, tensors


def conv_student(image: tuple[int, int, int], channels: int, widths: Sequence[int]) -> onnx.ModelProto:
    """Convolution 5x5 that keeps the size, ReLU, max pool 2, then dense layers."""
    planes, height, width = image
    features = channels * (height // 2) * (width // 2)
    dense_nodes, tensors = chain("features", [features, *widths])
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "kernel_bias"], ["maps"], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("MaxPool", ["active"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        *dense_nodes,
    ]
    tensors += [zeros("kernel", channels, planes, 5, 5), zeros("kernel_bias", channels)]
    return model_of(nodes, {"image": ["rows", *image]}, tensors)


class TestHandCounts:
    """Each number is worked out beside its assertion."""

    def test_a_perceptron_with_a_bottleneck(self):
        nodes, tensors = chain("x", [784, 250, 2000, 10])
        cost = count(model_of(nodes, {"x": ["rows", 784]}, tensors), {"x": (1, 784)})
        assert cost.multiply_adds == 784 * 250 + 250 * 2000 + 2000 * 10 == 716_000
        assert cost.flops == 1_432_000
        assert cost.parameters == 716_000 + 250 + 2000 + 10
        assert cost.weights_bytes == 4 * cost.parameters
        assert cost.coverage == 1
        assert cost.uncounted == {}

    def test_the_cifar_student_of_ba_and_caruana(self):
        cost = count(conv_student((3, 32, 32), 64, [400, 2000, 10]), {"image": (1, 3, 32, 32)})
        convolution = 32 * 32 * 64 * 3 * 25
        assert cost.multiply_adds == convolution + 64 * 16 * 16 * 400 + 400 * 2000 + 2000 * 10 == 12_288_800
        assert cost.coverage == 1

    def test_the_mnist_student(self):
        cost = count(conv_student((1, 28, 28), 32, [64, 512, 10]), {"image": (1, 1, 28, 28)})
        assert [layer.multiply_adds for layer in cost.layers] == [627_200, 401_408, 32_768, 5_120]
        assert cost.multiply_adds == 1_066_496
        assert cost.layers[0] == Layer("maps", "Conv", (1, 32, 28, 28), 627_200, 32 * 25 + 32)

    def test_a_convolution_with_groups_strides_and_dilation(self):
        node = helper.make_node("Conv", ["x", "w"], ["y"], group=4, strides=[2, 2], dilations=[2, 2], pads=[2, 2, 2, 2])
        cost = count(model_of([node], {"x": ["rows", 8, 9, 9]}, [zeros("w", 16, 2, 3, 3)]), {"x": (1, 8, 9, 9)})
        # a kernel of 3 with dilation 2 covers 5: (9 + 4 - 5) // 2 + 1 = 5 places each way
        assert cost.layers[0].output_shape == (1, 16, 5, 5)
        assert cost.multiply_adds == 16 * 5 * 5 * (8 // 4) * 3 * 3

    def test_a_convolution_over_time(self):
        node = helper.make_node("Conv", ["x", "w"], ["y"])
        cost = count(model_of([node], {"x": ["rows", 2, 100]}, [zeros("w", 6, 2, 9)]), {"x": (1, 2, 100)})
        assert cost.multiply_adds == 6 * 92 * 2 * 9

    def test_a_transposed_convolution(self):
        node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], group=2)
        cost = count(model_of([node], {"x": ["rows", 4, 5, 5]}, [zeros("w", 4, 3, 2, 2)]), {"x": (1, 4, 5, 5)})
        # each of 4 x 25 inputs is spread over 3 output channels of its group and 2 x 2 places
        assert cost.layers[0].output_shape == (1, 6, 10, 10)
        assert cost.multiply_adds == 4 * 25 * 3 * 4

    @pytest.mark.parametrize(
        ("left", "right", "multiply_adds"),
        [
            ((7, 3), (3, 5), 7 * 5 * 3),
            ((2, 4, 7, 3), (2, 4, 3, 5), 2 * 4 * 7 * 5 * 3),
            ((2, 1, 7, 3), (4, 3, 5), 2 * 4 * 7 * 5 * 3),
            ((2, 7, 3), (3,), 2 * 7 * 3),
            ((3,), (3, 5), 5 * 3),
            ((3,), (3,), 3),
        ],
    )
    def test_a_product_of_two_inputs_in_all_ranks(self, left, right, multiply_adds: int):
        model = model_of([helper.make_node("MatMul", ["a", "b"], ["y"])], {"a": left, "b": right})
        assert count(model, {"a": left, "b": right}).multiply_adds == multiply_adds

    def test_a_gemm_that_transposes_its_input(self):
        node = helper.make_node("Gemm", ["x", "w"], ["y"], transA=1)
        cost = count(model_of([node], {"x": [3, 7]}, [zeros("w", 3, 5)]), {"x": (3, 7)})
        assert cost.multiply_adds == 7 * 5 * 3


class TestParameters:
    def test_a_tensor_that_two_layers_share_counts_once(self):
        nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])]
        cost = count(model_of(nodes, {"x": [1, 6]}, [zeros("w", 6, 6)]), {"x": (1, 6)})
        assert cost.parameters == 36
        assert [layer.parameters for layer in cost.layers] == [36, 0]
        assert cost.multiply_adds == 72

    def test_running_statistics_are_bytes_but_no_parameters(self):
        names = ["scale", "shift", "mean", "variance"]
        node = helper.make_node("BatchNormalization", ["x", *names], ["y"])
        cost = count(model_of([node], {"x": [1, 6]}, [zeros(name, 6) for name in names]), {"x": (1, 6)})
        assert (cost.parameters, cost.weights_bytes, cost.multiply_adds) == (12, 96, 0)

    def test_scalars_and_integers_are_no_parameters(self):
        nodes = [
            helper.make_node("Add", ["x", "epsilon"], ["a"]),
            helper.make_node("Reshape", ["a", "shape"], ["y"]),
        ]
        tensors = [zeros("epsilon"), numpy_helper.from_array(np.array([6, 1], np.int64), "shape")]
        cost = count(model_of(nodes, {"x": [1, 6]}, tensors), {"x": (1, 6)})
        assert (cost.parameters, cost.weights_bytes) == (0, 4 + 16)

    def test_a_weight_is_found_behind_a_constant_node_and_a_transpose(self):
        nodes = [
            helper.make_node("Constant", [], ["stored"], value=zeros("stored", 5, 6)),
            helper.make_node("Transpose", ["stored"], ["w"]),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ]
        cost = count(model_of(nodes, {"x": [1, 6]}), {"x": (1, 6)})
        assert (cost.parameters, cost.weights_bytes, cost.multiply_adds) == (30, 120, 30)

    def test_a_quantised_weight_counts_its_elements_and_its_smaller_bytes(self):
        nodes = [
            helper.make_node("DequantizeLinear", ["stored", "scale", "zero"], ["w"]),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ]
        tensors = [zeros("stored", 6, 5, dtype="int8"), zeros("scale"), zeros("zero", dtype="int8")]
        cost = count(model_of(nodes, {"x": [1, 6]}, tensors), {"x": (1, 6)})
        assert (cost.parameters, cost.weights_bytes, cost.multiply_adds, cost.coverage) == (30, 30 + 4 + 1, 30, 1)


class TestCoverage:
    """x (1, 6) -> custom (1, 6) -> 10 logits: 6 of 16 output elements come from an operator without a formula."""

    nodes = (
        helper.make_node("Strange", ["x"], ["h"], domain="my.own"),
        helper.make_node("MatMul", ["h", "w"], ["y"]),
    )

    def test_an_unknown_operator_is_listed_and_lowers_the_coverage(self):
        known = [helper.make_tensor_value_info("h", TensorProto.FLOAT, ["rows", 6])]
        model = model_of(self.nodes, {"x": ["rows", 6]}, [zeros("w", 6, 10)], known=known, domains=["my.own"])
        cost = count(model, {"x": (1, 6)})
        assert cost.uncounted == {"my.own::Strange": 1}
        assert cost.coverage == 10 / 16
        assert cost.multiply_adds == 60

    def test_a_standard_operator_without_a_formula_is_listed(self):
        nodes = [
            helper.make_node("Det", ["x"], ["h"]),
            helper.make_node("Relu", ["h"], ["y"]),
        ]
        cost = count(model_of(nodes, {"x": [2, 6, 6]}), {"x": (2, 6, 6)})
        assert cost.uncounted == {"Det": 1}
        assert cost.coverage == 0.5

    def test_nothing_is_claimed_when_the_size_of_an_unknown_operator_is_unknown(self):
        model = model_of([*self.nodes[:1], helper.make_node("Relu", ["h"], ["y"])], {"x": [1, 6]}, domains=["my.own"])
        assert count(model, {"x": (1, 6)}).coverage == 0

    def test_a_layer_whose_shape_is_unknown_is_an_error(self):
        model = model_of(self.nodes, {"x": [1, 6]}, [zeros("w", 6, 10)], domains=["my.own"])
        with pytest.raises(ModelError) as caught:
            count(model, {"x": (1, 6)})
        assert str(caught.value) == (
            "model 'tried': node 'y' must have known shapes (none of 'y'). "
            "A node before it has an operator whose shapes ONNX does not know."
        )

    def test_a_convolution_of_another_domain_is_not_taken_for_ours(self):
        known = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])]
        node = helper.make_node("Conv", ["x", "w"], ["y"], domain="my.own")
        model = model_of([node], {"x": [1, 4, 8, 8]}, [zeros("w", 4, 4, 1, 1)], domains=["my.own"])
        model.graph.output[0].CopyFrom(known[0])
        cost = count(model, {"x": (1, 4, 8, 8)})
        assert (cost.multiply_adds, cost.uncounted, cost.coverage) == (0, {"my.own::Conv": 1}, 0)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 300), widths=st.lists(st.integers(1, 40), min_size=2, max_size=5))
def test_multiply_adds_are_proportional_to_the_rows_and_parameters_are_not(rows: int, widths: list[int]):
    nodes, tensors = chain("x", widths)
    model = model_of(nodes, {"x": ["rows", widths[0]]}, tensors)
    one, many = count(model, {"x": (1, widths[0])}), count(model, {"x": (rows, widths[0])})
    assert one.multiply_adds == sum(wide * narrow for wide, narrow in pairwise(widths))
    assert many.multiply_adds == rows * one.multiply_adds
    assert many.parameters == one.parameters == sum(math.prod(tensor.dims) for tensor in tensors)
    assert many.coverage == one.coverage == 1


def test_the_sums_of_the_layers_are_the_totals():
    cost = count(conv_student((3, 32, 32), 8, [20, 10]), {"image": (4, 3, 32, 32)})
    assert cost.multiply_adds == sum(layer.multiply_adds for layer in cost.layers)
    assert cost.parameters == sum(layer.parameters for layer in cost.layers)


def test_a_reshape_that_computes_its_shape_is_followed():
    """(rows, 4, 6) -> (rows, 24) by Shape and Concat, as exporters write x.view(x.shape[0], -1)."""
    nodes = [
        helper.make_node("Shape", ["x"], ["rows"], start=0, end=1),
        helper.make_node("Concat", ["rows", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(np.array([-1], np.int64), "rest"), zeros("w", 24, 5)]
    assert count(model_of(nodes, {"x": ["rows", 4, 6]}, tensors), {"x": (3, 4, 6)}).multiply_adds == 3 * 24 * 5


def test_a_function_of_the_model_is_counted_where_it_is_called():
    body = [helper.make_node("MatMul", ["a", "b"], ["c"])]
    function = helper.make_function("my.own", "Dense", ["a", "b"], ["c"], body, [helper.make_opsetid("", 18)])
    nodes = [helper.make_node("Dense", ["x", "w"], ["y"], domain="my.own")]
    model = model_of(nodes, {"x": [2, 6]}, [zeros("w", 6, 5)], domains=["my.own"])
    model.functions.append(function)
    cost = count(model, {"x": (2, 6)})
    assert (cost.multiply_adds, cost.coverage, cost.parameters) == (60, 1, 30)


def test_the_model_that_is_given_is_left_as_it_was():
    model = conv_student((1, 28, 28), 32, [64, 10])
    before = model.SerializeToString()
    count(model, {"image": (3, 1, 28, 28)})
    assert model.SerializeToString() == before


@pytest.mark.parametrize("external", [False, True])
def test_a_file_counts_as_its_model_does(external: bool, tmp_path: Path):
    """With side files too, of which only the small tensors are read."""
    model = conv_student((1, 28, 28), 32, [64, 10])
    expected = count(model, {"image": (1, 1, 28, 28)})
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=external, location="model.bin", size_threshold=0)
    assert (tmp_path / "model.bin").exists() == external
    assert count(path, {"image": (1, 1, 28, 28)}) == expected


class TestRefusals:
    model = model_of([helper.make_node("MatMul", ["a", "b"], ["y"])], {"a": ["rows", 3], "b": [3, "rows"]})

    def refusal(self, shapes: dict[str, tuple[int, ...]]) -> str:
        with pytest.raises(DataError) as caught:
            count(self.model, shapes)
        return str(caught.value)

    def test_other_names_are_refused(self):
        assert self.refusal({"a": (1, 3)}) == "model 'tried': must be given shapes for the inputs ['a', 'b'] (['a'])."

    @pytest.mark.parametrize("shape", [(1, 4), (1, 3, 1), (1,), ()])
    def test_a_shape_that_does_not_fit_is_refused(self, shape: tuple[int, ...]):
        assert self.refusal({"a": shape, "b": (3, 1)}) == (
            f"model 'tried': input 'a' must have a shape that fits ('rows', 3) ({shape})."
        )

    def test_a_symbol_means_one_length_in_all_inputs(self):
        assert self.refusal({"a": (2, 3), "b": (3, 5)}) == (
            "model 'tried': input 'b' must have a shape that fits (3, 'rows') ((3, 5))."
        )

    def test_an_inconsistent_graph_is_an_error(self):
        model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["rows", 6]}, [zeros("w", 5, 2)])
        with pytest.raises(ModelError) as caught:
            count(model, {"x": (1, 6)})
        foreign = " ".join(str(caught.value.__cause__).split())
        assert str(caught.value) == f"model 'tried': must have consistent shapes at these inputs ({foreign})."

    def test_what_is_no_model_is_an_error(self, tmp_path: Path):
        path = tmp_path / "model.onnx"
        path.write_text("garbage")
        with pytest.raises(ModelError) as caught:
            count(path, {})
        assert str(caught.value) == f"{path}: must be an ONNX model ({caught.value.__cause__})."
