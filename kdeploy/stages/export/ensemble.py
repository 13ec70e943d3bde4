"""Several teachers as one ONNX graph: each member under a prefix, all fed from one input, and behind them their mean.

    logits:         sum_i w_i z_i
    probabilities:  log sum_i exp(a_i - m) + m,    a_i = d_i - log sum exp(d_i) + log w_i,    m = max_i a_i,
                                                   d_i = z_i - max z_i

the second is `kdeploy.models.ensemble` in operators that every runtime has, and cannot overflow; LogSoftmax is none of
them, which ONNX's reference evaluator takes for the logarithm of a softmax, -infinity where that is 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import compose, helper, numpy_helper, version_converter

from kdeploy.errors import ModelError
from kdeploy.graphs.export import LIMIT_BYTES, OPSET, OUTPUT
from kdeploy.models.ensemble import Rule
from kdeploy.models.signature import signature
from kdeploy.system.files import commit_bytes

LAST_AXIS = "last-axis"
_IR = 10  # what opset 18 needs, and every runtime reads


def merge(members: Sequence[Path], path: Path, *, input_name: str, shape: Sequence[int], rule: Rule) -> None:
    """Write the ensemble of classifiers as one graph.

    Args:
        input_name, shape: of its input; a sample has this shape.

    Raises: ModelError for a member with a fixed batch, or of an opset that cannot be converted to 18, and for
        members that are too large for one file.
    """
    size = sum(member.stat().st_size for member in members)
    if size > LIMIT_BYTES:
        got = f"{size} bytes in {len(members)} teachers"
        raise ModelError(str(path), f"must have at most {LIMIT_BYTES} bytes of weights", got=got)
    batch = helper.make_tensor_value_info(input_name, onnx.TensorProto.FLOAT, ["batch", *shape])
    classes = signature(members[0]).classes
    logits = helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["batch", classes])
    graph = helper.make_graph([], "kdeploy", [batch], [logits])
    outputs = [_add(graph, member, f"member-{number}/", input_name) for number, member in enumerate(members)]
    for name, value in (_mean if rule.mean == "logits" else _mean_of_probabilities)(graph, outputs, rule.weights):
        graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR, producer_name="kdeploy"
    )
    onnx.checker.check_model(model, full_check=True)
    commit_bytes(path, model.SerializeToString(deterministic=True))


def _add(graph: onnx.GraphProto, member: Path, prefix: str, input_name: str) -> str:
    """Add the graph of a member; returns the name of its logits."""
    ports = signature(member)
    if ports.batch is not None:
        got, advice = f"a batch of {ports.batch}", "Export it with a dynamic batch."
        raise ModelError(str(member), "must take any batch to be one of several teachers", got=got, advice=advice)
    theirs = compose.add_prefix_graph(_at_our_opset(member).graph, prefix, rename_inputs=False)
    for node in theirs.node:
        node.input[:] = [input_name if name == ports.input else name for name in node.input]
    graph.node.extend(theirs.node)
    graph.initializer.extend(theirs.initializer)
    return str(theirs.output[0].name)


def _at_our_opset(member: Path) -> onnx.ModelProto:
    model = onnx.load(member)
    version = max(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if version == OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as exc:  # the converter raises RuntimeError and what its schemas raise
        raise ModelError(
            str(member),
            f"must be convertible to ONNX opset {OPSET} to be one of several teachers",
            got=f"opset {version}: {str(exc).splitlines()[0]}",
            advice=f"Export it for opset {OPSET}.",
        ) from exc


def _mean(graph: onnx.GraphProto, outputs: Sequence[str], weights: Sequence[float]) -> list[tuple[str, float]]:
    """Add the nodes of the mean of logits; returns the constants that they read."""
    constants = [(f"weight-{number}", weight) for number, weight in enumerate(weights)]
    parts = [f"weighted-{number}" for number in range(len(outputs))]
    for output, (name, _), part in zip(outputs, constants, parts, strict=True):
        graph.node.append(helper.make_node("Mul", [output, name], [part], name=part))
    graph.node.append(helper.make_node("Sum", parts, [OUTPUT], name=OUTPUT))
    return constants


def _mean_of_probabilities(
    graph: onnx.GraphProto, outputs: Sequence[str], weights: Sequence[float]
) -> list[tuple[str, float]]:
    """Add the nodes of the mean of probabilities; returns the constants that they read."""
    constants = [(f"log-weight-{number}", math.log(weight)) for number, weight in enumerate(weights)]
    parts = [f"log-part-{number}" for number in range(len(outputs))]

    def add(operator: str, inputs: Sequence[str], output: str, **attributes: int) -> str:
        graph.node.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    graph.initializer.append(numpy_helper.from_array(np.array([-1]), LAST_AXIS))
    for output, (name, _), part in zip(outputs, constants, parts, strict=True):
        below = add("Sub", [output, add("ReduceMax", [output, LAST_AXIS], f"{part}-top")], f"{part}-below-top")
        mass = add("ReduceSum", [add("Exp", [below], f"{part}-masses"), LAST_AXIS], f"{part}-mass")
        of_one = add("Sub", [below, add("Log", [mass], f"{part}-log-mass")], f"{part}-of-one")
        add("Add", [of_one, name], part)
    largest = add("Max", parts, "largest")
    terms = [add("Exp", [add("Sub", [part, largest], f"{part}-below")], f"{part}-term") for part in parts]
    add("Add", [add("Log", [add("Sum", terms, "total")], "log-total"), largest], OUTPUT)
    return constants
