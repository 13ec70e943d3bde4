"""An ONNX file as an artefact: read without the side files that hold its weights, and copied with them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kdeploy.errors import ModelError
from kdeploy.runtimes.border import reading
from kdeploy.runtimes.protocol import Refused

if TYPE_CHECKING:
    import onnx


def header(model: Path, *, runtime: str = "onnx") -> onnx.ModelProto:
    """An ONNX file without the side files that hold its weights.

    Args:
        runtime: what reads it, for the error.
    Raises: ModelError when it is not ONNX.
    """
    import onnx

    with reading(str(model), runtime):
        return onnx.load(model, load_external_data=False)


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give what is called `old` between the nodes of a graph another name, in place; inputs, outputs and tensors keep
    theirs."""
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def free_lengths(graph: onnx.GraphProto) -> None:
    """Make the lengths below 0 free, as ONNX Runtime reads them: Paddle and others write -1 where they mean any."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value < 0:
                dim.ClearField("dim_value")


def fix_lengths(graph: onnx.GraphProto, shape: Sequence[int], where: str) -> None:
    """Give the free lengths of a graph's one input, behind its batch, those of a shape.

    Raises: ModelError when it has several inputs, or other lengths that are fixed.
    """
    stored = {tensor.name for tensor in graph.initializer}
    fed = [value for value in graph.input if value.name not in stored]
    axes = [dim for value in fed[:1] for dim in value.type.tensor_type.shape.dim][1:]
    given = [dim.dim_value if dim.HasField("dim_value") else None for dim in axes]
    differ = len(axes) != len(shape) or any(one not in (None, two) for one, two in zip(given, shape, strict=True))
    if len(fed) != 1 or differ:
        lengths = ", ".join("free" if length is None else str(length) for length in given)
        must = f"must have one input that takes (batch, {', '.join(map(str, shape))})"
        raise ModelError(
            where,
            must,
            got=f"{len(fed)} inputs, the first of shape (batch, {lengths})",
            advice="Give --shape other lengths.",
        )
    for dim, length in zip(axes, shape, strict=True):
        dim.dim_value = length


def copy_model(model: Path, folder: Path, *, runtime: str) -> Path:
    """Copy to `folder/model.onnx`, with the side files it names under their own names.

    Raises: Refused when a side file does not lie beside the model; ModelError when the file is not ONNX.
    """
    sides = _side_files(model, runtime)
    for name in sides:
        if PurePosixPath(name).name != name:
            raise Refused(f"the weights of {model.name} must lie beside it, not in {name}")
    target = folder / "model.onnx"
    for origin, copy in [(model, target), *((model.parent / name, folder / name) for name in sides)]:
        if origin.resolve() != copy.resolve():
            shutil.copyfile(origin, copy)
    return target


def float_precision(model: onnx.ModelProto) -> dict[str, str]:
    """The setting `precision` of an evaluator that computes floats as the graph declares them, from its outputs."""
    from onnx import TensorProto

    names = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.DOUBLE: "fp64"}
    kinds = [value.type.tensor_type.elem_type for value in model.graph.output]
    precisions = {names[kind] for kind in kinds if kind in names}
    return {"precision": precisions.pop()} if len(precisions) == 1 else {}


def _side_files(model: Path, runtime: str) -> list[str]:
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    tensors = header(model, runtime=runtime).graph.initializer
    return sorted({ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor)})
