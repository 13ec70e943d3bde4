"""The logits of a classifier whose graph ends in probabilities: z -> Softmax -> output becomes z -> Identity -> output.

Distillation learns logits, and predict.py takes their softmax; that of probabilities would be nearly even. Of several
labels at once it is Sigmoid in the place of Softmax. Values are what they are, whatever the graph ends in.
"""

from __future__ import annotations

import onnx

from kdeploy.errors import ModelError
from kdeploy.outputs.terms import OutputsName
from kdeploy.runtimes.live_nodes import leave_out_dead
from kdeploy.runtimes.output_shapes import closed_outputs

SOFTMAXES = frozenset(["Softmax", "LogSoftmax"])  # what goes into them are the logits, but for a number a row
SIGMOIDS = frozenset(["Sigmoid", "LogSigmoid", "HardSigmoid"])
PASSING = "Identity"


def take_logits(model: onnx.ModelProto, where: str, outputs: OutputsName = "classes") -> str:
    """Make what goes into a last softmax over the classes, or a last sigmoid of labels, the output, in place.

    Args:
        model: a classifier with one output (batch, classes).
        where: what messages call it.
    Returns: the operator that was left out; empty where the graph does not end in one.
    Raises: ModelError for one that ends in a sigmoid of several outputs where one class is right, or in a softmax where
        several labels are.
    """
    graph, width = model.graph, closed_outputs(model)[0].type.tensor_type.shape.dim[1].dim_value
    leave_out_dead(graph)  # a label that nobody asks for reads the probabilities too
    end = _end(graph)
    operator = end[0].op_type if end else ""
    if outputs == "values":
        return ""
    _must_end_in_logits(operator, width, where, outputs)
    if operator != "Sigmoid" if outputs == "labels" else operator not in SOFTMAXES or not _is_over_classes(end[0]):
        return ""
    for node in end:
        graph.node.remove(node)
    graph.node.append(onnx.helper.make_node(PASSING, [end[0].input[0]], [graph.output[0].name]))
    return operator


def _must_end_in_logits(operator: str, width: int, where: str, outputs: OutputsName) -> None:
    if outputs == "labels" and operator in SOFTMAXES:
        must, got = "must give a logit for each label", f"{operator} at the end: one class is right"
        raise ModelError(where, must, got=got, advice="Set outputs to classes, or export what goes into it.")
    if outputs == "labels" and operator in SIGMOIDS - {"Sigmoid"}:
        must = "must give a logit for each label, or Sigmoid of it"
        raise ModelError(where, must, got=f"{operator} at the end", advice="Export what goes into it.")
    if outputs == "classes" and operator in SIGMOIDS and width != 1:
        must, got = (
            "must give logits of classes of which one is right",
            f"{operator} at the end: several labels at once",
        )
        advice = "Set outputs to labels; if one is right, export what goes into it."
        raise ModelError(where, must, got=got, advice=advice)


def _end(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that the output comes from, back to the first that is no Identity; empty where it is an input."""
    makers = {name: node for node in graph.node for name in node.output}
    nodes: list[onnx.NodeProto] = []
    name = graph.output[0].name
    while (node := makers.get(name)) is not None:
        nodes.insert(0, node)
        if node.op_type != PASSING:
            return nodes
        name = node.input[0]
    return []


def _is_over_classes(node: onnx.NodeProto) -> bool:
    """Of (batch, classes); left out the axis is the last one, or 1 before opset 13: the same one."""
    return all(attribute.i in (1, -1) for attribute in node.attribute if attribute.name == "axis")
