"""ncnn, by Tencent, for phones: `model.param` with `model.bin`, which pnnx makes of an ONNX file.

Its tensors have no batch axis, so the batch is 1. Half precision is off in every option, and pnnx keeps float32
(`fp16=0`): by default both round. Inputs are copied into ncnn's own memory, whose alignment its kernels rely on.

pnnx is run as the program that its package contains, since importing the package imports torch. It writes a dozen files
next to the model it reads, hence the scratch folder. Its exit status says nothing; that both files are there does.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from kdeploy.errors import ModelError
from kdeploy.runtimes import ports
from kdeploy.runtimes.border import SINGLE, check_threads, last_line, only_fp32, reading
from kdeploy.runtimes.environment import passed_on
from kdeploy.runtimes.ports import Ports
from kdeploy.runtimes.protocol import Processors, Refused, Source
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.runtimes.session import CallSession

LIMIT_S = 300.0
HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage")


class Ncnn:
    """Runs `.param` with its `.bin`, one row at a time."""

    name = "ncnn"

    def missing(self) -> str | None:
        here = importlib.util.find_spec("ncnn") and importlib.util.find_spec("pnnx")
        return None if here else "Install it with: pip install 'kdeploy[ncnn]'."

    def version(self) -> str:
        return str(_ncnn().__version__)

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        only_fp32(self.name, precision)
        model_ports = ports.fixed(ports.of_graph(source.onnx, runtime=self.name), runtime=self.name)
        _must_be_rows_of_floats(model_ports)
        artefact = folder / "model.param"
        with scratch_folder(str(source.onnx)) as scratch:
            _pnnx(source.onnx, scratch, model_ports)
            for file in (artefact, artefact.with_suffix(".bin")):
                shutil.copyfile(scratch / file.name, file)
        ports.keep(model_ports, artefact)
        _check_layers(artefact)
        self._check_answers(artefact, source)
        return artefact

    def _check_answers(self, artefact: Path, source: Source) -> None:
        """Refuse a net that does not answer one row as the graph declares: pnnx counts axes without the batch, and some
        of its reductions are over others than the graph's."""
        try:
            with closing(self.load(artefact, threads=1)) as session:
                session.run({name: np.ascontiguousarray(rows[:1]) for name, rows in source.example.items()})
        except ModelError as exc:
            raise Refused(f"ncnn does not run what pnnx makes of it: {exc.got}") from exc

    def processors(self, precision: str) -> Processors:
        return SINGLE

    def load(self, artefact: Path, *, threads: int) -> CallSession:
        check_threads(self.name, threads)
        model_ports = ports.kept(artefact, runtime=self.name)
        with reading(str(artefact), self.name):
            net = _net(artefact, threads)
        settings = {"threads": str(net.opt.num_threads), "version": self.version()}
        settings |= {} if any(getattr(net.opt, option) for option in HALF) else {"precision": "fp32"}

        def call(arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
            return _answers(net, arrays, model_ports)

        return CallSession(call, model_ports, settings, where=str(artefact), runtime=self.name)


def _must_be_rows_of_floats(model_ports: Ports) -> None:
    for port in model_ports.inputs:
        if port.dtype != np.float32:
            raise Refused(f"ncnn takes float32, and input '{port.name}' is {port.dtype}")
        if port.shape[:1] != (1,):
            raise Refused(f"ncnn takes one row at a time, and input '{port.name}' has the shape {port.shape}")


def _check_layers(artefact: Path) -> None:
    """Refuse a net with layers that pnnx left as torch has them, with a dot in their name, and ncnn does not know."""
    _, _, *lines = artefact.read_text().splitlines()
    unknown = sorted({kind for kind in (line.split()[0] for line in lines) if "." in kind})
    if unknown:
        raise Refused(f"ncnn has no layer for {', '.join(unknown)}")


def _pnnx(model: Path, scratch: Path, model_ports: Ports) -> None:
    """Write model.param and model.bin into the scratch folder. Raises: ModelError when they do not come."""
    (copy := scratch / "source.onnx").symlink_to(model.resolve())
    shapes = ",".join(f"[{','.join(map(str, port.shape))}]f32" for port in model_ports.inputs)
    command = [
        str(_program()),
        str(copy),
        f"inputshape={shapes}",
        "fp16=0",
        "ncnnparam=model.param",
        "ncnnbin=model.bin",
    ]
    quiet = passed_on() | {"ORT_DISABLE_TELEMETRY": "1"}  # pnnx simplifies graphs with an ONNX Runtime of its own
    try:
        done = subprocess.run(
            command, cwd=scratch, env=quiet, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise ModelError(str(model), f"must be converted by pnnx within {LIMIT_S:.0f} s") from exc
    if not all((scratch / f"model.{kind}").is_file() for kind in ("param", "bin")):
        complaint = last_line(RuntimeError(done.stderr or done.stdout))
        raise ModelError(str(model), "must be converted by pnnx", got=f"exit {done.returncode}, {complaint}")


def _program() -> Path:
    spec = importlib.util.find_spec("pnnx")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "pnnx")


def _net(artefact: Path, threads: int) -> Any:  # noqa: ANN401 - ncnn.Net; the package has no types
    net = _ncnn().Net()
    for option in (*HALF, "use_vulkan_compute"):
        setattr(net.opt, option, False)
    net.opt.num_threads = threads
    for load, file in ((net.load_param, artefact), (net.load_model, artefact.with_suffix(".bin"))):
        status = load(str(file)) if file.is_file() else "no such file"
        if status != 0:
            raise ValueError(f"{file.name}: {status}")
    return net


def _answers(net: Any, arrays: Sequence[np.ndarray[Any, Any]], model_ports: Ports) -> list[np.ndarray[Any, Any]]:  # noqa: ANN401
    """The outputs for one row, from arrays (1, *shape); pnnx calls inputs in0, in1 and outputs out0, out1, in the order
    of the graph."""
    mat, outputs = _ncnn().Mat, []
    with net.create_extractor() as extractor:
        for number, array in enumerate(arrays):
            extractor.input(f"in{number}", mat(array[0]).clone())
        for number, port in enumerate(model_ports.outputs):
            status, output = extractor.extract(f"out{number}")
            if status != 0:
                raise RuntimeError(f"output '{port.name}': {status}")
            outputs.append(np.array(output, port.dtype).reshape([length or -1 for length in port.shape]))
    return outputs


def _ncnn() -> ModuleType:
    return importlib.import_module("ncnn")
