"""Stored tensors: as many bytes as their dims promise, and no more of them than a machine can hold.

    bytes = ceil(product of dims x bits of the type / 8)

A runtime that trusts the dims reads beyond the data (OpenVINO runs a tensor of 2^32 x 2^32 without any).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import onnx

from kdeploy.errors import ModelError, ResourceError
from kdeploy.graphs.inspector.record import InspectionLimits
from kdeploy.graphs.inspector.side_files import check_side_file
from kdeploy.graphs.inspector.wording import EXPORT_AGAIN, quoted

MOST_ELEMENTS = 2**31  # beyond it, runtimes that count in 32 bits wrap around

BITS = {
    onnx.TensorProto.FLOAT: 32,
    onnx.TensorProto.UINT8: 8,
    onnx.TensorProto.INT8: 8,
    onnx.TensorProto.UINT16: 16,
    onnx.TensorProto.INT16: 16,
    onnx.TensorProto.INT32: 32,
    onnx.TensorProto.INT64: 64,
    onnx.TensorProto.BOOL: 8,
    onnx.TensorProto.FLOAT16: 16,
    onnx.TensorProto.DOUBLE: 64,
    onnx.TensorProto.UINT32: 32,
    onnx.TensorProto.UINT64: 64,
    onnx.TensorProto.BFLOAT16: 16,
    onnx.TensorProto.UINT4: 4,
    onnx.TensorProto.INT4: 4,
    onnx.TensorProto.FLOAT8E4M3FN: 8,
    onnx.TensorProto.FLOAT8E4M3FNUZ: 8,
    onnx.TensorProto.FLOAT8E5M2: 8,
    onnx.TensorProto.FLOAT8E5M2FNUZ: 8,
}
FIELDS = {
    onnx.TensorProto.FLOAT: "float_data",
    onnx.TensorProto.DOUBLE: "double_data",
    onnx.TensorProto.INT64: "int64_data",
    onnx.TensorProto.UINT32: "uint64_data",
    onnx.TensorProto.UINT64: "uint64_data",
}  # the others: int32_data
TYPED = ("float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data")


def check_tensors(
    graph: onnx.GraphProto, folder: Path, where: str, limits: InspectionLimits
) -> tuple[int, tuple[str, ...]]:
    """The bytes of all stored tensors, and the names of the side files that hold some.

    Raises: ModelError, IntegrityError or ResourceError.
    """
    total, sides = 0, set()
    for tensor in graph.initializer:
        size = _size(tensor, where)
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            sides.add(check_side_file(tensor, size, folder, where))
        else:
            _check_inside(tensor, size, where)
        total += size
    for tensor in _of_attributes(graph):
        size = _size(tensor, where)
        _check_inside(tensor, size, where)
        total += size
    if total > limits.weights_bytes:
        raise ResourceError(where, f"must store at most {limits.weights_bytes} bytes of weights", got=f"{total} bytes")
    return total, tuple(sorted(sides))


def size_bytes(data_type: int, elements: int) -> int:
    """The bytes of so many elements, packed as a file holds them: two 4-bit elements share a byte."""
    return (BITS[data_type] * elements + 7) // 8


def type_name(data_type: int) -> str:
    """The name of a type: `float32`, as NumPy has it; `string`, as ONNX does; `type 99` for one that neither knows."""
    if data_type in BITS:
        return str(onnx.helper.tensor_dtype_to_np_dtype(data_type))
    types = onnx.TensorProto.DataType.values()
    return onnx.TensorProto.DataType.Name(data_type).lower() if data_type in types else f"type {data_type}"


def _of_attributes(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _size(tensor: onnx.TensorProto, where: str) -> int:
    what = f"stored tensor {quoted(tensor.name)}"
    if tensor.data_type not in BITS:
        got = type_name(tensor.data_type)
        raise ModelError(where, f"{what} must hold numbers", got=got, advice=EXPORT_AGAIN)
    if any(length < 0 for length in tensor.dims) or math.prod(tensor.dims) >= MOST_ELEMENTS:
        must = f"{what} must have lengths of at least 0 and fewer than {MOST_ELEMENTS} elements"
        raise ModelError(where, must, got=f"shape {list(tensor.dims)[:8]}", advice=EXPORT_AGAIN)
    return size_bytes(tensor.data_type, math.prod(tensor.dims))


def _check_inside(tensor: onnx.TensorProto, size: int, where: str) -> None:
    """Check that the data of a tensor are in the model: in one field only, and all of them."""
    what = f"stored tensor {quoted(tensor.name)}"
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        must = f"{what} must be in the model: only a weight may be in a side file"
        raise ModelError(where, must, got="external data", advice=EXPORT_AGAIN)
    if tensor.HasField("raw_data"):
        field, count, expected = "bytes", len(tensor.raw_data), size
    else:
        field = FIELDS.get(tensor.data_type, "int32_data")
        packed = BITS[tensor.data_type] < 8  # such elements share an entry as they share a byte
        count, expected = len(getattr(tensor, field)), size if packed else math.prod(tensor.dims)
    if count != expected:
        must = f"{what} must have {expected} {field} for its shape {list(tensor.dims)[:8]}"
        raise ModelError(where, must, got=str(count), advice=EXPORT_AGAIN)
    fields = [name for name in TYPED if getattr(tensor, name)]
    if len(fields) + tensor.HasField("raw_data") > 1 or any(name != field for name in fields):
        raise ModelError(where, f"{what} must have its data once", got=", ".join(fields), advice=EXPORT_AGAIN)
