"""Parameters and bytes of the tensors that a graph stores.

    parameters = elements of the stored tensors of rank 1 or more that meet what is computed from the model's input

as floats, or as integers that are dequantised or that an operator on integers multiplies by: the weights of layers and
norms, embeddings, scales of layers, slopes, tokens that are put beside the input. A tensor may be moved, converted or
worked on with other stored ones before (weight norm, a table of relative positions): it counts with the elements that
are stored. Read twice it counts once, at its first reader. torch's `sum(p.numel() for p in net.parameters())` is the
same number, as long as no tensor of the graph was folded into another one.

No parameters are the settings of an operator (`PLACES` has the inputs that read something else), the running mean and
variance of a BatchNormalization among them; what an input is normalised by; and whatever is compared, or becomes a
shape. A mask or a fixed table of positions that is added cannot be told from a learned one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import onnx

from kdeploy.graphs.counting.operators import CONTRIBUTED, operator

# the inputs that may read parameters, of operators that have others too: settings, scales, zero points, statistics
PLACES = {
    "BatchNormalization": (0, 1, 2),
    "Clip": (0,),
    "ConvInteger": (0, 1),
    "DFT": (0,),
    "DeformConv": (0, 1, 3),
    "DequantizeLinear": (0,),
    "Dropout": (0,),
    "Equal": (),
    "GRU": (0, 1, 2, 3),
    "Greater": (),
    "GreaterOrEqual": (),
    "LSTM": (0, 1, 2, 3, 7),
    "Less": (),
    "LessOrEqual": (),
    "MatMulInteger": (0, 1),
    "OneHot": (),
    "Pad": (0,),
    "QLinearConv": (0, 3, 8),
    "QLinearMatMul": (0, 3),
    "QuantizeLinear": (0,),
    "RNN": (0, 1, 2, 3),
    "Range": (),
    "Resize": (0,),
    "STFT": (0,),
    "Upsample": (0,),
    f"{CONTRIBUTED}::DynamicQuantizeMatMul": (0, 1, 4),
    f"{CONTRIBUTED}::MatMulIntegerToFloat": (0, 1, 6),
    f"{CONTRIBUTED}::MultiHeadAttention": (0, 1, 2, 3),
    f"{CONTRIBUTED}::QGemm": (0, 3, 6),
    f"{CONTRIBUTED}::QLinearAdd": (0, 3),
    f"{CONTRIBUTED}::QLinearMul": (0, 3),
}
# they take integers for the numbers that these stand for
ON_INTEGERS = frozenset(
    [
        *("ConvInteger", "DequantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
        *(f"{CONTRIBUTED}::{name}" for name in ("DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QGemm")),
        *(f"{CONTRIBUTED}::{name}" for name in ("QLinearAdd", "QLinearMul")),
    ]
)
NORMALISING = frozenset(["Div", "Sub"])
# between an input and what normalises it
BEFORE_NORMALISING = NORMALISING | {"Add", "Cast", "Identity", "Mul", "Reshape", "Resize", "Transpose", "Unsqueeze"}
LENGTHS = frozenset(["Shape", "Size"])  # what comes of them are shapes, whatever the input is
FLOATS = frozenset(
    [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE]
)


def parameters(graph: onnx.GraphProto) -> Counter[int]:
    """The numbers of parameters, by the index of the node at which they first meet what is computed from an input."""
    reading = _Reading(graph)
    return Counter({index: sum(map(math.prod, reading.dims(node))) for index, node in enumerate(graph.node)})


class _Reading:
    """A walk over the nodes of a graph, in order: what is stored behind each name, and what was read already."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.tensors = stored(graph)
        self.behind = {name: frozenset([name]) for name in self.tensors}
        initialisers = {tensor.name for tensor in graph.initializer}
        self.numbers = {
            name
            for name, tensor in self.tensors.items()
            # a single number in a Constant node was one in the code, as the scale of attention is
            if tensor.data_type in FLOATS and (name in initialisers or math.prod(tensor.dims) > 1)
        }
        self.as_given = {value.name for value in graph.input if value.name not in self.tensors}

    def dims(self, node: onnx.NodeProto) -> Iterator[tuple[int, ...]]:
        """The shapes of the parameters that a node is the first to read."""
        names = [name for name in node.input if name]
        tensors = frozenset[str]().union(*self._behind(node))
        if operator(node) in ON_INTEGERS:
            self.numbers |= tensors
        if all(name in self.behind for name in names) or node.op_type in LENGTHS:
            self.behind |= {name: tensors | self.behind.get(name, frozenset()) for name in node.output}
            return
        normalises = self._is_as_given(node)
        if normalises and node.op_type in NORMALISING:
            return
        for name in sorted(tensors & self.numbers):
            self.numbers.remove(name)  # counted
            if self.tensors[name].dims:
                yield tuple(self.tensors[name].dims)

    def _behind(self, node: onnx.NodeProto) -> Iterator[frozenset[str]]:
        """What is stored behind each input of a node that may read parameters."""
        places = PLACES.get(operator(node), range(len(node.input)))
        return (self.behind.get(node.input[place], frozenset()) for place in places if place < len(node.input))

    def _is_as_given(self, node: onnx.NodeProto) -> bool:
        """Whether a node works on the model's input itself and on nothing else that is computed; remembers it."""
        computed = {name for name in node.input if name and name not in self.behind}
        found = node.op_type in BEFORE_NORMALISING and computed <= self.as_given
        self.as_given |= set(node.output) if found else set()
        return found


def stored(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The stored tensors of a graph by name: its initialisers, and those of Constant nodes by their output."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                tensor = onnx.TensorProto()
                tensor.CopyFrom(attribute.t)
                tensor.name = node.output[0]
                tensors[tensor.name] = tensor
    return tensors


def size_bytes(tensor: onnx.TensorProto) -> int:
    """The bytes of a tensor, packed as a file holds it: two 4-bit elements share a byte."""
    bits = 8 * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    packed = {onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4}.get(tensor.data_type, bits)
    return int(math.prod(tensor.dims) * packed + 7) // 8
