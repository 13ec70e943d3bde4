"""tract: ONNX in Rust, by Sonos, for small devices. It reads ONNX files as they are, and uses one thread.

The names of the outputs are read from the graph: tract calls them by the nodes that make them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from kdeploy.runtimes import ports
from kdeploy.runtimes.border import SINGLE, check_threads, only_fp32, reading
from kdeploy.runtimes.onnxfile import copy_model
from kdeploy.runtimes.protocol import Processors, Source
from kdeploy.runtimes.session import CallSession


class Tract:
    """Runs `.onnx` files; any batch that the graph leaves free."""

    name = "tract"

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("tract") else "Install it with: pip install 'kdeploy[tract]'."

    def version(self) -> str:
        _tract()
        return importlib.metadata.version("tract")

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        only_fp32(self.name, precision)
        artefact = copy_model(source.onnx, folder, runtime=self.name)
        ports.keep(ports.of_graph(artefact, runtime=self.name), artefact)
        return artefact

    def processors(self, precision: str) -> Processors:
        return SINGLE

    def load(self, artefact: Path, *, threads: int) -> CallSession:
        check_threads(self.name, threads)
        model_ports = ports.kept(artefact, runtime=self.name)
        with reading(str(artefact), self.name):
            runnable = _tract().onnx().load(str(artefact)).into_model().into_runnable()

        def call(arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
            # a copy, because tract frees what it answered with when its own object goes
            return [np.array(tensor.to_numpy()) for tensor in runnable.run(list(arrays))]

        return CallSession(call, model_ports, {"version": self.version()}, where=str(artefact), runtime=self.name)


def _tract() -> ModuleType:
    return importlib.import_module("tract")
