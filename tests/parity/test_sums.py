"""Sums one by one are sums, of the size that the evaluator's are, and lose what a plain loop loses."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from kdeploy.parity import sums

CASES = {
    "reduce mean": ("ReduceMean", [(2, 3, 5, 4)], {"axes": [2, -1], "keepdims": 0}),
    "reduce mean of all": ("ReduceMean", [(2, 3)], {}),
    "reduce sum": ("ReduceSum", [(2, 3, 5)], {}),
    "global average": ("GlobalAveragePool", [(2, 3, 5, 4)], {}),
    "average": ("AveragePool", [(2, 3, 7, 6)], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
    "average with pads": (
        "AveragePool",
        [(2, 3, 7, 6)],
        {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1},
    ),
    "largest": ("MaxPool", [(2, 3, 7, 6)], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
    "product": ("MatMul", [(2, 3, 4), (4, 5)], {}),
    "gemm": ("Gemm", [(4, 2), (5, 4), (5,)], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    "gemm without a bias": ("Gemm", [(2, 4), (4, 5)], {}),
    "convolution": ("Conv", [(2, 3, 7, 6), (4, 3, 3, 2), (4,)], {"strides": [2, 1], "pads": [1, 0, 2, 1]}),
    "groups": ("Conv", [(2, 4, 7), (6, 2, 3)], {"group": 2, "dilations": [2]}),
    "depthwise": ("Conv", [(1, 4, 7, 7), (4, 1, 3, 3)], {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "lower": ("Conv", [(1, 2, 7, 8), (4, 2, 2, 4)], {"auto_pad": "SAME_LOWER"}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("operators", [sums.ONE_BY_ONE, sums.EXACT])
def test_the_sum_is_the_evaluators(name, operators):
    operator, shapes, attributes = CASES[name]
    draws = np.random.default_rng(0)
    inputs = [draws.standard_normal(shape) for shape in shapes]
    node = helper.make_node(operator, [f"i{n}" for n in range(len(inputs))], ["y"], **attributes)
    ports = [onnx.ValueInfoProto(name=one) for one in node.input]
    graph = helper.make_graph([node], "one", ports, [onnx.ValueInfoProto(name="y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12 if "axes" in attributes else 17)])
    expected = ReferenceEvaluator(model).run(None, dict(zip(node.input, inputs, strict=True)))[0]
    read = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    found = operators[operator](read, inputs) if operator in operators else expected
    assert found is not None
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


def test_a_window_that_reaches_beyond_the_pads_is_left_to_the_evaluator():
    assert sums.ONE_BY_ONE["AveragePool"]({"kernel_shape": [2], "ceil_mode": 1}, [np.ones((1, 1, 3))]) is None
    assert sums.EXACT["MaxPool"]({"kernel_shape": [2], "ceil_mode": 1}, [np.ones((1, 1, 3))]) is None
    assert sums.ONE_BY_ONE["ReduceSum"]({"noop_with_empty_axes": 1}, [np.ones(3)]) is None


def test_equal_terms_lose_what_a_loop_loses_and_not_what_pairs_do():
    terms = np.full(12_100, 0.1, np.float32)
    total = np.float32(0)
    for term in terms:
        total += term
    assert sums.added(terms) == total == sums.multiplied(terms[None], np.ones((12_100, 1), np.float32))[0, 0]
    lost = abs(float(total) - terms.astype(np.float64).sum())
    assert lost > 100 * abs(float(terms.sum()) - terms.astype(np.float64).sum())
    assert lost < 12_100 * 2**-24 * terms.astype(np.float64).sum()


def test_a_product_of_many_terms_is_left_to_blas(monkeypatch: pytest.MonkeyPatch):
    a, b = np.random.default_rng(0).standard_normal((2, 40, 40)).astype(np.float32)
    one_by_one = sums.multiplied(a, b)
    monkeypatch.setattr(sums, "MOST_TERMS", 40**3 - 1)
    np.testing.assert_array_equal(sums.multiplied(a, b), a @ b)
    np.testing.assert_allclose(one_by_one, a @ b, rtol=0, atol=1e-4)
