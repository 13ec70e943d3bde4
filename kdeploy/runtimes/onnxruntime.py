"""ONNX Runtime on the CPU.

Set and why: intra-op threads explicitly (the default is every core, whatever the affinity), one inter-op thread and
sequential execution (a student is a chain), no spinning (two sessions of one process slow each other five times
otherwise), all graph optimisations, and no telemetry: without `ORT_DISABLE_TELEMETRY` in the environment *before* the
import, version 1.32 writes a device id under the home folder. It logs nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kdeploy.runtimes.border import BOTH, SINGLE, InputGuard, Port, check_threads, closed, failed, fixed_batch, reading
from kdeploy.runtimes.onnx_precision import TAG, to_half, to_int8
from kdeploy.runtimes.onnxfile import copy_model
from kdeploy.runtimes.protocol import Arrays, NotOffered, Processors, Source

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, NodeArg, SessionOptions

SILENT = 4  # its log is colored lines on stderr; what went wrong is in the exception too
PROVIDER = "CPUExecutionProvider"
NUMPY_NAMES = {"float": "float32", "double": "float64", "string": "object"}  # the others have the same name in both
PROCESSORS = {
    "fp32": SINGLE,
    "fp16": Processors(("x86_64",), "computed in float32 there; on aarch64 in half floats, which was not compared"),
    "int8": Processors(BOTH, "weights of 7 bits: no sum of two products leaves 16 bits, with VNNI or without"),
}
PRECISIONS = {"tensor(float)": "fp32", "tensor(float16)": "fp16", "tensor(double)": "fp64"}


class OnnxRuntime:
    """Runs `.onnx` files as they are, and makes them for itself in fp16 and in int8."""

    name = "onnxruntime"

    def missing(self) -> str | None:
        spec = importlib.util.find_spec("onnxruntime")
        return None if spec else "Install it with: pip install onnxruntime"

    def version(self) -> str:
        return str(_onnxruntime().__version__)

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        _onnxruntime()
        artefact = folder / "model.onnx"
        match precision:
            case "fp32":
                return copy_model(source.onnx, folder, runtime=self.name)
            case "fp16":
                to_half(source.onnx, artefact)
            case "int8":
                to_int8(source.onnx, artefact, source.calibration)
            case _:
                raise NotOffered(f"{self.name} converts to fp32, fp16 and int8, not to {precision}")
        return artefact

    def processors(self, precision: str) -> Processors:
        return PROCESSORS[precision]

    def load(self, artefact: Path | bytes, *, threads: int) -> OnnxRuntimeSession:
        """Load a file, or the bytes of one: bisection makes models that no file holds."""
        check_threads(self.name, threads)
        where = f"model of {len(artefact)} bytes" if isinstance(artefact, bytes) else str(artefact)
        with reading(where, self.name):
            native = _onnxruntime().InferenceSession(
                artefact if isinstance(artefact, bytes) else where, _options(threads), providers=[PROVIDER]
            )
            ports = [_port(value) for value in native.get_inputs()]
        return OnnxRuntimeSession(native, where, ports)


class OnnxRuntimeSession:
    """One loaded model. Each run returns arrays of its own."""

    def __init__(self, native: InferenceSession, where: str, ports: list[Port]) -> None:
        self._native: InferenceSession | None = native
        self._where = where
        self._guard = InputGuard(where, ports)
        self._output_names: list[str] = [value.name for value in native.get_outputs()]
        self.settings: Mapping[str, str] = _settings(native) | fixed_batch(ports)

    def run(self, inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        """The outputs by name; all arrays are of the shapes and dtypes that the graph declares."""
        if self._native is None:
            closed(self._where)
        self._guard.check(inputs)
        try:
            outputs = self._native.run(self._output_names, inputs)
        except Exception as exc:  # its errors have no common class but this
            failed(self._where, "onnxruntime", exc)
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        self._native = None


def optimise(model: Path, target: Path) -> None:
    """Write a model in the ORT format, optimised as far as every processor takes it."""
    ort = _onnxruntime()
    options = _options(threads=1)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(str(model), options, providers=[PROVIDER])


def _onnxruntime() -> ModuleType:
    _hide_telemetry()
    module = importlib.import_module("onnxruntime")
    module.set_default_logger_severity(SILENT)  # of sessions that its own tools open
    return module


def _hide_telemetry() -> None:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def _options(threads: int) -> SessionOptions:
    ort = _onnxruntime()
    options: SessionOptions = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = SILENT
    return options


def _settings(native: InferenceSession) -> dict[str, str]:
    """The settings, read back from the session. The CPU provider computes floats in the type that the graph declares.

    A file of another precision has float32 at its ends, and says what is between them in its metadata.
    """
    options = native.get_session_options()
    level = options.graph_optimization_level.name.removeprefix("ORT_ENABLE_").lower()
    settings = {
        "threads": str(options.intra_op_num_threads),
        "provider": ",".join(native.get_providers()),
        "optimization": level,
        "spinning": "off" if options.get_session_config_entry("session.intra_op.allow_spinning") == "0" else "on",
        "version": str(_onnxruntime().__version__),
    }
    tag = native.get_modelmeta().custom_metadata_map.get(TAG)
    precisions = {PRECISIONS[value.type] for value in native.get_outputs() if value.type in PRECISIONS}
    precisions = {tag} if tag else precisions
    return settings | ({"precision": precisions.pop()} if len(precisions) == 1 else {})


def _port(value: NodeArg) -> Port:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(length if isinstance(length, int) else None for length in value.shape)
    return Port(value.name, np.dtype(NUMPY_NAMES.get(kind, kind)), shape)
