"""Attention: Q K^T, and what comes out of softmax times V.

    (elements of Q + elements of Y) x keys    Q: (batch, heads, queries, width), Y: (batch, heads, queries, value width)

Each element of Q meets the keys once, each element of Y is a sum over them (Vaswani et al. 2017, equation 1; several
query heads may share keys). Keys include those of the past. A mask saves nothing: it is added to what was computed.
The operator of com.microsoft called Attention projects its input to Q, K and V first; MultiHeadAttention does not, and
ONNX's (opset 23) neither. Shapes are those of ONNX's Operators.md and of ContribOperators.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx

from kdeploy.graphs.counting.operators import Shape, attributes, has_input


def attention(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Multiply-adds of ONNX's own Attention: Q, K, V of three axes (batch, length, heads x width) or four (batch,
    heads, length, width)."""
    key = shapes[node.input[1]]
    keys = key[-2] + _past(node, shapes, 4)
    return (math.prod(shapes[node.input[0]]) + math.prod(shapes[node.output[0]])) * keys


def multi_head_attention(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Multiply-adds of MultiHeadAttention of com.microsoft. Five axes are Q, K and V, or K and V, packed: (batch,
    length, heads, 3 or 2, width)."""
    query = shapes[node.input[0]]
    packed = len(query) == 5
    key = query if packed else shapes[node.input[1]]
    keys = key[2] if len(key) == 4 else key[1]
    queries = math.prod(query) // (3 if packed else 1)
    return (queries + math.prod(shapes[node.output[0]])) * (keys + _past(node, shapes, 6))


def contributed_attention(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    """Multiply-adds of Attention of com.microsoft: input (batch, length, inputs), weight (inputs, Q + K + V), past
    (2, batch, heads, past, .)."""
    batch, length, _ = shapes[node.input[0]]
    projection = batch * length * math.prod(shapes[node.input[1]])
    query, _, value = projected_widths(node, shapes)
    past = shapes[node.input[4]][3] if has_input(node, 4) else 0
    return projection + batch * length * (length + past) * (query + value)


def projected_widths(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> tuple[int, int, int]:
    """The widths of Q, K and V behind the projection; a third each where nothing is said."""
    third = shapes[node.input[1]][1] // 3
    query, key, value = attributes(node).get("qkv_hidden_sizes", (third, third, third))
    return query, key, value


def _past(node: onnx.NodeProto, shapes: Mapping[str, Shape], index: int) -> int:
    return shapes[node.input[index]][2] if has_input(node, index) else 0
