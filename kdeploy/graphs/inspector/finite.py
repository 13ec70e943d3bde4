"""The numbers of a model: none of them is NaN, and none is infinite but where infinity bounds something.

Looked at are the stored tensors, in the model or in its side files, and the float attributes of the nodes, Constant's
among them. One NaN among the weights makes every answer NaN on every input, which no comparison survives.

Infinity alone is fine where it bounds or masks: read only by Where, Clip, Max, Min or Pad, or by an Add in front of a
Softmax, as the masks of attention are; and be it cut, repeated or reshaped on the way there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from kdeploy.errors import NonFiniteError
from kdeploy.graphs.inspector.wording import node_words, quoted

Tensor = onnx.TensorProto
BOUNDED = frozenset(["Clip", "Max", "Min", "Pad", "Where"])
CONSTANTS = frozenset(["Constant", "ConstantOfShape"])
MOVES = frozenset(
    [
        *("Cast", "Concat", "Expand", "Flatten", "Gather", "Identity"),
        *("Reshape", "Slice", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
    ]
)
FLOATS = frozenset(
    [
        *(Tensor.FLOAT, Tensor.DOUBLE, Tensor.FLOAT16, Tensor.BFLOAT16),
        *(Tensor.FLOAT8E4M3FN, Tensor.FLOAT8E4M3FNUZ, Tensor.FLOAT8E5M2, Tensor.FLOAT8E5M2FNUZ),
    ]
)
CHUNK = 2**20  # values looked at together
ADVICE = "Look at how it was trained or exported: such a model answers NaN."


def check_finite(graph: onnx.GraphProto, folder: Path, where: str) -> None:
    """Refuse a graph with NaN or infinity among its numbers; tensors and side files were found to be whole before.

    Raises: NonFiniteError that names the first tensor or attribute, and how many of its values.
    """
    bounds = _bounds(graph)
    for tensor in graph.initializer:
        _check(_chunks(tensor, folder), f"stored tensor {quoted(tensor.name)}", where, bound=tensor.name in bounds)
    for node in graph.node:
        bound = node.op_type in BOUNDED or (node.op_type in CONSTANTS and set(node.output) <= bounds)
        for attribute in node.attribute:
            for chunks in _of_attribute(attribute, folder):
                _check(chunks, f"{node_words(node)} has {quoted(attribute.name)}, which", where, bound=bound)


def _bounds(graph: onnx.GraphProto) -> set[str]:
    """The names that are read, and only where infinity is a bound."""
    of_softmax = _read_only_by(graph, lambda node: node.op_type == "Softmax", MOVES | {"Add"})
    return _read_only_by(
        graph, lambda node: node.op_type in BOUNDED or (node.op_type == "Add" and node.output[0] in of_softmax), MOVES
    )


def _read_only_by(
    graph: onnx.GraphProto, chosen: Callable[[onnx.NodeProto], bool], through: Collection[str]
) -> set[str]:
    """The names that some nodes read, be it through operators of a kind, and no others.

    A node stands in front of those that read it, so that backwards each is judged after all of these.
    """
    names: set[str] = set()
    others = {value.name for value in graph.output}
    for node in reversed(graph.node):
        leads_there = node.op_type in through and all(name in names and name not in others for name in node.output)
        (names if chosen(node) or leads_there else others).update(node.input)
    return names - others


def _check(chunks: Iterator[NDArray[np.generic]], what: str, where: str, *, bound: bool) -> None:
    count = broken = 0
    for values in chunks:
        count += values.size
        broken += int(np.count_nonzero(np.isnan(values) if bound else ~np.isfinite(values)))
    if broken:
        got = f"{broken} of {count} are NaN or infinite"
        raise NonFiniteError(where, f"{what} must hold finite numbers", got=got, advice=ADVICE)


def _of_attribute(attribute: onnx.AttributeProto, folder: Path) -> Iterator[Iterator[NDArray[np.generic]]]:
    """The numbers of an attribute: one, several, or those of the tensors that it holds."""
    if attribute.HasField("f") or attribute.floats:
        yield iter([np.array([attribute.f] * attribute.HasField("f") + [*attribute.floats], np.float32)])
    if attribute.HasField("t") or attribute.tensors:
        yield from (_chunks(tensor, folder) for tensor in (attribute.t, *attribute.tensors))


def _chunks(tensor: onnx.TensorProto, folder: Path) -> Iterator[NDArray[np.generic]]:
    """The values of a tensor of floats, some at a time; nothing of one of other numbers."""
    if tensor.data_type not in FLOATS:
        return
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if tensor.data_location == Tensor.EXTERNAL:
        yield from _outside(tensor, dtype, folder)
    elif tensor.HasField("raw_data"):
        values = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<"))
        yield from (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
    else:
        yield onnx.numpy_helper.to_array(tensor).reshape(-1)


def _outside(tensor: onnx.TensorProto, dtype: np.dtype[np.generic], folder: Path) -> Iterator[NDArray[np.generic]]:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    left = int(np.prod(tensor.dims, dtype=np.int64))
    # no link is followed, though one may have been put there since
    with os.fdopen(os.open(folder / entries["location"], os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        stream.seek(int(entries.get("offset", "0")))
        while left and (data := stream.read(min(left, CHUNK) * dtype.itemsize)):
            left -= len(data) // dtype.itemsize
            yield np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype.newbyteorder("<"))
