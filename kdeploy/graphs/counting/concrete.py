"""A graph in which every shape is a number: read, given the shapes of its inputs, and inferred."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data
from onnx.inliner import inline_local_functions
from onnx.shape_inference import infer_shapes

from kdeploy.errors import DataError, ModelError
from kdeploy.graphs.counting import contributed
from kdeploy.graphs.counting.operators import STANDARD_DOMAINS, Shape
from kdeploy.graphs.inspector.shape_arithmetic import SMALL, computed, store
from kdeploy.runtimes.onnxfile import free_lengths


def concrete(
    model: Path | onnx.ModelProto, input_shapes: Mapping[str, Shape], where: str
) -> tuple[onnx.GraphProto, dict[str, Shape]]:
    """The graph, and those shapes of it that are wholly known.

    Raises: DataError when the shapes are not those of the graph's inputs; ModelError when the graph is inconsistent.
    """
    light = _without_weights(_read(model, where))
    _put_shapes(light.graph, input_shapes, where)
    return light.graph, _known(light, where)


def _read(model: Path | onnx.ModelProto, where: str) -> onnx.ModelProto:
    """A copy of a model, in which no node calls a function of the model's."""
    try:
        if isinstance(model, Path):
            copy = onnx.load(model, load_external_data=False)
            for tensor in copy.graph.initializer:
                if uses_external_data(tensor) and math.prod(tensor.dims) <= SMALL:
                    load_external_data_for_tensor(tensor, str(model.parent))
        else:
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
        free_lengths(copy.graph)
        return inline_local_functions(copy) if copy.functions else copy
    except Exception as exc:  # protobuf's, ONNX's and the file system's
        raise ModelError(where, "must be an ONNX model", got=str(exc)) from exc


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop the values of large tensors: inference needs their shapes only, and copies the model more than once."""
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) > SMALL:
            bare = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
            tensor.CopyFrom(bare)
    return model


def _put_shapes(graph: onnx.GraphProto, input_shapes: Mapping[str, Shape], where: str) -> None:
    """Make the inputs concrete, and with them every shape that uses their symbols."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    names = sorted(value.name for value in inputs)
    if sorted(input_shapes) != names:
        raise DataError(where, f"must be given shapes for the inputs {names}", got=f"{sorted(input_shapes)}")
    symbols: dict[str, int] = {}
    for value in inputs:
        _bind(value, input_shapes[value.name], symbols, where)
    for value in [*graph.value_info, *graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_value = symbols[dim.dim_param]


def _bind(value: onnx.ValueInfoProto, shape: Shape, symbols: dict[str, int], where: str) -> None:
    """Give an input its shape; a symbol stands for one length in all of them."""
    dims = value.type.tensor_type.shape.dim
    declared = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims)
    fits = len(declared) == len(shape)
    for dim, meant, length in zip(dims, declared, shape, strict=False):
        expected = symbols.setdefault(meant, length) if isinstance(meant, str) else meant
        fits &= expected in (None, length)
        dim.dim_value = length
    if not fits:
        raise DataError(where, f"input '{value.name}' must have a shape that fits {declared}", got=str(tuple(shape)))


def _known(model: onnx.ModelProto, where: str) -> dict[str, Shape]:
    """The shapes that ONNX infers, repeated as long as shapes can be added that it does not know by itself."""
    try:
        model = _inferred(model)
        while _put_contributed(model.graph) or _put_computed(model):
            model = _inferred(model)
    except Exception as exc:  # InferenceError, or ValueError above 2 GiB
        got = " ".join(str(exc).split())
        raise ModelError(where, "must have consistent shapes at these inputs", got=got) from exc
    return _shapes(model.graph)


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    return infer_shapes(model, strict_mode=True, data_prop=True)


def _put_contributed(graph: onnx.GraphProto) -> bool:
    """Write the shapes of what ONNX Runtime's own operators give, where they can be known; whether there was one."""
    shapes, values = _shapes(graph), {value.name: value for value in [*graph.value_info, *graph.output]}
    before = len(shapes)
    for node in graph.node:
        name = node.output[0]
        if node.domain in STANDARD_DOMAINS or name in shapes:
            continue
        shape = contributed.output_shape(node, shapes)
        if shape is not None:
            shapes[name] = shape
            value = values[name] if name in values else graph.value_info.add(name=name)
            kind = value.type.tensor_type.elem_type or onnx.TensorProto.FLOAT
            value.type.CopyFrom(onnx.helper.make_tensor_type_proto(kind, shape))
    return len(shapes) > before


def _put_computed(model: onnx.ModelProto) -> bool:
    """Put small tensors in the place of nodes that compute them, where a shape is still to be known; whether any was.

    ONNX 1.23 does not follow a Reshape among them, which stands in every recurrent network that torch exports.
    """
    shapes = _shapes(model.graph)
    if all(name in shapes for node in model.graph.node for name in node.output if name):
        return False
    arrays = computed(model, shapes)
    store(model.graph, arrays)
    return bool(arrays)


def _shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    """The shapes of a graph that are wholly known, by name."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return shapes
