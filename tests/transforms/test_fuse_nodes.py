from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from kdeploy.transforms.fuse_nodes import fuse_nodes

# float32 sums of up to 12 x 12 products in another order, relative to the largest output
TOLERANCE = 2e-5
KINDS = ("matmul", "add", "bias first", "gemm", "gemm without bias", "gemm transposed")


def graph(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], shape: tuple[int, ...], outputs: tuple[str, ...]
) -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model)  # ONNX's checker wants the shapes of outputs


def layer(
    kind: str, name: str, source: str, sizes: tuple[int, int], draws: np.random.Generator
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """The nodes of one linear layer, which gives `name`, and its weights."""
    w, b = f"{name}_w", f"{name}_b"
    weight, bias = (draws.standard_normal(shape).astype(np.float32) for shape in (sizes, sizes[1:]))
    if kind == "matmul":
        return [helper.make_node("MatMul", [source, w], [name])], {w: weight}
    if kind in ("add", "bias first"):
        inner = f"{name}_inner"
        terms = [inner, b] if kind == "add" else [b, inner]
        product = helper.make_node("MatMul", [source, w], [inner])
        return [product, helper.make_node("Add", terms, [name])], {w: weight, b: bias}
    if kind == "gemm without bias":
        return [helper.make_node("Gemm", [source, w], [name], alpha=0.5)], {w: weight}
    transposed = kind == "gemm transposed"
    node = helper.make_node("Gemm", [source, w, b], [name], transB=int(transposed), beta=2.0)
    return [node], {w: weight.T.copy() if transposed else weight, b: bias}


def chain(kinds: tuple[str, ...], widths: tuple[int, ...], seed: int = 0) -> onnx.ModelProto:
    """Linear layers one behind the other, from `x` to `y`."""
    draws = np.random.default_rng(seed)
    nodes, weights, source = [], dict[str, np.ndarray](), "x"
    for number, kind in enumerate(kinds):
        name = "y" if number == len(kinds) - 1 else f"h{number}"
        more, values = layer(kind, name, source, widths[number : number + 2], draws)
        nodes, weights, source = [*nodes, *more], weights | values, name
    return graph(nodes, weights, widths[:1], ("y",))


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def error(found: onnx.ModelProto, truth: onnx.ModelProto, shape: tuple[int, ...]) -> float:
    """The largest difference of what two graphs give, relative to the largest output."""
    batch = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    one, other = (ReferenceEvaluator(model).run(None, {"x": batch})[0] for model in (found, truth))
    return float(np.abs(one - other).max() / np.abs(other).max())


@pytest.mark.parametrize(
    ("kinds", "after"),
    [
        (("matmul", "matmul"), ["MatMul"]),
        (("add", "matmul"), ["MatMul", "Add"]),
        (("matmul", "bias first"), ["MatMul", "Add"]),
        (("gemm", "add"), ["Gemm"]),
        (("gemm without bias", "gemm without bias"), ["Gemm"]),
        (("add", "add", "matmul", "gemm transposed"), ["Gemm"]),
        (("matmul", "add", "matmul", "add"), ["MatMul", "Add"]),
    ],
)
def test_pairs_become_one_layer_with_at_most_one_bias(kinds: tuple[str, ...], after: list[str]):
    model = chain(kinds, tuple(range(5, 6 + len(kinds))))
    outcome = fuse_nodes(model)
    assert outcome.done
    assert operators(outcome.model) == after
    onnx.checker.check_model(outcome.model, full_check=True)
    weights = [tuple(tensor.dims) for tensor in outcome.model.graph.initializer]
    assert weights[0] == (5, 5 + len(kinds))
    assert len(outcome.pairs) == len(kinds) - 1


def test_the_reason_names_every_pair_and_the_record_where_it_was():
    outcome = fuse_nodes(chain(("matmul", "add"), (12, 3, 8)))
    assert outcome.reason == "one layer in place of 12 x 3 x 8"
    assert outcome.pairs == (("y", 12, 3, 8),)


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=2, max_size=4).map(tuple),
    widths=st.lists(st.integers(1, 12), min_size=5, max_size=5).map(tuple),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_the_fused_graph_gives_what_the_chain_gave(kinds: tuple[str, ...], widths: tuple[int, ...], seed: int):
    model = chain(kinds, widths, seed)
    outcome = fuse_nodes(model)
    assert outcome.done
    onnx.checker.check_model(outcome.model, full_check=True)
    assert error(outcome.model, model, (7, widths[0])) < TOLERANCE


def test_a_sequence_is_fused_as_a_vector_is():
    nodes = [helper.make_node("MatMul", ["x", "v"], ["h"]), helper.make_node("MatMul", ["h", "u"], ["y"])]
    draws = np.random.default_rng(0)
    weights = {"v": draws.standard_normal((4, 2)), "u": draws.standard_normal((2, 5))}
    model = graph(nodes, {name: value.astype(np.float32) for name, value in weights.items()}, (3, 4), ("y",))
    outcome = fuse_nodes(model)
    assert operators(outcome.model) == ["MatMul"]
    assert error(outcome.model, model, (7, 3, 4)) < TOLERANCE


def between(*nodes: onnx.NodeProto, outputs: tuple[str, ...] = ("y",), **weights: Any) -> onnx.ModelProto:
    """x -> MatMul v -> h -> the nodes."""
    values = {"v": np.ones((4, 2)), "u": np.ones((2, 5))} | weights
    first = helper.make_node("MatMul", ["x", "v"], ["h"])
    return graph([first, *nodes], {name: np.float32(value) for name, value in values.items()}, (4,), outputs)


def node(operator: str, inputs: list[str], output: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


REFUSED = {
    "an activation is between": between(node("Relu", ["h"], "a"), node("MatMul", ["a", "u"])),
    "another node reads it": between(node("MatMul", ["h", "u"]), node("Relu", ["h"], "z"), outputs=("y", "z")),
    "it is an output": between(node("MatMul", ["h", "u"]), outputs=("y", "h")),
    "the weights come from the input": between(node("MatMul", ["x", "h"]), v=np.ones((4, 4))),
    "the bias grows the batch": between(node("Gemm", ["h", "u", "c"]), c=np.ones((5, 1))),
    "the bias adds an axis": between(node("MatMul", ["h", "u"], "m"), node("Add", ["m", "c"]), c=np.ones((3, 1, 5))),
    "the weights are turned": between(node("Gemm", ["h", "u"], transA=1), v=np.ones((4, 5)), u=np.ones((7, 2))),
    "there is one layer": between(node("Relu", ["h"])),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_pair_is_left_as_it_is(name: str):
    outcome = fuse_nodes(REFUSED[name])
    if name == "the bias adds an axis":
        # the two products are a pair, and the sum behind them stays what it is
        assert operators(outcome.model) == ["MatMul", "Add"]
        assert error(outcome.model, REFUSED[name], (1, 4)) < TOLERANCE
        return
    assert not outcome.done
    assert outcome.model is REFUSED[name]
    assert outcome.reason == "no two linear layers stand next to each other"


def test_weights_that_a_caller_may_replace_are_left_alone():
    model = between(node("MatMul", ["h", "u"]))
    model.graph.input.append(helper.make_tensor_value_info("u", TensorProto.FLOAT, [2, 5]))
    assert not fuse_nodes(model).done


def test_weights_in_constant_nodes_are_constants_too():
    model = between(node("MatMul", ["h", "k"]))
    value = numpy_helper.from_array(np.ones((2, 5), np.float32))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["k"], value=value))
    outcome = fuse_nodes(model)
    assert operators(outcome.model) == ["MatMul"]
    assert error(outcome.model, model, (3, 4)) < TOLERANCE


def test_one_matrix_in_two_pairs_is_fused_in_both():
    nodes = [node("MatMul", ["h", "u"], "a"), node("Relu", ["a"], "b"), node("MatMul", ["b", "v"], "c")]
    model = between(*nodes, node("MatMul", ["c", "u"]), v=np.ones((4, 2)), u=np.ones((2, 4)))
    outcome = fuse_nodes(model)
    assert operators(outcome.model) == ["MatMul", "Relu", "MatMul"]
    assert error(outcome.model, model, (3, 4)) < TOLERANCE


def test_above_the_limit_a_pair_is_refused_and_at_it_fused():
    model = chain(("matmul", "matmul"), (10, 2, 6))
    refused = fuse_nodes(model, limit_bytes=4 * 10 * 6 - 1)
    assert not refused.done
    assert refused.model is model
    assert refused.reason == "the fused weights would take 240 bytes, more than 239"
    assert fuse_nodes(model, limit_bytes=4 * 10 * 6).done


def test_the_given_model_is_left_alone():
    model = chain(("gemm", "add", "matmul"), (5, 3, 4, 2))
    before = model.SerializeToString(deterministic=True)
    fuse_nodes(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_bias_left_out_would_be_noticed():
    model = chain(("add", "matmul"), (5, 3, 4))
    outcome = fuse_nodes(model)
    product = outcome.model.graph.node[0]
    product.output[0] = "y"
    del outcome.model.graph.node[1:]
    assert error(outcome.model, model, (7, 5)) > 1000 * TOLERANCE
