"""Hostile ONNX files, made when a test asks for one: no binary of this kind is ever kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHT = np.arange(6, dtype=np.float32).reshape(3, 2)
FLOAT = TensorProto.FLOAT


def node(operator: str, inputs: Sequence[str], output: str, **attributes: object) -> onnx.NodeProto:
    """One node that goes by its operator's name."""
    return helper.make_node(operator, inputs, [output], name=operator.lower(), **attributes)


def value(name: str, shape: Sequence[int | str] | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[onnx.ValueInfoProto] | None = None,
    outputs: Sequence[onnx.ValueInfoProto] | None = None,
    tensors: Sequence[onnx.TensorProto] = (),
    opset: int = 18,
    ir_version: int = 10,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """`x` of shape (rows, 3) in, `y` of shape (rows, 2) out, where nothing else is said."""
    graph = helper.make_graph(
        nodes,
        "hostile",
        [value("x", ["rows", 3])] if inputs is None else inputs,
        [value("y", ["rows", 2])] if outputs is None else outputs,
        tensors,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def good(**changes: Any) -> onnx.ModelProto:
    """y = x @ w, which nothing is wrong with."""
    arguments: dict[str, Any] = {"tensors": [numpy_helper.from_array(WEIGHT, "w")]} | changes
    return model([node("MatMul", ["x", "w"], "y")], **arguments)


def changed(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    found = good()
    change(found)
    return found


def unary(operator: str, *, domain: str = "", **attributes: object) -> onnx.ModelProto:
    """y = operator(x), of x's shape."""
    made = node(operator, ["x"], "y", domain=domain, **attributes)
    return model([made], outputs=[value("y", ["rows", 3])], domains=[domain] if domain else [])


def external(location: str, **entries: str) -> onnx.ModelProto:
    """y = x @ w, with the 24 bytes of w in a side file."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[3, 2], data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=text)
    return good(tensors=[tensor])


def bare(name: str, dims: Sequence[int], **fields: object) -> onnx.TensorProto:
    """A float tensor that says it has these dims, and holds what the fields say."""
    return TensorProto(name=name, data_type=FLOAT, dims=dims, **fields)


def endless_loop() -> onnx.ModelProto:
    """2^63 - 1 rounds."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [value("round", [], TensorProto.INT64), value("on", [], TensorProto.BOOL), value("a", ["rows", 3])],
        [value("still_on", [], TensorProto.BOOL), value("b", ["rows", 3])],
    )
    rounds = numpy_helper.from_array(np.array(2**63 - 1, np.int64), "rounds")
    loop = node("Loop", ["rounds", "", "x"], "y", body=body)
    return model([loop], outputs=[value("y", ["rows", 3])], tensors=[rounds])


def nested_ifs(depth: int) -> bytes:
    """An If in the branch of an If, and so on; written by hand, for onnx itself stops at a depth of about 30."""
    graph = _field(1, node("Relu", ["x"], "y").SerializeToString())
    for _ in range(depth):
        branch = _field(1, b"then_branch") + _field(6, graph) + b"\xa0\x01\x05"  # attribute: name, g, type GRAPH
        graph = _field(1, _field(1, b"c") + _field(2, b"y") + _field(4, b"If") + _field(5, branch))
    return unary("Relu").SerializeToString() + _field(7, graph)  # a second graph is merged into the first


def _field(number: int, content: bytes) -> bytes:
    """One field of a protobuf message: key, length, content."""
    length, size = bytearray(), len(content)
    while size >= 128:
        length.append(size % 128 + 128)
        size //= 128
    return bytes([number * 8 + 2, *length, size]) + content


def constant_bomb() -> onnx.ModelProto:
    """A terabyte of zeros, from a file of a hundred bytes."""
    shape = numpy_helper.from_array(np.array([500_000, 500_000], np.int64), "shape")
    nodes = [
        node("ConstantOfShape", ["shape"], "zeros"),
        node("ReduceSum", ["zeros"], "total", keepdims=0),
        node("Add", ["x", "total"], "y"),
    ]
    return model(nodes, outputs=[value("y", ["rows", 3])], tensors=[shape])


def expand_bomb() -> onnx.ModelProto:
    """10^12 times the input."""
    shape = numpy_helper.from_array(np.array([10**6, 10**6, 1, 3], np.int64), "shape")
    return model([node("Expand", ["x", "shape"], "y")], outputs=[value("y", [10**6, 10**6, "n", 3])], tensors=[shape])


def hidden_bomb() -> onnx.ModelProto:
    """A shape that comes out of a logarithm: nothing but a run can tell it."""
    big = numpy_helper.from_array(np.array([27.6], np.float32), "big")
    nodes = [
        node("Exp", ["big"], "large"),
        node("Cast", ["large"], "shape", to=TensorProto.INT64),
        node("ConstantOfShape", ["shape"], "zeros"),
        node("ReduceSum", ["zeros"], "total", keepdims=0),
        node("Add", ["x", "total"], "y"),
    ]
    return model(nodes, outputs=[value("y", ["rows", 3])], tensors=[big])


def cycle() -> onnx.ModelProto:
    """a reads b, b reads a."""
    return model([node("Add", ["x", "b"], "a"), node("Relu", ["a"], "b"), node("Relu", ["b"], "y")])


def with_function() -> onnx.ModelProto:
    found = good()
    opset = [helper.make_opsetid("", 18)]
    found.functions.append(helper.make_function("own", "F", ["a"], ["b"], [node("Relu", ["a"], "b")], opset))
    return found


def batch_norm(*, training: bool) -> onnx.ModelProto:
    """In training mode it gives the statistics of the batch as well."""
    stored = [numpy_helper.from_array(np.ones(3, np.float32), name) for name in ("scale", "bias", "mean", "var")]
    outputs = ["y", "mean_out", "var_out"] if training else ["y"]
    inputs = ["x", "scale", "bias", "mean", "var"]
    made = helper.make_node("BatchNormalization", inputs, outputs, name="norm", training_mode=int(training))
    return model([made], outputs=[value("y", ["rows", 3])], tensors=stored)


def old_batch_norm() -> onnx.ModelProto:
    """Opset 9, whose training mode shows in the outputs alone."""
    found = batch_norm(training=True)
    found.opset_import[0].version = 9
    del found.graph.node[0].attribute[:]
    found.graph.node[0].output.extend(["saved_mean", "saved_var"])
    return found


def dropout(*, training: bool | None) -> onnx.ModelProto:
    """None leaves the switch out, as exporters do."""
    stored = [numpy_helper.from_array(np.array(0.5, np.float32), "ratio")]
    if training is not None:
        stored.append(numpy_helper.from_array(np.array(training), "switch"))
    inputs = ["x", "ratio"] if training is None else ["x", "ratio", "switch"]
    return model([node("Dropout", inputs, "y")], outputs=[value("y", ["rows", 3])], tensors=stored)


def write(found: onnx.ModelProto | bytes, path: Path) -> Path:
    """Whatever it is, onto the disk; onnx's own `save` would mind."""
    path.write_bytes(found if isinstance(found, bytes) else found.SerializeToString())
    return path
