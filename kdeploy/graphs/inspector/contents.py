"""The contents of a file, inspected: parse -> text -> versions -> dead nodes left out -> graph -> stored tensors
-> ONNX's checker -> activations.

Each step relies on those before it. ONNX's checker sees a model without its large tensors, which are inputs to it: it
copies what it checks, several times, and the tensors have been judged by then.

    opset from 7, IR from 3, up to the newest that the installed onnx defines

because ONNX Runtime promises 7 and above, while the checker and the runtimes accept any number, 9999 as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from kdeploy.errors import ModelError, ResourceError
from kdeploy.graphs.inspector import graph as structure
from kdeploy.graphs.inspector.activations import peak_bytes
from kdeploy.graphs.inspector.finite import check_finite
from kdeploy.graphs.inspector.record import Inspection, InspectionLimits
from kdeploy.graphs.inspector.regular_file import check_file
from kdeploy.graphs.inspector.tensors import check_tensors
from kdeploy.graphs.inspector.text import check_text
from kdeploy.graphs.inspector.unrepeatable import unrepeatable
from kdeploy.graphs.inspector.wording import EXPORT_AGAIN, cause
from kdeploy.runtimes.live_nodes import leave_out_dead
from kdeploy.runtimes.onnxfile import fix_lengths, free_lengths
from kdeploy.runtimes.output_shapes import closed_outputs

OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)
IR_VERSIONS = range(3, onnx.IR_VERSION + 1)
SMALL = 1024  # elements; shapes are computed from such tensors, so their values stay


def inspect_contents(
    path: Path, limits: InspectionLimits, *, where: str | None = None, shape: Sequence[int] | None = None
) -> Inspection:
    """Inspect a file in this process: use `kdeploy.graphs.inspector.child.inspect`, which bounds what that may take.

    Args:
        where: what messages call the file, its path by default.
        shape: the lengths of a sample, where some are free.
    Raises: ModelError, IntegrityError, NonFiniteError, ResourceError.
    """
    where = where or str(path)
    check_file(path, limits)
    model = _parsed(path.read_bytes(), where)
    check_text(model, where)
    return _inspected(model, path.parent, where, limits, shape)


def _inspected(
    model: onnx.ModelProto, folder: Path, where: str, limits: InspectionLimits, shape: Sequence[int] | None
) -> Inspection:
    graph, opset = model.graph, _opset(model, where)
    structure.check_counts(graph, where, limits)
    left_out = leave_out_dead(graph)
    structure.check_graph(graph, where, limits)
    if shape is not None:
        fix_lengths(graph, shape, where)
    inputs = structure.values(structure.fed_inputs(graph), "input", where)
    weights_bytes, side_files = check_tensors(graph, folder, where, limits)
    operators, differing = structure.operators(graph), unrepeatable(graph)
    check_finite(graph, folder, where)
    _lighten(graph)
    _shape_outputs(model)
    outputs = structure.values(graph.output, "output", where)
    _check_by_onnx(model, where)
    return Inspection(
        opset=opset,
        ir_version=model.ir_version,
        inputs=inputs,
        outputs=outputs,
        operators=operators,
        left_out=left_out,
        weights_bytes=weights_bytes,
        activation_bytes=_activations(model, [value.name for value in inputs], where, limits),
        side_files=side_files,
        unrepeatable=differing,
    )


def _parsed(content: bytes, where: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as exc:
        if "alloc failed" in str(exc):
            raise MemoryError from exc
        raise ModelError(where, "must be an ONNX model", got=cause(exc), advice=EXPORT_AGAIN) from exc
    unknown = [field.field_number for field in UnknownFieldSet(model)]
    if unknown or not model.HasField("graph"):
        got = f"unknown field {unknown[0]}" if unknown else "no graph"
        raise ModelError(where, "must be an ONNX model", got=got, advice=EXPORT_AGAIN)
    free_lengths(model.graph)
    return model


def _opset(model: onnx.ModelProto, where: str) -> int:
    """The one version of ONNX's own operators that the model imports."""
    if model.functions or model.training_info:
        got = "functions of its own" if model.functions else "training information"
        raise ModelError(where, "must be a plain graph", got=got, advice="Export it with its functions inlined.")
    if model.ir_version not in IR_VERSIONS:
        raise _unsupported("IR version", IR_VERSIONS, str(model.ir_version), where)
    versions = sorted({entry.version for entry in model.opset_import if entry.domain in structure.DOMAINS})
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise _unsupported("opset", OPSETS, ", ".join(map(str, versions)) or "none", where)
    return int(versions[0])


def _unsupported(what: str, supported: range, got: str, where: str) -> ModelError:
    must = f"must have one ONNX {what} from {supported[0]} to {supported[-1]}"
    return ModelError(where, must, got=got, advice="Export it for a version in that range.")


def _lighten(graph: onnx.GraphProto) -> None:
    """Make the large tensors inputs, of the shapes they have and not of those that an input of their name claims."""
    declared = {value.name: value for value in graph.input}
    small = []
    for tensor in graph.initializer:
        is_small = math.prod(tensor.dims) <= SMALL and not tensor.external_data
        if is_small:
            small.append(onnx.TensorProto.FromString(tensor.SerializeToString()))
        if tensor.name in declared or not is_small:
            value = declared.get(tensor.name) or graph.input.add()
            value.CopyFrom(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    del graph.initializer[:]
    graph.initializer.extend(small)


def _shape_outputs(model: onnx.ModelProto) -> None:
    """Give the outputs of which nothing is said the type and the shape that ONNX infers: its checker asks for both."""
    outputs = closed_outputs(model)
    del model.graph.output[:]
    model.graph.output.extend(outputs)


def _check_by_onnx(model: onnx.ModelProto, where: str) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except MemoryError:
        raise
    except Exception as exc:  # ValidationError, InferenceError, and what protobuf raises
        raise ModelError(where, "must pass ONNX's checker", got=cause(exc), advice=EXPORT_AGAIN) from exc


def _activations(model: onnx.ModelProto, inputs: Sequence[str], where: str, limits: InspectionLimits) -> int:
    peak = peak_bytes(model, inputs, where)
    if peak > limits.activation_bytes:
        must = f"must hold at most {limits.activation_bytes} bytes at once while it runs"
        raise ResourceError(where, must, got=f"{peak} bytes at one row")
    return peak
