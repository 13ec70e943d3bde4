"""The truth that a model must agree with, for any inputs: an ONNX graph, here, or a torch module, in `module_truth`."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from kdeploy.errors import KdeployError, ModelError, ParityError
from kdeploy.models.signature import Signature, signature
from kdeploy.parity import invariance
from kdeploy.parity.bisection import Value, around, first_not_finite, graph_values
from kdeploy.parity.oracle import GraphOracle, Oracle, check_comparable
from kdeploy.parity.second_oracle import Judge, second_oracle
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
        self._signature = read or signature(path)
        self._oracle: Judge = self._first

    @property
    def name(self) -> str:
        return self._name

    def oracle(self, inputs: np.ndarray) -> Oracle:
        """The logits in float64 (inputs, classes), and the noise of float32.

        Raises: ModelError when nothing here can evaluate the graph; ParityError for one that declares any batch, and
            takes one.
        """
        try:
            return self._oracle(inputs)
        except ModelError as exc:
            self._check_batches(inputs)
            self._oracle, oracle = second_oracle(self._path, self._signature, inputs, exc)
            return oracle

    def comparable(self, inputs: np.ndarray) -> Oracle:
        """The oracle of inputs that have one to compare with.

        Raises: what `oracle` raises, and NonFiniteError with the node at which what is not finite begins.
        """
        oracle = self.oracle(inputs)
        check_comparable(oracle, str(self._path), self._first_not_finite(inputs, oracle))
        return oracle

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """The logits in float32 (inputs, classes), by onnxruntime."""
        return self._trial(inputs).logits(inputs)

    def values(self, inputs: np.ndarray) -> list[Value]:
        """The values of the input and of every node of the graph."""
        return graph_values(self._path, inputs)

    def _first_not_finite(self, inputs: np.ndarray, oracle: Oracle) -> str:
        sound = np.isfinite(oracle.logits).all(axis=1)  # (inputs,)
        if sound.all() and np.isfinite(oracle.float32_error):
            return ""
        node = first_not_finite(self._path, around(inputs, int(sound.argmin()), self._signature.batch))
        return f", first at {node.words}" if node else ""

    def _trial(self, inputs: np.ndarray) -> invariance.Trial:
        return invariance.Trial(self._session, self._signature.input, inputs)

    def _first(self, inputs: np.ndarray) -> Oracle:
        """The evaluator itself, read with the first inputs."""
        self._oracle = GraphOracle(self._path)
        return self._oracle(inputs)

    @cached_property
    def _session(self) -> Session:
        return installed.find("onnxruntime").load(self._path, threads=1)

    def _check_batches(self, inputs: np.ndarray) -> None:
        """Raises: ParityError for a graph that declares any batch, and takes one."""
        try:
            _, fault = invariance.batches(self._trial(inputs), invariance.BATCHES[-1], least=1)
        except KdeployError:  # this runtime does not take it either
            return
        if fault is not None:
            where = f"{self._path.name} on onnxruntime"
            raise ParityError(where, fault.must, got=fault.got, advice=fault.advice) from None


def onnx_oracle(path: Path, inputs: np.ndarray) -> Oracle:
    """The oracle of an external model: its graph, in float64, on inputs float32 (inputs, *shape).

    Raises: ModelError when nothing here can run it; ParityError when it has not a row for each input; NonFiniteError
        when it, or float32, has no finite answer to one.
    """
    return GraphTruth(path, "").comparable(inputs)
