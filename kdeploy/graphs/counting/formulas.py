"""Multiply-adds of one node from the shapes around it: a table from operator to formula.

    Conv, ConvInteger, QLinearConv, FusedConv   output elements x input channels / groups x kernel area
    DeformConv                                  the same; where it samples between places is interpolation, not counted
    ConvTranspose                               input elements x output channels / groups x kernel area
    Gemm, MatMul, their quantised and fused     output elements x the length that is summed over
    Einsum                                      kdeploy.graphs.counting.einsum
    Attention, MultiHeadAttention               kdeploy.graphs.counting.attention
    LSTM, GRU, RNN                              steps x rows x elements of W and R

Each is the sum over products in the operator's definition (ONNX's Operators.md; for the domain com.microsoft
ContribOperators.md of ONNX Runtime). Of a recurrent layer the definition has X W^T + H R^T in each step, for all gates
and directions, which are rows of W and R; what is left is gate by gate (peepholes too) and element by element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import onnx

from kdeploy.graphs.counting.attention import attention, contributed_attention, multi_head_attention
from kdeploy.graphs.counting.einsum import einsum
from kdeploy.graphs.counting.operators import CONTRIBUTED, Shape, attributes

Shapes = Mapping[str, Shape]
Formula = Callable[[onnx.NodeProto, Shapes], int]


def convolution(node: onnx.NodeProto, shapes: Shapes, *, weight: int = 1) -> int:
    """Multiply-adds of a convolution; its weight is (output channels, input channels / groups, kernel...)."""
    return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[weight]][1:])


def transposed_convolution(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Multiply-adds of a ConvTranspose; its weight is (input channels, output channels / groups, kernel...)."""
    return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])


def general_product(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Multiply-adds of a Gemm; A is (rows, summed), or (summed, rows) when it is transposed."""
    summed = 0 if attributes(node).get("transA", 0) else 1
    return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][summed]


def product(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Multiply-adds of a MatMul; A is (..., rows, summed)."""
    return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]


def fused_product(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Multiply-adds of a FusedMatMul; which length of A is summed over depends on whether it is transposed."""
    flags = attributes(node)
    left = untransposed(shapes[node.input[0]], flags.get("transA", 0), flags.get("transBatchA", 0))
    return math.prod(shapes[node.output[0]]) * left[-1]


def untransposed(shape: Shape, transposed: int, batch_transposed: int) -> Shape:
    """A factor of FusedMatMul as MatMul would have it; `transBatch` moves the first length behind the batch's."""
    if len(shape) < 2:
        return shape
    if batch_transposed:
        shape = (*shape[1:-1], shape[0], shape[-1])
    return (*shape[:-2], shape[-1], shape[-2]) if transposed else shape


def recurrent(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Multiply-adds of a recurrent layer; X is (steps, rows, inputs), or (rows, steps, inputs), and shorter sequences
    are counted at their full length."""
    weights = sum(math.prod(shapes[name]) for name in node.input[1:3])
    return math.prod(shapes[node.input[0]][:2]) * weights


FORMULAS: Mapping[str, Formula] = {
    "Attention": attention,
    "Conv": convolution,
    "ConvInteger": convolution,
    "ConvTranspose": transposed_convolution,
    "DeformConv": convolution,
    "Einsum": einsum,
    "GRU": recurrent,
    "Gemm": general_product,
    "LSTM": recurrent,
    "MatMul": product,
    "MatMulInteger": product,
    "QLinearConv": partial(convolution, weight=3),
    "QLinearMatMul": product,
    "RNN": recurrent,
    f"{CONTRIBUTED}::Attention": contributed_attention,
    f"{CONTRIBUTED}::DynamicQuantizeMatMul": product,
    f"{CONTRIBUTED}::FusedConv": convolution,
    f"{CONTRIBUTED}::FusedGemm": general_product,
    f"{CONTRIBUTED}::FusedMatMul": fused_product,
    f"{CONTRIBUTED}::MatMulIntegerToFloat": product,
    f"{CONTRIBUTED}::MultiHeadAttention": multi_head_attention,
    f"{CONTRIBUTED}::QGemm": general_product,
}
