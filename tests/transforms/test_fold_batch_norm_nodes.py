from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from kdeploy.transforms.fold_batch_norm_nodes import fold_batch_norm_nodes
from tests.transforms.test_fuse_nodes import graph, node, operators

# float32 sums of up to 64 products, scaled once more
TOLERANCE = 2e-5
NORM = ["scale", "shift", "mean", "variance"]


def net(*nodes: onnx.NodeProto, shape: tuple[int, ...], width: int, **weights: tuple[int, ...]) -> onnx.ModelProto:
    """A graph as an exporter that folds nothing leaves it, with drawn weights and statistics of `width` channels."""
    draws = np.random.default_rng(0)
    shapes = weights | dict.fromkeys(NORM, (width,))
    values = {name: draws.uniform(0.2, 1.5, size).astype(np.float32) for name, size in shapes.items()}
    for name in weights:
        values[name] -= np.float32(0.8)
    return graph(list(nodes), values, shape, ("y",))


def norm(source: str, output: str = "y", **attributes: float) -> onnx.NodeProto:
    return helper.make_node("BatchNormalization", [source, *NORM], [output], **attributes)


def error(found: onnx.ModelProto, truth: onnx.ModelProto, shape: tuple[int, ...]) -> float:
    """By onnxruntime without its own folds: onnx's reference evaluator cannot do a grouped ConvTranspose."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    batch = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    one, other = (
        onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": batch})[0]
        for model in (found, truth)
    )
    return float(np.abs(one - other).max() / np.abs(other).max())


CONV = net(node("Conv", ["x", "w"], "h"), norm("h", epsilon=1e-3), shape=(1, 6, 6), width=4, w=(4, 1, 3, 3))


def test_a_batch_norm_behind_a_convolution_and_one_behind_a_gemm_are_folded():
    model = net(
        node("Conv", ["x", "w"], "a"), norm("a", "b"), node("Relu", ["b"], "c"), node("Flatten", ["c"], "d"),
        node("Gemm", ["d", "v", "e"], "f", beta=2.0), norm("f"),
        shape=(1, 6, 6), width=4, w=(4, 1, 3, 3), v=(64, 4), e=(4,),
    )  # fmt: skip
    outcome = fold_batch_norm_nodes(model)
    assert outcome.done
    assert outcome.reason == "2 of 2 folded into the layers before them"
    assert operators(outcome.model) == ["Conv", "Relu", "Flatten", "Gemm"]
    assert len(outcome.model.graph.initializer) == 4
    onnx.checker.check_model(outcome.model, full_check=True)
    assert error(outcome.model, model, (5, 1, 6, 6)) < TOLERANCE


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_grouped_and_transposed_convolutions_are_folded_too(operator: str, groups: int):
    first, second = (6, 4 // groups) if operator == "Conv" else (4, 6 // groups)
    layer = node(operator, ["x", "w"], "h", group=groups)
    model = net(layer, norm("h"), shape=(4, 6, 6), width=6, w=(first, second, 3, 3))
    outcome = fold_batch_norm_nodes(model)
    assert operators(outcome.model) == [operator]
    assert error(outcome.model, model, (5, 4, 6, 6)) < TOLERANCE


REFUSED = {
    "the graph has no batch norm": net(node("Conv", ["x", "w"]), shape=(1, 6, 6), width=2, w=(2, 1, 3, 3)),
    "no batch norm can be: no convolution or Gemm stands right before it": net(
        node("Conv", ["x", "w"], "h"), node("Relu", ["h"], "a"), norm("a"), shape=(1, 6, 6), width=2, w=(2, 1, 3, 3)
    ),
}
SHARED = [node("Conv", ["x", "w", "c"], "h"), norm("h", "n"), node("Conv", ["x", "v", "c"], "g"), norm("g", "m")]
REFUSED |= {
    "no batch norm can be: the weight of the layer before it is shared with another node": net(
        *(node("Conv", ["x", "w"], "h"), norm("h", "n"), node("Conv", ["x", "w"], "g"), node("Add", ["g", "n"])),
        shape=(1, 6, 6), width=2, w=(2, 1, 3, 3),
    ),
    "no batch norm can be: the bias of the layer before it is shared with another node": net(
        *SHARED, node("Add", ["m", "n"]), shape=(1, 6, 6), width=2, w=(2, 1, 3, 3), v=(2, 1, 3, 3), c=(2,)
    ),
    "no batch norm can be: the weight of the layer before it is no constant": net(
        *(node("Identity", ["w"], "moved"), node("Conv", ["x", "moved"], "h"), norm("h")),
        shape=(1, 6, 6), width=2, w=(2, 1, 3, 3),
    ),
}  # fmt: skip
READ_TWICE = net(
    node("Conv", ["x", "w"], "h"), norm("h", "n"), node("Add", ["h", "n"]), shape=(1, 6, 6), width=2, w=(2, 1, 3, 3)
)


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_folded_is_left_as_it_is(reason: str):
    outcome = fold_batch_norm_nodes(REFUSED[reason])
    assert not outcome.done
    assert outcome.model is REFUSED[reason]
    assert outcome.reason == reason


def test_a_convolution_that_something_else_reads_is_left_alone():
    outcome = fold_batch_norm_nodes(READ_TWICE)
    assert not outcome.done
    assert outcome.reason == "no batch norm can be: something else reads what goes into it"


def test_weights_of_constant_nodes_are_folded():
    model = onnx.ModelProto()
    model.CopyFrom(CONV)
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    for tensor in tensors:
        model.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    outcome = fold_batch_norm_nodes(model)
    assert outcome.reason == "1 of 1 folded into the layers before them"
    assert operators(outcome.model) == ["Conv"]
    assert error(outcome.model, CONV, (5, 1, 6, 6)) < TOLERANCE


def test_of_several_the_others_have_their_reason():
    model = net(
        *(node("Conv", ["x", "w"], "h"), norm("h", "n"), node("Relu", ["n"], "r"), norm("r")),
        shape=(1, 6, 6), width=2, w=(2, 1, 3, 3),
    )  # fmt: skip
    outcome = fold_batch_norm_nodes(model)
    assert outcome.reason == (
        "1 of 2 folded into the layers before them; not the others: no convolution or Gemm stands right before it"
    )


def test_the_given_model_is_left_alone():
    before = CONV.SerializeToString(deterministic=True)
    fold_batch_norm_nodes(CONV)
    assert CONV.SerializeToString(deterministic=True) == before


def test_a_batch_norm_left_out_would_be_noticed():
    bare = onnx.ModelProto()
    bare.CopyFrom(CONV)
    del bare.graph.node[1:]
    bare.graph.node[0].output[0] = "y"
    assert error(bare, CONV, (5, 1, 6, 6)) > 1000 * TOLERANCE
    assert error(fold_batch_norm_nodes(CONV).model, CONV, (5, 1, 6, 6)) < TOLERANCE
