"""Nodes that answer the same input differently each time: those that draw, and those left in training mode."""

from __future__ import annotations

import onnx

from kdeploy.graphs.inspector.wording import node_words

DRAWS = frozenset(
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
)


def unrepeatable(graph: onnx.GraphProto) -> tuple[str, ...]:
    """The unrepeatable nodes of a graph, in words: `node 'x' (Dropout)`."""
    off = _stored_false(graph)
    return tuple(node_words(node) for node in graph.node if node.op_type in DRAWS or _is_training(node, off))


def _is_training(node: onnx.NodeProto, off: set[str]) -> bool:
    """Whether a node is in training mode: Dropout has the switch as its third input, mostly absent; BatchNormalization
    as an attribute, and before opset 14 as outputs beyond the first."""
    if node.op_type == "Dropout":
        return len(node.input) > 2 and node.input[2] not in off | {""}
    training_mode = any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)
    return training_mode or (node.op_type == "BatchNormalization" and sum(map(bool, node.output)) > 1)


def _stored_false(graph: onnx.GraphProto) -> set[str]:
    """The names of stored scalars that are false."""
    inputs = {value.name for value in graph.input}  # a default that the caller can replace is no constant
    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.name not in inputs}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                stored[node.output[0]] = attribute.t
    return {name for name, tensor in stored.items() if _is_false(tensor)}


def _is_false(tensor: onnx.TensorProto) -> bool:
    if tensor.data_type != onnx.TensorProto.BOOL or tensor.dims or tensor.external_data:
        return False
    return not onnx.numpy_helper.to_array(tensor).item()
