"""Counting the multiply-adds of a graph, with pytest-benchmark: what `kdeploy show MODEL.onnx` waits for.

    pytest benchmarks/test_counting.py --benchmark-group-by=group

Three graphs: a student of a few nodes, a chain of 100 convolutions, and a chain of operators that ONNX Runtime fused,
whose shapes ONNX does not know.
"""

from __future__ import annotations

import onnx
import pytest
from onnx import helper
from test_models import IMAGE, Chain, stand_in_student

from kdeploy.graphs.counting.count import count

DEPTH = 100
WIDTH = 16


def deep() -> onnx.ModelProto:
    """100 convolutions of 3x3 that keep the size, then 10 classes."""
    chain = Chain().conv(1, WIDTH, 3)
    for _ in range(DEPTH - 1):
        chain = chain.conv(WIDTH, WIDTH, 3)
    return chain.add("GlobalAveragePool").add("Flatten").linear(WIDTH, 10).model()


def fused() -> onnx.ModelProto:
    """The same after ONNX Runtime's optimiser: each convolution with its activation in one node."""
    model, nodes, renamed = deep(), [], {}
    for node in model.graph.node:
        if node.op_type == "Relu":
            renamed[node.output[0]] = node.input[0]
            continue
        inputs = [renamed.get(name, name) for name in node.input]
        domain = "com.microsoft" if node.op_type == "Conv" else ""
        made = helper.make_node(f"Fused{node.op_type}" if domain else node.op_type, inputs, node.output, domain=domain)
        made.attribute.extend(node.attribute)
        nodes.append(made)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


@pytest.mark.parametrize("graph", [stand_in_student, deep, fused])
def test_counting(benchmark, graph) -> None:
    benchmark.group = "counting"
    model = graph()
    cost = benchmark(count, model, {"input": (1, *IMAGE)})
    benchmark.extra_info |= {"nodes": len(model.graph.node), "multiply_adds": cost.multiply_adds}
    assert cost.coverage == 1


def test_both_deep_graphs_cost_the_same() -> None:
    shapes = {"input": (1, *IMAGE)}
    first = 28 * 28 * WIDTH * 9
    assert (
        count(deep(), shapes).multiply_adds
        == count(fused(), shapes).multiply_adds
        == (first + (DEPTH - 1) * first * WIDTH + WIDTH * 10)
    )
