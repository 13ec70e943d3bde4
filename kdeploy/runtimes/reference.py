"""ONNX's own reference evaluator: every operator as the specification defines it, in NumPy.

The oracle between torch and the runtimes. Slow, and single-threaded by nature: `threads` is taken and ignored, so its
settings have none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kdeploy.runtimes.border import (
    SINGLE,
    InputGuard,
    Port,
    check_threads,
    closed,
    failed,
    fixed_batch,
    only_fp32,
    reading,
)
from kdeploy.runtimes.onnxfile import copy_model, float_precision
from kdeploy.runtimes.ports import of_graph
from kdeploy.runtimes.protocol import Arrays, Processors, Source

if TYPE_CHECKING:
    from onnx.reference import ReferenceEvaluator


class Reference:
    """Runs `.onnx` files by the letter of the specification."""

    name = "reference"

    def missing(self) -> str | None:
        spec = importlib.util.find_spec("onnx")
        return None if spec else "Install it with: pip install onnx"

    def version(self) -> str:
        import onnx

        return str(onnx.__version__)

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        only_fp32(self.name, precision)
        return copy_model(source.onnx, folder, runtime=self.name)

    def processors(self, precision: str) -> Processors:
        return SINGLE

    def load(self, artefact: Path, *, threads: int) -> ReferenceSession:
        import onnx
        from onnx.reference import ReferenceEvaluator

        check_threads(self.name, threads)
        with reading(str(artefact), self.name):
            model = onnx.load(artefact)
            evaluator = ReferenceEvaluator(model)
            ports = of_graph(model).inputs
        settings = {"version": self.version()} | float_precision(model) | fixed_batch(ports)
        return ReferenceSession(evaluator, str(artefact), ports, settings)


class ReferenceSession:
    """One evaluator. Each run returns arrays of its own."""

    def __init__(
        self, evaluator: ReferenceEvaluator, where: str, ports: Sequence[Port], settings: Mapping[str, str]
    ) -> None:
        self._evaluator: ReferenceEvaluator | None = evaluator
        self._where = where
        self._guard = InputGuard(where, ports)
        self.settings = settings

    def run(self, inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        """The outputs by name; all arrays are of the shapes and dtypes that the graph declares."""
        if self._evaluator is None:
            closed(self._where)
        self._guard.check(inputs)
        try:
            outputs = self._evaluator.run(None, dict(inputs))
        except Exception as exc:  # NumPy's, ONNX's and Python's own
            failed(self._where, "reference", exc)
        # a copy, because Flatten and Reshape answer with views of the caller's own array
        return {name: np.array(value) for name, value in zip(self._evaluator.output_names, outputs, strict=True)}

    def close(self) -> None:
        self._evaluator = None
