"""Lengths and types that the outputs of a graph leave open, where ONNX infers them from the rest of it.

An exporter with dynamic axes for its output, or a converter that writes no shapes, leaves open what a weight says: of
(192, 5) at the end, there are 5 classes. Inferred twice, with two lengths for the batch: what depends on that
stays open.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

BATCHES = (2, 3)
SMALL = 1024  # elements; shapes are computed from such tensors, so their values stay


def closed_outputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The outputs of a model, with the lengths behind the first that can be inferred; with its type, where they have
    none."""
    from onnx import ValueInfoProto

    outputs = [ValueInfoProto.FromString(value.SerializeToString()) for value in model.graph.output]
    if not all(map(_is_closed, outputs)):
        first, second = (_inferred(model, batch) for batch in BATCHES)
        for value in outputs:
            if not _is_closed(value) and value.name in first and value.name in second:
                _close(value, first[value.name], second[value.name])
    return outputs


def _is_closed(value: onnx.ValueInfoProto) -> bool:
    if value.type.WhichOneof("value") not in (None, "tensor_type"):
        return True  # a sequence or a map has no shape
    lengths = _lengths(value.type.tensor_type)
    return value.type.tensor_type.elem_type > 0 and len(lengths) > 1 and all(lengths[1:])


def _lengths(tensor: onnx.TypeProto.Tensor) -> list[int | None]:
    # below 0 a length is free, as in kdeploy.runtimes.onnxfile.free_lengths
    return [dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in tensor.shape.dim]


def _inferred(model: onnx.ModelProto, batch: int) -> dict[str, onnx.TypeProto.Tensor]:
    """The types of the outputs at a batch, by name; none where ONNX cannot follow the graph."""
    from onnx.shape_inference import infer_shapes

    light = _light(model)
    for value in light.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and (not dims[0].HasField("dim_value") or dims[0].dim_value < 0):
            dims[0].dim_value = batch
    try:
        outputs = infer_shapes(light, data_prop=True).graph.output
    except Exception:  # what protobuf and ONNX raise of an inconsistent graph, which whoever runs it will say
        return {}
    return {value.name: value.type.tensor_type for value in outputs if value.type.tensor_type.HasField("shape")}


def _close(value: onnx.ValueInfoProto, first: onnx.TypeProto.Tensor, second: onnx.TypeProto.Tensor) -> None:
    """Write into an output what is the same at two batches. Its first length stays as it was declared."""
    tensor = value.type.tensor_type
    lengths, others = _lengths(first), _lengths(second)
    tensor.elem_type = tensor.elem_type or first.elem_type
    if len(lengths) != len(others):
        return
    while len(tensor.shape.dim) < len(lengths):
        tensor.shape.dim.add()
    for dim, length, other in list(zip(tensor.shape.dim, lengths, others, strict=False))[1:]:
        if length is not None and length == other:
            dim.dim_value = length


def _light(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without what is said of shapes inside and at the end, and without the values of large tensors."""
    import onnx

    light = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    light.graph.name = "light"
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    for value in model.graph.output:
        output = light.graph.output.add(name=value.name)
        if value.type.tensor_type.elem_type:
            output.type.tensor_type.elem_type = value.type.tensor_type.elem_type
    for tensor in model.graph.initializer:
        kept = tensor if math.prod(tensor.dims) <= SMALL and not tensor.external_data else None
        bare = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        light.graph.initializer.append(kept or bare)
    return light
