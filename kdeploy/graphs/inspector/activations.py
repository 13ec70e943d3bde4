"""Peak activation memory: how much a model holds at once while it runs, from its shapes alone.

    alive after node i = inputs + outputs of nodes 0..i that a node after i, or the caller, still reads
    peak = max over i of the bytes of what is alive before i is cleared away

One row: a symbol in front is 1, any other free length 224. ONNX's shape inference follows shapes that the graph
computes (Shape, Gather, Concat...) from there. A node whose output it cannot bound is refused, because 60 bytes of file
can ask for a terabyte (ConstantOfShape, Expand) and a runtime finds out when it allocates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import onnx
from onnx.shape_inference import infer_shapes

from kdeploy.errors import ModelError
from kdeploy.graphs.inspector.shape_arithmetic import computed, store
from kdeploy.graphs.inspector.tensors import BITS, size_bytes
from kdeploy.graphs.inspector.wording import cause, node_words

ROWS = 1
MOST_ROUNDS = 64  # each settles at least one shape that the graph computes
FREE_LENGTH = 224
FIXED = "Export it with fixed lengths; only the batch may be free."


def peak_bytes(model: onnx.ModelProto, inputs: Sequence[str], where: str) -> int:
    """The most that is alive at once. The model's own claims on inner shapes are dropped.

    Args:
        inputs: the names of those that a caller gives; the graph's others stand for weights.
    Raises: ModelError when shapes contradict each other, or one cannot be known.
    """
    _settle(model)
    must, advice = "must have consistent shapes", ""
    if _bind(model.graph):
        must, advice = f"{must}, each free length but the batch being {FREE_LENGTH}", FIXED
    graph = _inferred(model, where, must, advice).graph
    for _ in range(MOST_ROUNDS):
        shapes = _shapes(graph)
        if all(name in shapes for node in graph.node for name in node.output if name):
            break
        arrays = computed(model, shapes)
        if not arrays:
            break
        store(model.graph, arrays)
        graph = _inferred(model, where, must, advice).graph
    return _peak(graph, inputs, _sizes(graph), where)


def _inferred(model: onnx.ModelProto, where: str, must: str, advice: str) -> onnx.ModelProto:
    try:
        return infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as exc:  # InferenceError, and what protobuf raises
        raise ModelError(where, must, got=cause(exc), advice=advice) from exc


def _settle(model: onnx.ModelProto) -> None:
    """Make what is stored constant: before IR version 4 it had to be an input too, which a caller could replace."""
    stored = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in stored]
    inputs = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in values]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)


def _bind(graph: onnx.GraphProto) -> bool:
    """Give the inputs lengths, one a symbol, and forget what is said about all other shapes; whether one is free that
    is not the first."""
    del graph.value_info[:]
    symbols: dict[str, int] = {}
    others_are_free = False
    for value in graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value"):
                others_are_free |= axis > 0
                free = FREE_LENGTH if axis else ROWS
                dim.dim_value = symbols.setdefault(dim.dim_param, free) if dim.dim_param else free
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    return others_are_free


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """The shapes of a graph that are wholly known, by name."""
    shapes = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        is_known = all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims)
        if value.type.tensor_type.HasField("shape") and is_known:
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def _sizes(graph: onnx.GraphProto) -> dict[str, int]:
    """The bytes of the values that have a wholly known shape; stored tensors are weights, not activations."""
    shapes, sizes = _shapes(graph), {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        elem_type = value.type.tensor_type.elem_type
        if value.name in shapes and elem_type in BITS:
            sizes[value.name] = size_bytes(elem_type, math.prod(shapes[value.name]))
    return sizes


def _peak(graph: onnx.GraphProto, inputs: Sequence[str], sizes: Mapping[str, int], where: str) -> int:
    readers = Counter([value.name for value in graph.output])
    readers.update(name for node in graph.node for name in node.input)
    values = set(inputs)
    alive = peak = sum(sizes.get(name, 0) for name in values)
    for node in graph.node:
        alive += sum(_size(node, name, sizes, where) for name in node.output if name and _is_given(node, name, readers))
        peak = max(peak, alive)
        readers.subtract(node.input)
        values.update(node.output)
        done = {name for name in (*node.input, *node.output) if name in values and readers[name] == 0}
        alive -= sum(sizes.get(name, 0) for name in done)
    return peak


def _is_given(node: onnx.NodeProto, name: str, readers: Mapping[str, int]) -> bool:
    """Whether a runtime computes an output: not one beyond the first that nobody reads, as an old Dropout's mask."""
    return name == node.output[0] or readers[name] > 0


def _size(node: onnx.NodeProto, name: str, sizes: Mapping[str, int], where: str) -> int:
    if name not in sizes:
        must = f"{node_words(node)} must give a shape that the model's inputs determine"
        raise ModelError(where, must, advice=FIXED)
    return sizes[name]
