"""What a graph takes and gives; and, for converted files that do not keep it, a file beside them that does.

model.pte         the converted model
model.pte.json    {"inputs": [{"name": "image", "dtype": "float32", "shape": [1, 1, 28, 28]}], "outputs": [...]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kdeploy.runtimes.border import Port, reading
from kdeploy.runtimes.onnxfile import input_ports, value_port
from kdeploy.runtimes.protocol import Refused


class Ports(NamedTuple):
    """In the order of the graph."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def of_graph(model: Path, *, runtime: str) -> Ports:
    """What an ONNX file says. Raises: ModelError when it is none."""
    import onnx

    with reading(str(model), runtime):
        graph = onnx.load(model, load_external_data=False)
        return Ports(input_ports(graph), tuple(value_port(value) for value in graph.graph.output))


def fixed(ports: Ports, *, runtime: str) -> Ports:
    """The same with one row where the number of rows is free, for runtimes that take shapes without unknowns.

    Raises: Refused when another length is free.
    """
    for port in ports.inputs:
        if None in port.shape[1:]:
            raise Refused(f"{runtime} needs every length but the batch fixed, and input '{port.name}' has a free one")
    return Ports(_one_row(ports.inputs), _one_row(ports.outputs))


def keep(ports: Ports, artefact: Path) -> None:
    """Write the file beside an artefact."""
    text = json.dumps({"inputs": _plain(ports.inputs), "outputs": _plain(ports.outputs)}, indent=1)
    beside(artefact).write_text(text + "\n", encoding="utf-8")


def kept(artefact: Path, *, runtime: str) -> Ports:
    """Read the file beside an artefact. Raises: ModelError when it is not there, or is not such a file."""
    with reading(str(beside(artefact)), runtime):
        found = json.loads(beside(artefact).read_text(encoding="utf-8"))
        return Ports(_ports(found["inputs"]), _ports(found["outputs"]))


def beside(artefact: Path) -> Path:
    return artefact.with_name(artefact.name + ".json")


def _one_row(ports: Sequence[Port]) -> tuple[Port, ...]:
    return tuple(port._replace(shape=(1, *port.shape[1:])) if port.shape[:1] == (None,) else port for port in ports)


def _plain(ports: Sequence[Port]) -> list[dict[str, Any]]:
    return [{"name": port.name, "dtype": port.dtype.name, "shape": list(port.shape)} for port in ports]


def _ports(plain: Sequence[dict[str, Any]]) -> tuple[Port, ...]:
    return tuple(Port(one["name"], np.dtype(one["dtype"]), tuple(one["shape"])) for one in plain)
