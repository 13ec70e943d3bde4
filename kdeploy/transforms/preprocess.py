"""A model's preprocessing as ONNX nodes in front of it: what the decoder gives goes in, logits come out.

    x = float(canonical);  x = x * scale;  x = bilinear(x, size);  x = (x - mean) / std

as in `kdeploy.samples.preprocessing_numpy`, which parity compares it with: Cast, Mul, Resize, Sub and Div, each left
out where the spec has no such step. Images come as uint8, channels first as canonical ones do (`nchw`), or last as
decoders give them (`nhwc`: a Transpose opens the graph); every other input as the float32 array it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kdeploy.errors import ModelError
from kdeploy.models.signature import signature_of
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes.ports import of_graph
from kdeploy.system.files import commit_bytes

Layout = Literal["nchw", "nhwc"]
PREFIX = "preprocessing/"


class Step(NamedTuple):
    """One operator, the constant it reads, and its attributes."""

    operator: str
    constant: np.ndarray | None = None
    attributes: Mapping[str, Any] = {}


def prepend(model: Path, path: Path, spec: Preprocessing, layout: Layout) -> None:
    """Write `model` with its preprocessing in front; the input keeps its name.

    Raises: ModelError for channels last where a sample is not an image.
    """
    if layout == "nhwc" and spec.kind != "image":
        advice = "Remove it: only images have channels to move."
        raise ModelError("export.layout", "must be nchw for an input that is an array", got=layout, advice=advice)
    whole = onnx.load(model)
    name = signature_of(of_graph(whole), str(model)).input
    del whole.graph.input[:]
    whole.graph.input.append(_input(spec, name, layout))
    nodes, last = [], name
    for step in steps(spec, layout):
        nodes.append(_node(whole.graph, step, last))
        last = nodes[-1].output[0]
    for node in whole.graph.node:
        node.input[:] = [last if read == name else read for read in node.input]
    nodes.extend(whole.graph.node)
    del whole.graph.node[:]
    whole.graph.node.extend(nodes)
    onnx.checker.check_model(whole, full_check=True)
    commit_bytes(path, whole.SerializeToString(deterministic=True))


def as_given(canonical: np.ndarray, layout: Layout) -> np.ndarray:
    """Canonical samples (N, *shape) as the graph takes them; with nhwc (N, height, width, channels)."""
    return np.ascontiguousarray(np.moveaxis(canonical, 1, -1)) if layout == "nhwc" else canonical


def steps(spec: Preprocessing, layout: Layout) -> Iterator[Step]:
    """What stands in front of the model, in order."""
    if layout == "nhwc":
        yield Step("Transpose", None, {"perm": [0, 3, 1, 2]})  # of the bytes: a quarter of what floats would move
    if spec.dtype == "uint8":
        yield Step("Cast", None, {"to": TensorProto.FLOAT})
    if spec.scale != 1.0:
        yield Step("Mul", np.asarray(spec.scale, np.float32))
    if spec.size is not None:
        # half-pixel centres without smoothing are the operator's defaults; of two axes, since the batch is free
        yield Step("Resize", np.asarray(spec.size, np.int64), {"axes": [2, 3], "mode": "linear"})
    if spec.mean is not None:
        yield Step("Sub", _per_channel(spec, spec.mean))
    if spec.std is not None:
        yield Step("Div", _per_channel(spec, spec.std))


def _per_channel(spec: Preprocessing, values: tuple[float, ...]) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(1, -1, *(1,) * (len(spec.shape) - 1))


def _node(graph: onnx.GraphProto, step: Step, read: str) -> onnx.NodeProto:
    """The node of a step; its constant is added to the graph."""
    name = PREFIX + step.operator.lower()
    inputs = [read]
    if step.constant is not None:
        graph.initializer.append(numpy_helper.from_array(step.constant, f"{name}-constant"))
        # a Resize has a region of interest and scales before its sizes, and is given neither
        inputs += ["", ""] * (step.operator == "Resize") + [f"{name}-constant"]
    return helper.make_node(step.operator, inputs, [name], name=name, **step.attributes)


def _input(spec: Preprocessing, name: str, layout: Layout) -> onnx.ValueInfoProto:
    shape = (*spec.shape[1:], spec.shape[0]) if layout == "nhwc" else spec.shape
    kind = TensorProto.UINT8 if spec.dtype == "uint8" else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, ["batch", *shape])
