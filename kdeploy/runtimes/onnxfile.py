"""An ONNX file as an artefact: copied with the side files that hold its weights, and read for its inputs."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kdeploy.runtimes.border import Port, reading
from kdeploy.runtimes.protocol import Refused

if TYPE_CHECKING:
    import onnx


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


def input_ports(model: onnx.ModelProto) -> tuple[Port, ...]:
    """The inputs a caller gives: those of the graph that no initialiser fills."""
    filled = {tensor.name for tensor in model.graph.initializer}
    return tuple(value_port(value) for value in model.graph.input if value.name not in filled)


def value_port(value: onnx.ValueInfoProto) -> Port:
    """An input or output of a graph."""
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    return Port(value.name, tensor_dtype_to_np_dtype(tensor.elem_type), shape)


def float_precision(model: onnx.ModelProto) -> dict[str, str]:
    """The setting `precision` of an evaluator that computes floats as the graph declares them, from its outputs."""
    from onnx import TensorProto

    names = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.DOUBLE: "fp64"}
    kinds = [value.type.tensor_type.elem_type for value in model.graph.output]
    found = {names[kind] for kind in kinds if kind in names}
    return {"precision": found.pop()} if len(found) == 1 else {}


def _side_files(model: Path, runtime: str) -> list[str]:
    import onnx
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    with reading(str(model), runtime):
        graph = onnx.load(model, load_external_data=False).graph
    return sorted({ExternalDataInfo(tensor).location for tensor in graph.initializer if uses_external_data(tensor)})
