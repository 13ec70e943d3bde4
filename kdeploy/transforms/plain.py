"""A classifier's graph with nothing in it that nobody needs, and logits of two axes at its end.

    nodes that no output needs                                      left out
    y (batch, classes, 1, 1), as of a network that ends in pooling  Flatten(y), (batch, classes)

The names of input and output stay.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from kdeploy.runtimes.live_nodes import leave_out_dead
from kdeploy.runtimes.onnxfile import copy_model, header, rename
from kdeploy.runtimes.output_shapes import closed_outputs


def plain_file(path: Path, folder: Path) -> Path:
    """A plain copy of a model in a folder, under the same name; the model's own path where it is plain already.

    Raises: ModelError when it is not ONNX; Refused when the files with its weights do not lie beside it.
    """
    model = header(path)
    if not make_plain(model):
        return path
    copy_model(path, folder, runtime="onnx")  # for the files with its weights
    onnx.save(model, folder / path.name)
    return folder / path.name


def make_plain(model: onnx.ModelProto) -> bool:
    """Make the graph of a model plain, in place; whether anything was changed."""
    outputs = closed_outputs(model)
    changed = leave_out_dead(model.graph) > 0
    if len(outputs) == 1 and _has_ones_behind(outputs[0]):
        changed |= _flatten(model.graph, outputs[0])
    if changed:
        del model.graph.output[:]
        model.graph.output.extend(outputs)
    return changed


def _has_ones_behind(value: onnx.ValueInfoProto) -> bool:
    dims = value.type.tensor_type.shape.dim
    return len(dims) > 2 and all(dim.dim_value == 1 for dim in dims[2:])


def _flatten(graph: onnx.GraphProto, output: onnx.ValueInfoProto) -> bool:
    """Put a Flatten behind the node that gives an output, which keeps its name; whether a node gives it."""
    name, inner = output.name, f"{output.name}/unflattened"
    if not any(name in node.output for node in graph.node):
        return False
    rename(graph, name, inner)
    graph.node.append(onnx.helper.make_node("Flatten", [inner], [name], name=f"{name}/flatten", axis=1))
    del output.type.tensor_type.shape.dim[2:]
    return True
