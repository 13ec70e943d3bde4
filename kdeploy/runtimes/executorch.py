"""ExecuTorch, PyTorch's own runtime for devices: a `.pte` made of the torch module, its operators on XNNPACK.

A dynamic batch fails on convolutions (1.5), so the batch is that of the graph, or 1. The number of threads belongs to
the process: the session loaded last has set it for all.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kdeploy.runtimes import ports
from kdeploy.runtimes.border import BOTH, SINGLE, calibrated, check_threads, quietly, reading
from kdeploy.runtimes.frommodule import example_of, module_of
from kdeploy.runtimes.openvino import hide_telemetry
from kdeploy.runtimes.protocol import NotOffered, Processors, Source
from kdeploy.runtimes.session import CallSession

if TYPE_CHECKING:
    from torch import Tensor, nn

PRECISIONS = ("fp32", "int8")
PROCESSORS = {
    "fp32": SINGLE,
    "int8": Processors(BOTH, "XNNPACK widens to 16 bits before it multiplies, where there are no 8-bit dot products"),
}


class ExecuTorch:
    """Runs `.pte` files, in the batch they were converted for."""

    name = "executorch"

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("executorch") else "Install it with: pip install 'kdeploy[executorch]'."

    def version(self) -> str:
        return str(_imported("executorch.version").__version__).partition("+")[0]

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        if precision not in PRECISIONS:
            raise NotOffered(f"{self.name} converts to {' and '.join(PRECISIONS)}, not to {precision}")
        module = module_of(source, runtime=self.name)
        model_ports = ports.fixed(ports.of_graph(source.onnx, runtime=self.name), runtime=self.name)
        artefact = folder / "model.pte"
        example = example_of(source, model_ports)
        batches = _calibration(source, model_ports) if precision == "int8" else None
        with reading(str(source.onnx), self.name), quietly():
            exported = module if batches is None else _quantised(module, example, batches)
            artefact.write_bytes(_program(exported, example))
        ports.keep(model_ports, artefact)
        return artefact

    def processors(self, precision: str) -> Processors:
        return PROCESSORS[precision]

    def load(self, artefact: Path, *, threads: int) -> CallSession:
        check_threads(self.name, threads)
        model_ports = ports.kept(artefact, runtime=self.name)
        with reading(str(artefact), self.name), quietly():
            library = _imported("executorch.extension.pybindings.portable_lib")
            library._unsafe_reset_threadpool(threads)
            method = _imported("executorch.runtime").Runtime.get().load_program(artefact).load_method("forward")
            settings = {"threads": str(library._threadpool_get_thread_count()), "version": self.version()}

        def call(arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
            # a copy, because the next run writes to the same memory
            return [output.numpy().copy() for output in method.execute([_tensor(array) for array in arrays])]

        return CallSession(call, model_ports, settings, where=str(artefact), runtime=self.name)


def _calibration(source: Source, model_ports: ports.Ports) -> list[tuple[Tensor, ...]]:
    """The calibration inputs in the batch of the graph, a tensor (batch, *shape) for each input.

    Raises: Refused when there are none.
    """
    import torch

    calibration = calibrated(source.calibration)
    names, size = [port.name for port in model_ports.inputs], model_ports.inputs[0].shape[0] or 1
    batches = []
    for inputs in calibration:
        arrays = [torch.from_numpy(np.array(inputs[name])) for name in names]
        for start in range(0, len(arrays[0]) - size + 1, size):
            batches.append(tuple(array[start : start + size] for array in arrays))
    return batches


def _quantised(module: nn.Module, example: tuple[Tensor, ...], batches: Sequence[tuple[Tensor, ...]]) -> nn.Module:
    """The module with activations and weights in int8, one scale a channel, as XNNPACK computes them.

    The ranges are the smallest and largest values that the calibration inputs meet.
    """
    import torch

    quantizers = _imported("executorch.backends.xnnpack.quantizer.xnnpack_quantizer")
    steps = _imported("torchao.quantization.pt2e.quantize_pt2e")
    config = quantizers.get_symmetric_quantization_config(is_per_channel=True)
    observed = steps.prepare_pt2e(
        torch.export.export(module, example).module(), quantizers.XNNPACKQuantizer().set_global(config)
    )
    with torch.inference_mode():
        for batch in batches:
            observed(*batch)
    quantised: nn.Module = steps.convert_pt2e(observed)
    return quantised


def _program(module: nn.Module, example: tuple[Tensor, ...]) -> bytes:
    import torch

    partitioner = _imported("executorch.backends.xnnpack.partition.xnnpack_partitioner").XnnpackPartitioner()
    lower = _imported("executorch.exir").to_edge_transform_and_lower
    program = lower(torch.export.export(module, example), partitioner=[partitioner]).to_executorch()
    return bytes(program.buffer)


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    import torch

    # torch warns of arrays that may not be written to, although nobody writes
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _imported(name: str) -> ModuleType:
    hide_telemetry()  # ExecuTorch looks for OpenVINO, whose import reports itself
    return importlib.import_module(name)
