"""The graph of a model: known operators, each name given once, each node after those it reads.

Control flow is refused whole: an infinite Loop hangs ONNX Runtime and OpenVINO alike, twenty nested Ifs hang OpenVINO's
compiler, and a classifier needs neither. A node that reads a name which is given later is refused whether or not it
closes a cycle: OpenVINO runs a cyclic graph, and calls the result an array.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import onnx

from kdeploy.errors import ModelError
from kdeploy.graphs.inspector.other_domains import advice_on_domains
from kdeploy.graphs.inspector.record import InspectionLimits, Value
from kdeploy.graphs.inspector.tensors import BITS, type_name
from kdeploy.graphs.inspector.wording import EXPORT_AGAIN, node_words, quoted

DOMAINS = ("", "ai.onnx")
CONTROL_FLOW = frozenset(["If", "Loop", "Scan", "SequenceMap"])
OPTIONALS = "Optional OptionalGetElement OptionalHasElement"
SEQUENCES = """ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
    SplitToSequence"""
STRINGS = "RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer"
NOT_TENSORS = frozenset(" ".join([OPTIONALS, SEQUENCES, STRINGS]).split())
_Attribute = onnx.AttributeProto
GRAPHS = (_Attribute.GRAPH, _Attribute.GRAPHS)
ODD_ATTRIBUTES = {
    _Attribute.SPARSE_TENSOR: "a sparse tensor",
    _Attribute.SPARSE_TENSORS: "sparse tensors",
    _Attribute.TYPE_PROTO: "a type",
    _Attribute.TYPE_PROTOS: "types",
}


def check_graph(graph: onnx.GraphProto, where: str, limits: InspectionLimits) -> None:
    """Check the nodes, names and order of a graph.

    Raises: ModelError for the first thing that is wrong.
    """
    advice = advice_on_domains(graph.node)
    for node in graph.node:
        _check_node(node, where, advice)
    _check_names(graph, where, limits)
    _check_order(graph, where)
    # a node needs no name, but ONNX Runtime reads no two of one
    _check_own_names([node.name for node in graph.node if node.name], "named nodes", where)


def values(ports: Iterable[onnx.ValueInfoProto], kind: str, where: str) -> tuple[Value, ...]:
    """The inputs or outputs of a graph as a record has them.

    Raises: ModelError for one that is not a tensor of numbers.
    """
    return tuple(_value(port, kind, where) for port in ports)


def operators(graph: onnx.GraphProto) -> dict[str, int]:
    """The number of nodes of each operator, sorted by name."""
    return dict(sorted(Counter(node.op_type for node in graph.node).items()))


def fed_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs a caller gives: those that no initialiser fills."""
    filled = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in filled]


def check_counts(graph: onnx.GraphProto, where: str, limits: InspectionLimits) -> None:
    """Check the counts of a graph, nodes that nobody needs among them.

    Raises: ModelError.
    """
    counts = {
        "nodes": (len(graph.node), limits.nodes),
        "inputs": (len(fed_inputs(graph)), limits.ports),
        "outputs": (len(graph.output), limits.ports),
    }
    for what, (count, most) in counts.items():
        if not 1 <= count <= most:
            raise ModelError(where, f"must have 1 to {most} {what}", got=str(count), advice=EXPORT_AGAIN)
    if graph.sparse_initializer:
        got = f"{len(graph.sparse_initializer)} sparse tensors"
        raise ModelError(where, "must store dense tensors only", got=got, advice=EXPORT_AGAIN)


def _check_node(node: onnx.NodeProto, where: str, advice: str) -> None:
    """Args: advice: on operators of other domains than ONNX's own."""
    what = node_words(node)
    if node.domain not in DOMAINS:
        raise ModelError(where, f"{what} must be of ONNX's own domain", got=quoted(node.domain), advice=advice)
    kinds = {attribute.type for attribute in node.attribute}
    if node.op_type in CONTROL_FLOW or kinds & set(GRAPHS) or any(_holds_graph(one) for one in node.attribute):
        advice = "Export a graph without If, Loop and Scan."
        raise ModelError(where, f"{what} must not be control flow", advice=advice)
    if node.op_type in NOT_TENSORS:
        raise ModelError(where, f"{what} must work on tensors of numbers", advice=EXPORT_AGAIN)
    odd = next((attribute for attribute in node.attribute if _is_odd(attribute)), None)
    if odd is not None:
        got = f"{quoted(odd.name)} is {ODD_ATTRIBUTES.get(odd.type, 'a sparse tensor')}"
        raise ModelError(where, f"{what} must have plain attributes", got=got, advice=EXPORT_AGAIN)


def _holds_graph(attribute: onnx.AttributeProto) -> bool:
    """Whether an attribute holds a graph, whatever its type says: a reader may look at the field."""
    return attribute.HasField("g") or bool(attribute.graphs)


def _is_odd(attribute: onnx.AttributeProto) -> bool:
    sparse = attribute.HasField("sparse_tensor") or bool(attribute.sparse_tensors)
    return attribute.type in ODD_ATTRIBUTES or sparse


def _check_names(graph: onnx.GraphProto, where: str, limits: InspectionLimits) -> None:
    groups = {
        "inputs": [value.name for value in graph.input],
        "outputs": [value.name for value in graph.output],
        "stored tensors": [tensor.name for tensor in graph.initializer],
    }
    for what, names in groups.items():
        _check_own_names(names, what, where)
    nodes = [name for node in graph.node for name in (node.name, *node.input, *node.output)]
    longest = max((len(name) for name in [*nodes, *(name for names in groups.values() for name in names)]), default=0)
    if longest > limits.name_length:
        must = f"must have names of at most {limits.name_length} characters"
        raise ModelError(where, must, got=str(longest), advice=EXPORT_AGAIN)


def _check_own_names(names: Iterable[str], what: str, where: str) -> None:
    for name, count in Counter(names).items():
        if not name or count > 1:
            got = f"{quoted(name)} {count} times"
            raise ModelError(where, f"must have a name of its own for each of its {what}", got=got)


def _check_order(graph: onnx.GraphProto, where: str) -> None:
    """Check static single assignment, in order: no cycle is left."""
    names = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        for name in node.input:
            if name and name not in names:
                must = f"{node_words(node)} must read what an input or an earlier node gives"
                raise ModelError(where, must, got=quoted(name), advice=EXPORT_AGAIN)
        for name in node.output:
            if name and name in names:
                must = f"{node_words(node)} must give a name that nothing else gives"
                raise ModelError(where, must, got=quoted(name), advice=EXPORT_AGAIN)
            names.add(name)
    for value in graph.output:
        if value.name not in names:
            raise ModelError(where, f"output {quoted(value.name)} must be given by a node", advice=EXPORT_AGAIN)


def _value(value: onnx.ValueInfoProto, kind: str, where: str) -> Value:
    tensor, what = value.type.tensor_type, f"{kind} {quoted(value.name)}"
    if not value.type.HasField("tensor_type") or tensor.elem_type not in BITS:
        held = value.type.WhichOneof("value") or "no type"
        got = type_name(tensor.elem_type) if held == "tensor_type" else held.removesuffix("_type")
        raise ModelError(where, f"{what} must be a tensor of numbers", got=got, advice=EXPORT_AGAIN)
    shape = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim]
    if not tensor.HasField("shape"):
        raise ModelError(where, f"{what} must have a shape", got="none", advice=EXPORT_AGAIN)
    return Value(name=value.name, dtype=type_name(tensor.elem_type), shape=tuple(shape))
