"""OpenVINO on the CPU.

Set and why: `INFERENCE_PRECISION_HINT` f32 (by default it computes in bfloat16 where the CPU has it, error 2.8e-3) and
`compress_to_fp16` off (by default it saves half floats), threads explicitly, one stream and the latency hint (one
request at a time). Its telemetry package is hidden before the import, which makes OpenVINO fall back on its own stub:
otherwise `import openvino` alone writes a client id under the home folder and reports the event.

The call: inputs are copied into buffers that the request shares, then `infer()` runs without arguments. Measured on
2026-11-22 (2 shared x86-64 cores, openvino 2026.4.1, one thread, a 16-2-4-10 network, smallest of 2,000 interleaved
calls): 14 us, against 23 us for a new shared tensor each call and 60 us for `infer(inputs, share_inputs=True)`.

In fp16 and bf16 the arithmetic is requested by the same hint, which the file carries; a processor without it computes
in something else, so that the hint is read back and such a format refused. int8 is made by nncf (the extra `nncf`),
with the ranges that calibration meets and a zero point, as `kdeploy.runtimes.onnx_precision` has them, and without the
fast bias correction. Agreement with float32 on 2,000 digits of the demo's student, 300 to calibrate on, nncf 3.4.0: so
99.95 %; by its defaults (ranges averaged over samples, symmetric, biases corrected) 99.1 %; baseline 99.7 and 98.75 %.

All weights have half the range of int8, because without VNNI oneDNN adds two products in 16 bits and saturates. By
default nncf halves the first layer alone. mnist-5k's teacher, 200 inputs, nncf 3.4.0, openvino 2026.4.1: so 35.5 % of
them had other logits under a Haswell that qemu emulates than where there is VNNI, by up to 0.03 of 9.7; with all layers
halved none had.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kdeploy.errors import MissingError
from kdeploy.runtimes.border import (
    SINGLE,
    InputGuard,
    Port,
    calibrated,
    check_threads,
    closed,
    converting,
    failed,
    fixed_batch,
    reading,
)
from kdeploy.runtimes.ports import of_graph
from kdeploy.runtimes.protocol import Arrays, NotOffered, Processors, Refused, Source

if TYPE_CHECKING:
    from openvino import CompiledModel, ConstOutput, Core, InferRequest, Model

PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}
HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}  # what is not quantised in int8 stays in float32
PROCESSORS = {
    "fp32": SINGLE,
    "fp16": Processors(
        ("x86_64+avx512_fp16", "x86_64+amx_fp16", "aarch64+asimdhp"),
        "others compute it in another precision, which a session's settings say",
    ),
    "bf16": Processors(
        ("x86_64+avx512_bf16", "x86_64+amx_bf16"),
        "others compute it in another precision, which a session's settings say",
    ),
    "int8": Processors(
        ("x86_64",), "half the range for weights: no sum of two products leaves 16 bits; aarch64 was not compared"
    ),
}
TAG = ["kdeploy", "precision"]  # in a file's own information: what it was converted to


class OpenVino:
    """Runs `.xml` with its `.bin`, and `.onnx` as it is."""

    name = "openvino"

    def missing(self) -> str | None:
        spec = importlib.util.find_spec("openvino")
        return None if spec else "Install it with: pip install openvino"

    def version(self) -> str:
        return _version()

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        openvino = _openvino()
        artefact = folder / "model.xml"
        if precision not in HINTS:
            raise NotOffered(f"{self.name} converts to {', '.join(HINTS)}, not to {precision}")
        with reading(str(source.onnx), self.name):
            model = openvino.convert_model(source.onnx)
            _name_inputs(model, source.onnx)
        _name_nodes(model)
        if precision == "int8":
            model = _quantised(model, source)
            _name_nodes(model)
        if precision != "fp32":
            model.set_rt_info(precision, TAG)
            _refuse_other(_compiled(model, threads=1), precision)
        openvino.save_model(model, artefact, compress_to_fp16=precision == "fp16")
        return artefact

    def processors(self, precision: str) -> Processors:
        return PROCESSORS[precision]

    def load(self, artefact: Path, *, threads: int) -> OpenVinoSession:
        check_threads(self.name, threads)
        with reading(str(artefact), self.name):
            model = _core().read_model(str(artefact))
            if artefact.suffix == ".onnx":
                _name_inputs(model, artefact)
            compiled = _compiled(model, threads)
            ports = [_port(value) for value in compiled.inputs]
        return OpenVinoSession(compiled, str(artefact), ports, _settings(compiled, _converted_to(model)))


class OpenVinoSession:
    """One compiled model and one request. Each run returns arrays of its own."""

    def __init__(self, compiled: CompiledModel, where: str, ports: list[Port], settings: Mapping[str, str]) -> None:
        self._request: InferRequest | None = compiled.create_infer_request()
        self._where = where
        self._guard = InputGuard(where, ports)
        self._input_names = [port.name for port in ports]
        self._output_names = [value.get_any_name() for value in compiled.outputs]
        self._buffers: dict[str, np.ndarray[Any, Any]] = {}
        self.settings: Mapping[str, str] = {**settings, **fixed_batch(ports)}

    def run(self, inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        """The outputs by name; all arrays are of the shapes and dtypes that the graph declares."""
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


def hide_telemetry() -> None:
    """Make the import of OpenVINO's telemetry fail, so that it falls back on its own stub."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None makes its import fail


def _openvino() -> ModuleType:
    hide_telemetry()
    return importlib.import_module("openvino")


@cache
def _core() -> Core:
    """The one core of the process: it holds the plugin, whose start takes longer than compiling a student."""
    core: Core = _openvino().Core()
    return core


def _compiled(model: Model, threads: int) -> CompiledModel:
    properties = {
        "INFERENCE_PRECISION_HINT": HINTS.get(_converted_to(model), "f32"),
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return _core().compile_model(model, "CPU", properties)


def _converted_to(model: Model) -> str:
    """The precision that the file says it was converted to."""
    return str(model.get_rt_info(TAG).value) if model.has_rt_info(TAG) else "fp32"


def _arithmetic(compiled: CompiledModel) -> str:
    precision: str = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    return PRECISIONS.get(precision, precision)


def _name_inputs(model: Model, path: Path) -> None:
    """Give the inputs the names that they have in the graph, which has them in the same order: behind an input whose
    first node does nothing, as an inactive Dropout, OpenVINO keeps the name of what that gives."""
    for value, port in zip(model.inputs, of_graph(path).inputs, strict=True):
        value.get_node().set_friendly_name(port.name)
        value.get_tensor().set_names({port.name})


def _name_nodes(model: Model) -> None:
    """Name every node but the inputs by its place. OpenVINO numbers those that it makes over the whole process, so that
    the bytes of a file would depend on what was converted before it."""
    inner = (node for node in model.get_ordered_ops() if node.get_type_name() != "Parameter")
    for place, node in enumerate(inner):
        node.set_friendly_name(f"node_{place}")


def _refuse_other(compiled: CompiledModel, precision: str) -> None:
    """Refuse a model whose floating-point arithmetic is not that of the requested precision."""
    arithmetic = _arithmetic(compiled)
    if precision in PRECISIONS.values() and arithmetic != precision:
        raise Refused(f"on this processor openvino computes in {arithmetic} where {precision} is asked for")


def _quantised(model: Model, source: Source) -> Model:
    """The model with its activations and weights in int8.

    Raises: Refused without calibration inputs; MissingError without nncf.
    """
    calibration = calibrated(source.calibration)
    if importlib.util.find_spec("nncf") is None:
        advice = "Install it with: pip install 'kdeploy[nncf]'."
        raise MissingError("runtime 'openvino'", "must have nncf to convert to int8", advice=advice)
    rows = [*_rows(calibration)]
    with converting(str(source.onnx), "must be a model that nncf quantises"):
        nncf = importlib.import_module("nncf")
        advanced = nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX,
            disable_bias_correction=True,
            overflow_fix=nncf.quantization.advanced_parameters.OverflowFix.ENABLE,
        )
        return nncf.quantize(
            model,
            nncf.Dataset(rows),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(rows),
            advanced_parameters=advanced,
        )


def _rows(calibration: Iterable[Arrays]) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """The calibration inputs one by one, (1, *shape) by name: nncf takes statistics a sample."""
    for batch in calibration:
        for row in range(len(next(iter(batch.values())))):
            yield {name: array[row : row + 1] for name, array in batch.items()}


def _settings(compiled: CompiledModel, tag: str) -> dict[str, str]:
    """The settings, read back from the compiled model; the precision is that of its floating-point arithmetic, unless
    it is int8."""
    return {
        "precision": tag if tag == "int8" else _arithmetic(compiled),
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
    """The release, `2026.4.1` of `2026.4.1-22982-e213a147257-releases/2026/4`: build and branch say nothing more."""
    return str(_openvino().__version__).partition("-")[0]
