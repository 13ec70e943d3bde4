"""The truth that a model must agree with, for any inputs: an ONNX graph, here, or a torch module, in `module_truth`."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from kdeploy.errors import ModelError, ParityError
from kdeploy.models.signature import Signature, signature
from kdeploy.parity import invariance
from kdeploy.parity.bisection import Value, graph_values
from kdeploy.parity.oracle import GraphOracle, Oracle
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Session


class Truth(Protocol):
    """What a model must agree with; inputs are float32 (inputs, *shape). `name` is what messages call it."""

    @property
    def name(self) -> str: ...

    def oracle(self, inputs: np.ndarray) -> Oracle:
        """The logits in float64 (inputs, classes), and the noise of float32."""
        ...

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """The logits in float32 (inputs, classes), and quickly."""
        ...

    def values(self, inputs: np.ndarray) -> list[Value]:
        """The values of the input and of all that is computed on the way to the logits."""
        ...


class GraphTruth:
    """The graph of an external model itself; inputs are float32 (inputs, *shape).

    Args:
        read: its signature, where the caller knows it.
    """

    def __init__(self, path: Path, name: str, read: Signature | None = None) -> None:
        self._path, self._name = path, name
        self._input = (read or signature(path)).input

    @property
    def name(self) -> str:
        return self._name

    def oracle(self, inputs: np.ndarray) -> Oracle:
        """The logits in float64 (inputs, classes), and the noise of float32.

        Raises: ModelError when the graph cannot be evaluated; ParityError for one that declares any batch, and takes
            one.
        """
        try:
            return self._oracle(inputs)
        except ModelError:
            _, fault = invariance.batches(self._trial(inputs))
            if fault is None:
                raise
            where = f"{self._path.name} on onnxruntime"
            raise ParityError(where, fault.must, got=fault.got, advice=fault.advice) from None

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """The logits in float32 (inputs, classes), by onnxruntime."""
        return self._trial(inputs).logits(inputs)

    def values(self, inputs: np.ndarray) -> list[Value]:
        """The values of the input and of every node of the graph."""
        return graph_values(self._path, inputs)

    def _trial(self, inputs: np.ndarray) -> invariance.Trial:
        return invariance.Trial(self._session, self._input, inputs)

    @cached_property
    def _session(self) -> Session:
        return installed.find("onnxruntime").load(self._path, threads=1)

    @cached_property
    def _oracle(self) -> GraphOracle:
        return GraphOracle(self._path)
