"""LiteRT, the former TensorFlow Lite: a `.tflite` that litert-torch makes of the torch module.

A dynamic batch fails (litert-torch 0.10), so the batch is that of the graph, or 1. Running needs neither torch nor
litert-torch, only ai-edge-litert, which does not say how many threads it took.
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
from kdeploy.runtimes.border import SINGLE, check_threads, only_fp32, quietly, reading
from kdeploy.runtimes.frommodule import example_of, module_of
from kdeploy.runtimes.protocol import Processors, Source
from kdeploy.runtimes.session import CallSession


class LiteRt:
    """Runs `.tflite` files, in the batch they were converted for."""

    name = "litert"

    def missing(self) -> str | None:
        here = importlib.util.find_spec("ai_edge_litert") and importlib.util.find_spec("litert_torch")
        return None if here else "Install it with: pip install 'kdeploy[litert]'."

    def version(self) -> str:
        _interpreter()
        return importlib.metadata.version("ai-edge-litert")

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        only_fp32(self.name, precision)
        module = module_of(source, runtime=self.name)
        model_ports = ports.fixed(ports.of_graph(source.onnx, runtime=self.name), runtime=self.name)
        artefact = folder / "model.tflite"
        with reading(str(source.onnx), self.name), quietly():
            convert = importlib.import_module("litert_torch").convert
            convert(module, example_of(source, model_ports)).export(str(artefact))
        ports.keep(model_ports, artefact)
        return artefact

    def processors(self, precision: str) -> Processors:
        return SINGLE

    def load(self, artefact: Path, *, threads: int) -> CallSession:
        check_threads(self.name, threads)
        model_ports = ports.kept(artefact, runtime=self.name)
        with reading(str(artefact), self.name):
            native = _interpreter().Interpreter(str(artefact), num_threads=threads)
            native.allocate_tensors()
        inputs = [detail["index"] for detail in native.get_input_details()]
        outputs = [detail["index"] for detail in native.get_output_details()]

        def call(arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
            for index, array in zip(inputs, arrays, strict=True):
                native.set_tensor(index, array)
            native.invoke()
            return [native.get_tensor(index) for index in outputs]

        return CallSession(call, model_ports, {"version": self.version()}, where=str(artefact), runtime=self.name)


def _interpreter() -> ModuleType:
    return importlib.import_module("ai_edge_litert.interpreter")
