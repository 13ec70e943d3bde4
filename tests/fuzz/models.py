"""ONNX classifiers of seven kinds, and mutants of them: one thing of the graph changed, or some bytes of the file."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.campaign import Words
from tests.fuzz.mutations import bytes_changed

Nodes = list[onnx.NodeProto]
CLASSES = 3


def case(number: int, folder: Path) -> list[Words]:
    """A mutant in `m.onnx`, through show, export and verify."""
    draw = random.Random(f"model {number}")
    model = draw.choice(KINDS)(np.random.default_rng(number % 5))
    content = mutant(model, draw)
    (folder / "m.onnx").write_bytes(content)
    # timing two forms takes half a minute of processes that no mutant changes
    form = ["--bottleneck", draw.choice(["fuse", "factored"])]
    return [
        ["kdeploy", "show", "m.onnx"],
        ["kdeploy", "export", "m.onnx", *form, "--out", "out"],
        ["kdeploy", "verify", "m.onnx"],
    ]


def mutant(model: onnx.ModelProto, draw: random.Random) -> bytes:
    """The file of a model in which one to three things are changed; one in twenty stays sound."""
    if draw.random() < 0.05:
        return model.SerializeToString()
    if draw.random() < 0.25:
        return bytes_changed(model.SerializeToString(), draw)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        try:
            draw.choice(CHANGES)(model, draw)
        except (ValueError, IndexError, TypeError):  # a field that cannot hold it, or nothing left to change
            continue
    return model.SerializeToString()


# -- sound models


def _model(
    nodes: Nodes, shape: tuple[int | str, ...], weights: dict[str, np.ndarray], batch: int | str = "n"
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _drawn(draws: np.random.Generator, *shape: int) -> np.ndarray:
    return (draws.standard_normal(shape) / np.sqrt(max(shape[0], 1))).astype(np.float32)


def _gemm(draws: np.random.Generator) -> onnx.ModelProto:
    """Gemm -> ReLU -> Gemm."""
    nodes = [
        helper.make_node("Gemm", ["x", "u", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "v"], ["logits"], transB=1),
    ]
    return _model(nodes, (6,), {"u": _drawn(draws, 6, 8), "b": _drawn(draws, 8), "v": _drawn(draws, CLASSES, 8)})


def _pair(draws: np.random.Generator) -> onnx.ModelProto:
    """A bottleneck: two linear layers next to each other."""
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["k"]),
        helper.make_node("MatMul", ["k", "u"], ["h"]),
        helper.make_node("Sigmoid", ["h"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["logits"]),
    ]
    return _model(nodes, (6,), {"v": _drawn(draws, 6, 2), "u": _drawn(draws, 2, 9), "w": _drawn(draws, 9, CLASSES)})


def _conv(draws: np.random.Generator, batch: int | str = "n") -> onnx.ModelProto:
    """Convolution, batch norm, pooling, Flatten, Gemm."""
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "spread"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"]),
    ]
    weights = {"k": _drawn(draws, 4, 1, 3, 3), "w": _drawn(draws, 64, CLASSES), "b": _drawn(draws, CLASSES)}
    weights |= {name: _drawn(draws, 4) for name in ("scale", "shift", "mean")}
    return _model(nodes, (1, 8, 8), weights | {"spread": np.abs(_drawn(draws, 4)) + 1}, batch)


def _fixed(draws: np.random.Generator) -> onnx.ModelProto:
    """A convolution with a batch of 4."""
    return _conv(draws, 4)


def _global(draws: np.random.Generator) -> onnx.ModelProto:
    """A convolution, the mean over the image, and a Reshape to the batch that Shape tells."""
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["rows"]),
        helper.make_node("Concat", ["rows", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["g", "target"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["logits"]),
    ]
    weights = {"k": _drawn(draws, 5, 3, 3, 3), "b": _drawn(draws, 5), "w": _drawn(draws, 5, CLASSES)}
    shapes = {"zero": np.array([0], np.int64), "rest": np.array([-1], np.int64)}
    return _model(nodes, (3, 7, 7), weights | shapes)


def _attention(draws: np.random.Generator) -> onnx.ModelProto:
    """One head of attention over a sequence, with a mask, and layer norm."""
    mask = np.triu(np.full((5, 5), -np.inf, np.float32), 1)
    nodes = [
        helper.make_node("MatMul", ["x", "wq"], ["q"]),
        helper.make_node("MatMul", ["x", "wk"], ["k"]),
        helper.make_node("MatMul", ["x", "wv"], ["v"]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"]),
        helper.make_node("Add", ["scores", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "v"], ["mixed"]),
        helper.make_node("LayerNormalization", ["mixed", "scale"], ["normed"], axis=-1),
        helper.make_node("ReduceMean", ["normed", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["logits"]),
    ]
    weights = {name: _drawn(draws, 4, 4) for name in ("wq", "wk", "wv")} | {"w": _drawn(draws, 4, CLASSES)}
    more = {"mask": mask, "scale": np.ones(4, np.float32), "axes": np.array([1], np.int64)}
    return _model(nodes, (5, 4), weights | more)


def _tail(draws: np.random.Generator) -> onnx.ModelProto:
    """Arithmetic of single values: Clip, Div, Where, Softmax, and a constant of a node."""
    constant = numpy_helper.from_array(np.full((1, 6), 0.5, np.float32))
    nodes = [
        helper.make_node("Constant", [], ["half"], value=constant),
        helper.make_node("Sub", ["x", "half"], ["centred"]),
        helper.make_node("Clip", ["centred", "low", "high"], ["clipped"]),
        helper.make_node("Greater", ["clipped", "nought"], ["mask"]),
        helper.make_node("Where", ["mask", "clipped", "nought"], ["kept"]),
        helper.make_node("Div", ["kept", "spread"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "w"], ["h"]),
        helper.make_node("LogSoftmax", ["h"], ["logits"], axis=1),
    ]
    numbers = {name: np.array(value, np.float32) for name, value in (("low", -2), ("high", 2), ("nought", 0))}
    return _model(nodes, (6,), numbers | {"spread": np.full(6, 2, np.float32), "w": _drawn(draws, 6, CLASSES)})


KINDS: tuple[Callable[[np.random.Generator], onnx.ModelProto], ...] = (
    *(_gemm, _pair, _conv, _fixed, _global, _attention, _tail),
)

# -- changes of one thing

# fmt: off
OPERATORS = (
    "Relu", "Neg", "Sqrt", "Log", "Exp", "Reciprocal", "Abs", "Identity", "Sigmoid", "Tanh", "Erf", "Softmax", "Add",
    "Mul", "Sub", "Div", "Pow", "MatMul", "Max", "Min", "Flatten", "Transpose", "Shape", "Cast", "Unsqueeze",
    "Squeeze", "Expand", "Tile", "ReduceSum", "ReduceMean", "ReduceMax", "ArgMax", "TopK", "NonZero", "Loop", "If",
    "RandomNormal", "RandomUniformLike", "Dropout", "Concat", "Slice", "GatherND", "ScatterND", "Gather", "Where",
    "ConstantOfShape", "Range", "OneHot", "Resize", "Einsum", "CumSum", "IsNaN", "IsInf", "Not", "Ceil", "Round",
    "Mod", "Gelu", "LSTM", "GRU", "MaxPool", "AveragePool", "GlobalMaxPool", "LpNormalization",
    "InstanceNormalization", "Size", "DepthToSpace", "EyeLike", "Trilu", "QuantizeLinear", "Bernoulli",
    "StringConcat", "NoSuchOperator",
)
# fmt: on
LENGTHS = (0, 1, 2, 3, 4, 7, 64, 1000, 65536, 2**31 - 1, 2**31, 2**40, -1, 2**63 - 1)
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, 1e30, -1e38, 1e-42, 3e4)


def _operator(model: onnx.ModelProto, draw: random.Random) -> None:
    draw.choice(model.graph.node).op_type = draw.choice(OPERATORS)


def _between(model: onnx.ModelProto, draw: random.Random) -> None:
    """One more node between two."""
    at = draw.randrange(len(model.graph.node))
    node = model.graph.node[at]
    place = draw.randrange(len(node.input))
    more = helper.make_node(draw.choice(OPERATORS), [node.input[place]] * draw.choice([1, 1, 2]), ["between"])
    node.input[place] = "between"
    model.graph.node.insert(at, more)


def _length(model: onnx.ModelProto, draw: random.Random) -> None:
    """Another length, or a symbol, or none, in the shape of an input or an output."""
    dims = draw.choice([*model.graph.input, *model.graph.output]).type.tensor_type.shape.dim
    match draw.randrange(4):
        case 0:
            dims.add().dim_value = draw.choice(LENGTHS)
        case 1:
            del dims[draw.randrange(len(dims))]
        case 2:
            draw.choice(dims).dim_param = draw.choice(["n", "m", "", "é"])
        case _:
            draw.choice(dims).dim_value = draw.choice(LENGTHS)


def _stored_shape(model: onnx.ModelProto, draw: random.Random) -> None:
    tensor = draw.choice(model.graph.initializer)
    if draw.random() < 0.5 and len(tensor.dims) > 1:
        turned = list(tensor.dims)
        draw.shuffle(turned)
        tensor.dims[:] = turned
    else:
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(LENGTHS)


def _stored_values(model: onnx.ModelProto, draw: random.Random) -> None:
    """One value, or all, odd."""
    tensor = draw.choice(model.graph.initializer)
    values = np.array(numpy_helper.to_array(tensor))
    odd = draw.choice(NUMBERS) if values.dtype.kind == "f" else draw.choice([-7, -1, 0, 1, 2, 9, 2**31, 2**62])
    values.reshape(-1)[slice(None) if draw.random() < 0.3 else draw.randrange(values.size)] = odd
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _stored_size(model: onnx.ModelProto, draw: random.Random) -> None:
    """A stored tensor that is larger, or empty, and whole."""
    tensor = draw.choice(model.graph.initializer)
    values = numpy_helper.to_array(tensor)
    repeats = draw.choice([0, 2, 50])
    changed = np.repeat(values, repeats, axis=draw.randrange(max(values.ndim, 1))) if values.ndim else values
    tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


def _stored_dtype(model: onnx.ModelProto, draw: random.Random) -> None:
    tensor = draw.choice(model.graph.initializer)
    kind = draw.choice([np.float16, np.float64, np.int32, np.int8, np.uint8, np.bool_])
    if draw.random() < 0.5:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(kind), tensor.name))
    else:
        tensor.data_type = draw.randrange(-1, 26)


def _port_dtype(model: onnx.ModelProto, draw: random.Random) -> None:
    draw.choice([*model.graph.input, *model.graph.output]).type.tensor_type.elem_type = draw.randrange(0, 24)


def _attribute(model: onnx.ModelProto, draw: random.Random) -> None:
    attribute = draw.choice([one for node in model.graph.node for one in node.attribute])
    match draw.randrange(4):
        case 0 if attribute.ints:
            attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(LENGTHS)
        case 1 if attribute.ints:
            attribute.ints.append(draw.choice(LENGTHS))
        case 2:
            attribute.name = draw.choice(["axis", "perm", "to", "alpha", "nope", ""])
        case _:
            attribute.i = draw.choice([*LENGTHS, -2, -3])


def _new_attribute(model: onnx.ModelProto, draw: random.Random) -> None:
    name = draw.choice(
        ["axis", "keepdims", "alpha", "transA", "transB", "group", "dilations", "auto_pad", "to", "epsilon"]
    )
    value = draw.choice([0, 1, -1, 2, 10, 0.0, 1e38, float("nan"), [2, 2], "SAME_UPPER", "VALID"])
    draw.choice(model.graph.node).attribute.append(helper.make_attribute(name, value))


def _wires(model: onnx.ModelProto, draw: random.Random) -> None:
    """A node reads something else, one thing more, or one less."""
    node = draw.choice(model.graph.node)
    names = [name for one in model.graph.node for name in one.output] + [one.name for one in model.graph.initializer]
    match draw.randrange(4):
        case 0:
            node.input.append(draw.choice(names))
        case 1:
            node.input.pop()
        case 2:
            node.output[0] = draw.choice(["logits", "x", "", node.output[0] + "2"])
        case _:
            node.input[draw.randrange(len(node.input))] = draw.choice([*names, "x", ""])


def _nodes(model: onnx.ModelProto, draw: random.Random) -> None:
    nodes = model.graph.node
    at = draw.randrange(len(nodes))
    match draw.randrange(3):
        case 0:  # left out
            for node in nodes:
                node.input[:] = [nodes[at].input[0] if name == nodes[at].output[0] else name for name in node.input]
            del nodes[at]
        case 1:
            del nodes[at]
        case _:
            nodes.append(nodes.pop(at))


def _versions(model: onnx.ModelProto, draw: random.Random) -> None:
    match draw.randrange(3):
        case 0:
            model.opset_import[0].version = draw.choice([0, 1, 6, 7, 9, 11, 13, 17, 22, 26, 2**40])
        case 1:
            model.ir_version = draw.choice([0, 2, 3, 4, 13, 99])
        case _:
            model.opset_import[0].domain = draw.choice(["", "com.microsoft", "ai.onnx.ml"])


def _batch(model: onnx.ModelProto, draw: random.Random) -> None:
    """The batch is lost on the way to the logits: reduced, moved, repeated, or baked in."""
    last = model.graph.node[-1]
    name, last.output[0] = last.output[0], "before"
    ways: list[tuple[str, list[str], dict[str, object]]] = [
        ("ReduceMean", ["before"], {"keepdims": 1}),
        ("Transpose", ["before"], {"perm": [1, 0]}),
        ("Concat", ["before", "before"], {"axis": draw.choice([0, 1])}),
        ("Softmax", ["before"], {"axis": 0}),
        ("Reshape", ["before", "baked"], {}),
        ("Expand", ["before", "baked"], {}),
        ("Gather", ["before", "few"], {"axis": draw.choice([0, 1])}),
        ("Tile", ["before", "few"], {}),
        ("Log", ["before"], {}),
        ("Sqrt", ["before"], {}),
    ]
    kind, inputs, attributes = draw.choice(ways)
    baked = np.array(draw.choice([[1, CLASSES], [-1, CLASSES], [CLASSES, 1], [8, CLASSES], [-1, 1]]), np.int64)
    model.graph.initializer.append(numpy_helper.from_array(baked, "baked"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(draw.choice([[0, 1], [1, 1], [2, 1]])), "few"))
    model.graph.node.append(helper.make_node(kind, inputs, [name], **attributes))


CHANGES = (
    *(_operator, _between, _between, _length, _stored_shape, _stored_values, _stored_values, _stored_size),
    *(_stored_dtype, _port_dtype, _attribute, _new_attribute, _wires, _wires, _nodes, _versions, _batch, _batch),
)
