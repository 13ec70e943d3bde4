"""The ORT format: what ONNX Runtime's builds for phones and microcontrollers load instead of ONNX.

Graph optimisations are done at the conversion, up to the level `extended`: the highest level also lays tensors out for
the processor that converts, and such a file runs slowly, or not at all, on another one.
"""

from __future__ import annotations

from pathlib import Path

from kdeploy.runtimes import onnxruntime
from kdeploy.runtimes.border import SINGLE, only_fp32, reading
from kdeploy.runtimes.onnxruntime import OnnxRuntime, OnnxRuntimeSession
from kdeploy.runtimes.protocol import Processors, Source


class Ort:
    """Runs `.ort` files on ONNX Runtime."""

    name = "ort"

    def missing(self) -> str | None:
        return OnnxRuntime().missing()

    def version(self) -> str:
        return OnnxRuntime().version()

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        only_fp32(self.name, precision)
        artefact = folder / "model.ort"
        with reading(str(source.onnx), self.name):
            onnxruntime.optimise(source.onnx, artefact)
        return artefact

    def processors(self, precision: str) -> Processors:
        return SINGLE

    def load(self, artefact: Path, *, threads: int) -> OnnxRuntimeSession:
        return OnnxRuntime().load(artefact, threads=threads)
