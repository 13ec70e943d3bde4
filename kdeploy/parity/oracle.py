"""The oracle: what a model must answer, in float64; here from its own graph, in `module_truth` from a torch module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx

from kdeploy.errors import ModelError, NonFiniteError, ResourceError
from kdeploy.models.signature import signature_of
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.parity.double import as_double, as_single, precision_of
from kdeploy.parity.evaluator import Evaluator
from kdeploy.parity.rows import check_finite, check_rows
from kdeploy.parity.sums import ONE_BY_ONE
from kdeploy.runtimes.border import reading
from kdeploy.runtimes.ports import of_graph

CHUNK = 64  # inputs computed at once
EVALUATOR = "ONNX's reference evaluator"
ROUNDOFF = 2.0**-24  # of float32
SUMMED = 8  # inputs for which every sum is added one by one too
SUMMED_OF_MODULE = 2  # of which torch has told the rest already


class Oracle(NamedTuple):
    """Float64 logits (inputs, classes), and the largest error that plain float32 makes against them; `by` says who
    computed them, `exact` whether in float64, `kind` what they are."""

    logits: np.ndarray
    float32_error: float
    by: str = "float64"
    exact: bool = True
    kind: Kind = CLASSES

    def head(self, count: int) -> Oracle:
        """The oracle of the first inputs, float64 (count, classes); the noise of float32 stays that of all."""
        return self._replace(logits=self.logits[:count])


class GraphOracle:
    """A graph as it is and with a float64 for every float32, both by ONNX's reference evaluator; read once.

    The noise of float32 is that of the graph as it is, and, on some of the inputs, with sums one by one.

    Args:
        model: what is evaluated in place of the file.
        by: what the oracle calls itself then.
    Raises: ModelError when the evaluator cannot read it, or it is no classifier.
    """

    def __init__(self, path: Path, model: onnx.ModelProto | None = None, by: str = "") -> None:
        self._where, self._by = str(path), by or f"{EVALUATOR} in float64"
        with reading(self._where, EVALUATOR):
            model = model or onnx.load(path)
            signature = signature_of(of_graph(model), self._where)
            self._batch = signature.batch
            self._quantizes = precision_of(model) == "int8"
            self._plain = Evaluator(as_single(model), signature, self._where)
            self._one_by_one = Evaluator(as_single(model), signature, self._where, ONE_BY_ONE)
            self._exact = Evaluator(as_double(model), signature, self._where)

    def __call__(self, inputs: np.ndarray) -> Oracle:
        """The oracle of some inputs, float32 (inputs, *shape).

        Raises: ModelError when the evaluator cannot run the graph on them; ParityError when it has not a row for each;
            ResourceError when its values take too much memory.
        """
        with reading(self._where, EVALUATOR):
            wide = inputs.astype(np.float64)
            size = self._batch or min(len(inputs), self._exact.rows_at_once(wide[:1]))
            exact, plain, summed = (
                in_batches(call, rows, size, self._where)
                for call, rows in (
                    (self._exact, wide),
                    (self._plain, inputs),
                    (self._one_by_one, inputs[: max(SUMMED, self._batch or 0)]),
                )
            )
        noise = np.max([np.abs(logits - exact[: len(logits)]).max() for logits in (plain, summed)])
        if self._quantizes:  # a whole step that falls the other way is that precision's error, and in its budget
            noise = min(noise, ROUNDOFF * np.abs(exact).max())
        return Oracle(exact, float(noise), self._by)


def summed_noise(path: Path, inputs: np.ndarray) -> float:
    """How far a graph in float32, every sum of it added one by one, is off itself in float64, on some inputs.

    torch adds pairs of pairs, as NumPy does: over a long mean its float32 is better than that of a runtime. A graph
    that is wrong is as wrong in float64, and gets no budget for that.

    Args:
        inputs: float32 (inputs, *shape); the first two are looked at.
    Returns: 0 where the evaluator cannot run the graph, which then says nothing.
    """
    some, where = inputs[:SUMMED_OF_MODULE], str(path)
    try:
        with reading(where, EVALUATOR):
            model = onnx.load(path)
            signature = signature_of(of_graph(model), where)
            summed = Evaluator(as_single(model), signature, where, ONE_BY_ONE)(some)
            exact = Evaluator(as_double(model), signature, where)(some.astype(np.float64))
    except (ModelError, ResourceError):
        return 0.0
    noise = float(np.abs(summed - exact).max(initial=0.0))
    return noise if np.isfinite(noise) else 0.0


def check_comparable(oracle: Oracle, where: str, first: str = "") -> None:
    """Check that an oracle can be compared with: that of real inputs must be.

    Args:
        first: where what is not finite begins, as ", first at node 'log' (Log)".
    Raises: NonFiniteError.
    """
    check_finite(oracle.logits, where, first)
    if not np.isfinite(oracle.float32_error):
        got, advice = f"infinity or NaN in float32{first}", "Its numbers are too large or too small for float32."
        raise NonFiniteError(where, "must have in float32 the logits of float64", got=got, advice=advice)


def in_batches(
    call: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, fixed: int | None, where: str
) -> np.ndarray:
    """The logits of all inputs at once, or in batches of one size, the last filled up with the first inputs.

    Args:
        call: (batch, *shape) to (batch, classes).
        inputs: (inputs, *shape), of any dtype that `call` takes.
        fixed: that size; None for all at once.
        where: what messages call the model.
    Returns: (inputs, classes).
    Raises: ParityError when a batch has not a row for each of its inputs.
    """
    size = fixed or len(inputs)
    filled = inputs[np.arange(len(inputs) + -len(inputs) % size) % len(inputs)]
    answers = []
    for at in range(0, len(filled), size):
        answers.append(call(filled[at : at + size]))
        check_rows(answers[-1], size, where)
    return np.concatenate(answers)[: len(inputs)]
