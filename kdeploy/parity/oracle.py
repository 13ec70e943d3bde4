"""The oracle: what a model must answer, in float64; here from its own graph, in `module_truth` from a torch module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from kdeploy.models.signature import Signature, signature_of
from kdeploy.parity.double import as_double
from kdeploy.runtimes.border import reading
from kdeploy.runtimes.ports import of_graph

CHUNK = 64  # inputs computed at once


class Oracle(NamedTuple):
    """Float64 logits (inputs, classes), and the largest error that plain float32 makes against them."""

    logits: np.ndarray
    float32_error: float

    def head(self, count: int) -> Oracle:
        """The oracle of the first inputs, float64 (count, classes); the noise of float32 stays that of all."""
        return Oracle(self.logits[:count], self.float32_error)


class GraphOracle:
    """A graph as it is and with a float64 for every float32, both by ONNX's reference evaluator; read once.

    Raises: ModelError when the evaluator cannot read it, or it is no classifier.
    """

    def __init__(self, path: Path) -> None:
        self._where = str(path)
        with reading(self._where, _EVALUATOR):
            model = onnx.load(path)
            signature = signature_of(of_graph(model), self._where)
            self._batch = signature.batch
            self._plain, self._exact = _evaluator(model, signature), _evaluator(as_double(model), signature)

    def __call__(self, inputs: np.ndarray) -> Oracle:
        """The oracle of some inputs, float32 (inputs, *shape).

        Raises: ModelError when the evaluator cannot run the graph on them.
        """
        with reading(self._where, _EVALUATOR):
            plain = in_batches(self._plain, inputs, self._batch)
            exact = in_batches(self._exact, inputs.astype(np.float64), self._batch)
        return Oracle(exact, float(np.abs(plain - exact).max()))


def onnx_oracle(path: Path, inputs: np.ndarray) -> Oracle:
    """The oracle of an external model: its graph, in float64, on inputs float32 (inputs, *shape).

    Raises: ModelError when ONNX's reference evaluator cannot run it.
    """
    return GraphOracle(path)(inputs)


_EVALUATOR = "ONNX's reference evaluator"


def _evaluator(model: onnx.ModelProto, signature: Signature) -> Callable[[np.ndarray], np.ndarray]:
    evaluator = ReferenceEvaluator(model)
    return lambda batch: evaluator.run([signature.output], {signature.input: batch})[0]


def in_batches(call: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, fixed: int | None) -> np.ndarray:
    """The logits of all inputs at once, or in the one batch that a model takes, filled up with the first inputs.

    Args:
        call: (batch, *shape) to (batch, classes).
        inputs: (inputs, *shape), of any dtype that `call` takes.
        fixed: the batch that `call` takes; None for any.
    Returns: (inputs, classes).
    """
    size = fixed or len(inputs)
    filled = inputs[np.arange(len(inputs) + -len(inputs) % size) % len(inputs)]
    return np.concatenate([call(filled[at : at + size]) for at in range(0, len(filled), size)])[: len(inputs)]
