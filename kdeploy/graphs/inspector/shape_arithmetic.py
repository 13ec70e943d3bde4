"""Shapes that a graph computes with more than ONNX's own inference follows: torch's older exporter writes
`Expand(x, Where(Equal(shape, -1), ones, shape))` for every `expand`.

    a node of the list below, all of whose inputs are small and known  ->  a small stored tensor

computed by ONNX's reference evaluator, one node at a time. No operator of the list makes more elements than the product
of its inputs' elements, and ConstantOfShape is bounded by hand: what is computed here stays small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

Arrays = Mapping[str, np.ndarray]

SMALL = 1024  # elements
ARITHMETIC = "Add And Div Equal Greater Less Max Min Mod Mul Neg Not Or ReduceProd Sub Where"
MOVES = "Cast Concat Gather Identity Reshape Slice Squeeze Transpose Unsqueeze"
COMPUTED = frozenset(f"{ARITHMETIC} {MOVES}".split())


def computed(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The small arrays that the nodes of a model give, by name, whatever its inputs are: of any shape with at most 1024
    elements.

    Args:
        shapes: of everything whose shape is wholly known.
    """
    small = [tensor for tensor in model.graph.initializer if math.prod(tensor.dims) <= SMALL]
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in small}
    results: dict[str, np.ndarray] = {}
    for node in model.graph.node:
        array = _value(node, arrays, shapes, model)
        if array is not None and array.size <= SMALL:
            arrays[node.output[0]] = results[node.output[0]] = array
    return results


def store(graph: onnx.GraphProto, arrays: Arrays) -> None:
    """Put arrays, by name and of any shape, in the place of the nodes that give them."""
    others = [node for node in graph.node if node.output[0] not in arrays]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in others]
    del graph.node[:]
    graph.node.extend(nodes)
    # ONNX's inference takes a shape that is written down, however little it says, for more than that of what is stored
    values = [onnx.ValueInfoProto.FromString(one.SerializeToString()) for one in graph.value_info]
    del graph.value_info[:]
    graph.value_info.extend(value for value in values if value.name not in arrays)
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())


def _value(
    node: onnx.NodeProto, arrays: Arrays, shapes: Mapping[str, tuple[int, ...]], model: onnx.ModelProto
) -> np.ndarray | None:
    if len(node.output) != 1:
        return None
    if node.op_type == "Shape" and node.input[0] in shapes:
        ends = {attribute.name: attribute.i for attribute in node.attribute}
        return np.array(shapes[node.input[0]][ends.get("start", 0) : ends.get("end")], np.int64)
    if any(name and name not in arrays for name in node.input):
        return None
    is_small = node.op_type == "ConstantOfShape" and 0 <= math.prod(arrays[node.input[0]].tolist()) <= SMALL
    if node.op_type == "Constant" or node.op_type in COMPUTED or is_small:
        return _evaluated(node, arrays, model)
    return None


def _evaluated(node: onnx.NodeProto, arrays: Arrays, model: onnx.ModelProto) -> np.ndarray | None:
    """The output of a node by the reference evaluator; None when it cannot be computed, for ONNX's checker has passed
    it."""
    from onnx.reference import ReferenceEvaluator

    inputs = {name: arrays[name] for name in node.input if name}
    ports = [onnx.ValueInfoProto(name=name) for name in inputs]
    graph = onnx.helper.make_graph([node], "one", ports, [onnx.ValueInfoProto(name=node.output[0])])
    one = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        with np.errstate(all="raise"):
            return np.asarray(ReferenceEvaluator(one).run(None, inputs)[0])
    except Exception:  # a division by zero, an index out of range: whatever numpy raises
        return None
