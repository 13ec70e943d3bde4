"""ONNX Runtime in WebAssembly, as a browser runs it, under Node: npm's onnxruntime-web with one thread.

A session is a child process of Node that speaks frames over its stdin and stdout (`onnxruntime_web.mjs` says which), so
a time measured here holds two trips through a pipe, some tens of microseconds, that a web page does not make. It ends
when its session is closed or forgotten, or when its stdin does.

The package is looked for in the folder that KDEPLOY_NODE_MODULES names, then in those of NODE_PATH, then where
`npm install --global` puts it. Not where Node would look too, in `node_modules` of the working folder: what lies there
may have come with others, and would be run. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from kdeploy.runtimes.border import SINGLE, Port, check_threads, only_fp32, reading
from kdeploy.runtimes.environment import passed_on
from kdeploy.runtimes.onnxfile import copy_model
from kdeploy.runtimes.ports import Ports
from kdeploy.runtimes.protocol import Processors, Source
from kdeploy.runtimes.session import CallSession

PACKAGE = "onnxruntime-web"
VARIABLE = "KDEPLOY_NODE_MODULES"
PROGRAM = Path(__file__).with_suffix(".mjs")
_LENGTHS = struct.Struct("<II")


class OnnxRuntimeWeb:
    """Runs `.onnx` files as they are, without side files."""

    name = "onnxruntime-web"

    def missing(self) -> str | None:
        if _node() is None:
            return f"Install Node 20 or later, then: npm install --global {PACKAGE}."
        here = _package() is not None
        advice = f"Install it with: npm install --global {PACKAGE} (or set {VARIABLE} to the node_modules that has it)."
        return None if here else advice

    def version(self) -> str:
        package = _package()
        assert package is not None
        return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        only_fp32(self.name, precision)
        return copy_model(source.onnx, folder, runtime=self.name)

    def processors(self, precision: str) -> Processors:
        return SINGLE

    def load(self, artefact: Path, *, threads: int) -> WebSession:
        check_threads(self.name, threads)
        with reading(str(artefact), self.name):
            child = Child(artefact)
        return WebSession(child, self.version(), str(artefact))


class WebSession(CallSession):
    """One child, which is killed when the session is closed, forgotten, or the program ends."""

    def __init__(self, child: Child, version: str, where: str) -> None:
        settings = {"threads": child.threads, "provider": "wasm", "transport": "pipe", "version": version}
        super().__init__(child.run, child.ports, settings, where=where, runtime=OnnxRuntimeWeb.name)
        self._kill = weakref.finalize(self, child.kill)

    def close(self) -> None:
        super().close()
        self._kill()


class Child:
    """Node with one model loaded. Raises: RuntimeError with what the child said when it cannot load, or run."""

    def __init__(self, model: Path) -> None:
        command = [str(_node()), str(PROGRAM), str(_package()), str(model.resolve())]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill; a pipe that nobody reads would fill up
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=passed_on()
        )
        try:
            description, _ = self._receive()
        except BaseException:
            self.kill()
            raise
        inputs = tuple(_port(one) for one in description["inputs"])
        self.ports = Ports(inputs, tuple(Port(name, np.dtype("f4"), ()) for name in description["outputs"]))
        self.threads = str(description["threads"])

    def run(self, arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """The outputs in the order of the graph, each of the dtype and shape that the child says.

        Args:
            arrays: in the order of `ports.inputs`, of their dtypes and shapes.
        """
        descriptions = [
            {"name": port.name, "dtype": port.dtype.name, "shape": array.shape}
            for port, array in zip(self.ports.inputs, arrays, strict=True)
        ]
        header = json.dumps({"inputs": descriptions}).encode()
        parts = [array.tobytes() for array in arrays]
        stream = _opened(self._process.stdin)
        stream.write(b"".join([_LENGTHS.pack(len(header), sum(map(len, parts))), header, *parts]))
        stream.flush()
        answer, content = self._receive()
        return list(_outputs(answer["outputs"], content))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            _opened(stream).close()

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        lengths = self._read(_LENGTHS.size)
        header, content = _LENGTHS.unpack(lengths)
        document = json.loads(self._read(header))
        if "error" in document:
            raise RuntimeError(document["error"])
        return document, self._read(content)

    def _read(self, length: int) -> bytes:
        content = _opened(self._process.stdout).read(length)
        if len(content) < length:
            status = self._process.wait()
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").splitlines()
            cause = next((line for line in lines if re.match(r"\w*Error\b", line)), f"node ended with {status}")
            raise RuntimeError(cause)
        return content


def _outputs(descriptions: Sequence[dict[str, Any]], content: bytes) -> Iterator[np.ndarray[Any, Any]]:
    start = 0
    for one in descriptions:
        dtype, shape = np.dtype(one["dtype"]), tuple(one["shape"])
        count = int(np.prod(shape))
        # a copy, because arrays over bytes cannot be written to
        yield np.frombuffer(content, dtype, count, start).reshape(shape).copy()
        start += count * dtype.itemsize


def _port(description: dict[str, Any]) -> Port:
    shape = tuple(length if isinstance(length, int) else None for length in description["shape"])
    return Port(description["name"], np.dtype(description["dtype"]), shape)


def _opened(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _package() -> Path | None:
    """The folder of the package, or None when it is nowhere."""
    places = (place.resolve() / PACKAGE for place in _places())  # Node takes absolute paths alone
    return next((place for place in places if (place / "package.json").is_file()), None)


def _places() -> Iterator[Path]:
    environment = passed_on()
    named = [environment.get(VARIABLE, ""), *environment.get("NODE_PATH", "").split(os.pathsep)]
    yield from (Path(name) for name in named if name)
    if node := _node():
        yield Path(node).parents[1] / "lib" / "node_modules"


def _node() -> str | None:
    """The program, wherever PATH has it but in the working folder."""
    return shutil.which("node", path=passed_on().get("PATH", ""))
