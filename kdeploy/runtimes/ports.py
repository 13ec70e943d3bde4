"""The ports of a graph, its inputs and outputs, read here and nowhere else; and, for converted files that do not keep
them, a file next to them that does.

model.pte         the converted model
model.pte.json    {"inputs": [{"name": "image", "dtype": "float32", "shape": [1, 1, 28, 28]}], "outputs": [...]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kdeploy.runtimes.border import Port, reading
from kdeploy.runtimes.onnxfile import header
from kdeploy.runtimes.output_shapes import closed_outputs
from kdeploy.runtimes.protocol import Refused

if TYPE_CHECKING:
    import onnx


class Ports(NamedTuple):
    """The inputs and outputs of a model, in the order of the graph."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def of_graph(model: Path | onnx.ModelProto, *, runtime: str = "onnx") -> Ports:
    """The ports of an ONNX file or model; inputs that an initialiser fills are left out, and lengths that its outputs
    leave open are inferred.

    Args:
        runtime: what reads the file, for the error.
    Raises: ModelError when the file is not ONNX.
    """
    model = header(model, runtime=runtime) if isinstance(model, Path) else model
    filled = {tensor.name for tensor in model.graph.initializer}
    inputs = tuple(_port(value) for value in model.graph.input if value.name not in filled)
    return Ports(inputs, tuple(map(_port, closed_outputs(model))))


def _port(value: onnx.ValueInfoProto) -> Port:
    """One input or output; its dtype is void where the graph does not say one, because no array's is."""
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = value.type.tensor_type
    dtype = tensor_dtype_to_np_dtype(tensor.elem_type) if tensor.elem_type else np.dtype("V")
    # -1 is a length of any size, as in kdeploy.runtimes.onnxfile.free_lengths
    lengths = [length.dim_value if length.HasField("dim_value") else -1 for length in tensor.shape.dim]
    return Port(value.name, dtype, tuple(None if length < 0 else length for length in lengths))


def fixed(ports: Ports, *, runtime: str) -> Ports:
    """The ports with one row where the number of rows is free, for runtimes that take shapes without unknowns.

    Raises: Refused when another length is free.
    """
    for port in ports.inputs:
        if None in port.shape[1:]:
            raise Refused(f"{runtime} needs every length but the batch fixed, and input '{port.name}' has a free one")
    return Ports(_one_row(ports.inputs), _one_row(ports.outputs))


def keep(ports: Ports, artefact: Path) -> None:
    """Write the ports into the file next to an artefact."""
    text = json.dumps({"inputs": _plain(ports.inputs), "outputs": _plain(ports.outputs)}, indent=1)
    beside(artefact).write_text(text + "\n", encoding="utf-8")


def kept(artefact: Path, *, runtime: str) -> Ports:
    """The ports in the file next to an artefact.

    Raises: ModelError when it is not there, or is not such a file.
    """
    with reading(str(beside(artefact)), runtime):
        document = json.loads(beside(artefact).read_text(encoding="utf-8"))
        return Ports(_ports(document["inputs"]), _ports(document["outputs"]))


def beside(artefact: Path) -> Path:
    """The file next to an artefact that has its ports."""
    return artefact.with_name(artefact.name + ".json")


def _one_row(ports: Sequence[Port]) -> tuple[Port, ...]:
    return tuple(port._replace(shape=(1, *port.shape[1:])) if port.shape[:1] == (None,) else port for port in ports)


def _plain(ports: Sequence[Port]) -> list[dict[str, Any]]:
    return [{"name": port.name, "dtype": port.dtype.name, "shape": list(port.shape)} for port in ports]


def _ports(plain: Sequence[dict[str, Any]]) -> tuple[Port, ...]:
    return tuple(Port(one["name"], np.dtype(one["dtype"]), tuple(one["shape"])) for one in plain)
