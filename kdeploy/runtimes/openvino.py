"""OpenVINO on the CPU.

Set and why: `INFERENCE_PRECISION_HINT` f32 (by default it computes in bfloat16 where the CPU has it, error 2.8e-3) and
`compress_to_fp16` off (by default it saves half floats), threads explicitly, one stream and the latency hint (one
request at a time). Its telemetry package is hidden before the import, which makes OpenVINO fall back on its own stub:
otherwise `import openvino` alone writes a client id under the home folder and reports the event.

The call: inputs are copied into buffers that the request shares, then `infer()` runs without arguments. Measured on
2026-11-22 (2 shared x86-64 cores, openvino 2026.4.1, one thread, a 16-2-4-10 net, smallest of 2,000 interleaved calls):
14 us, against 23 us for a new shared tensor each call and 60 us for `infer(inputs, share_inputs=True)`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kdeploy.runtimes.border import InputGuard, Port, check_threads, closed, failed, fixed_batch, only_fp32, reading
from kdeploy.runtimes.protocol import Arrays, Source

if TYPE_CHECKING:
    from openvino import CompiledModel, ConstOutput, Core, InferRequest

PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}


class OpenVino:
    """Runs `.xml` with its `.bin`, and `.onnx` as it is."""

    name = "openvino"

    def missing(self) -> str | None:
        found = importlib.util.find_spec("openvino")
        return None if found else "Install it with: pip install openvino"

    def version(self) -> str:
        return _version()

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        only_fp32(self.name, precision)
        openvino = _openvino()
        artefact = folder / "model.xml"
        with reading(str(source.onnx), self.name):
            openvino.save_model(openvino.convert_model(source.onnx), artefact, compress_to_fp16=False)
        return artefact

    def load(self, artefact: Path, *, threads: int) -> OpenVinoSession:
        check_threads(self.name, threads)
        wanted = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        with reading(str(artefact), self.name):
            compiled = _core().compile_model(str(artefact), "CPU", wanted)
            ports = [_port(value) for value in compiled.inputs]
        return OpenVinoSession(compiled, str(artefact), ports)


class OpenVinoSession:
    """One compiled model and one request. Each run returns arrays of its own."""

    def __init__(self, compiled: CompiledModel, where: str, ports: list[Port]) -> None:
        self._request: InferRequest | None = compiled.create_infer_request()
        self._where = where
        self._guard = InputGuard(where, ports)
        self._input_names = [port.name for port in ports]
        self._output_names = [value.get_any_name() for value in compiled.outputs]
        self._buffers: dict[str, np.ndarray[Any, Any]] = {}
        self.settings: Mapping[str, str] = _settings(compiled) | fixed_batch(ports)

    def run(self, inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        if self._request is None:
            closed(self._where)
        self._guard.check(inputs)
        try:
            self._fill(self._request, inputs)
            outputs = self._request.infer(decode_strings=False).to_tuple()
        except Exception as exc:  # its errors are RuntimeError, and whatever its Python layer meets
            failed(self._where, "openvino", exc)
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        self._request = None
        self._buffers = {}

    def _fill(self, request: InferRequest, inputs: Arrays) -> None:
        for name, array in inputs.items():
            buffer = self._buffers.get(name)
            if buffer is None or buffer.shape != array.shape:
                buffer = self._share(request, name, array)
            np.copyto(buffer, array)

    def _share(self, request: InferRequest, name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Make a buffer that the request reads; it must live as long as the request does."""
        buffer = np.empty(array.shape, array.dtype)
        tensor = _openvino().Tensor(buffer, shared_memory=True)
        request.set_input_tensor(self._input_names.index(name), tensor)
        self._buffers[name] = buffer
        return buffer


def _openvino() -> ModuleType:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None makes its import fail
    return importlib.import_module("openvino")


@cache
def _core() -> Core:
    """One for the process: it holds the plugin, whose start takes longer than compiling a student."""
    core: Core = _openvino().Core()
    return core


def _settings(compiled: CompiledModel) -> dict[str, str]:
    """Read back from the compiled model. The precision is that of its floating-point arithmetic."""
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return {
        "precision": PRECISIONS.get(precision, precision),
        "threads": str(compiled.get_property("INFERENCE_NUM_THREADS")),
        "streams": str(compiled.get_property("NUM_STREAMS")),
        "provider": ",".join(compiled.get_property("EXECUTION_DEVICES")),
        "version": _version(),
    }


def _port(value: ConstOutput) -> Port:
    shape = tuple(None if length.is_dynamic else length.get_length() for length in value.partial_shape)
    # where a node that did nothing was removed, an input has the name of its output too: its own is that of the node
    return Port(value.get_node().get_friendly_name(), np.dtype(value.get_element_type().to_dtype()), shape)


def _version() -> str:
    """`2026.4.1` of `2026.4.1-22982-e213a147257-releases/2026/4`: the build and the branch say nothing more."""
    return str(_openvino().__version__).partition("-")[0]
