"""The second oracle: who says what a graph must answer where ONNX's reference evaluator cannot run it.

    1. the evaluator, of the graph raised to a later opset: it has DequantizeLinear from 19 on, quantizers write 10 on
    2. ONNX Runtime in float64, where it has every operator of the graph in that type
    3. the runtimes among each other in float32: the median of what those answer that answer differently,
       noise = the median of their distances from it, and at most u sqrt(n) x scale, n the terms of all sums

A gap of the evaluator is not the model's fault, and which of these judged stands in the record. Of two runtimes that
are far apart neither is known to be right, so both fail by the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from kdeploy.errors import KdeployError, ModelError
from kdeploy.graphs.counting.count import count
from kdeploy.models.signature import Signature
from kdeploy.parity.conversion import answered
from kdeploy.parity.double import as_double
from kdeploy.parity.oracle import EVALUATOR, ROUNDOFF, GraphOracle, Oracle, in_batches
from kdeploy.runtimes import installed
from kdeploy.runtimes.border import converting
from kdeploy.runtimes.protocol import Session
from kdeploy.runtimes.scratch import scratch_folder

Judge = Callable[[np.ndarray], Oracle]


def second_oracle(path: Path, signature: Signature, inputs: np.ndarray, gap: ModelError) -> tuple[Judge, Oracle]:
    """The first of those above that answers, and its answer.

    Args:
        inputs: float32 (inputs, *shape).
        gap: what the evaluator says.
    Raises: ModelError when none does.
    """
    for candidate in _candidates(path, signature):
        try:
            judge = candidate()
            return judge, judge(inputs)
        except ModelError:
            continue
    must = "must be a model that ONNX's reference evaluator runs, or at least two of the runtimes that are here"
    raise ModelError(
        gap.where, must, got=gap.got, advice="Install another runtime: kdeploy doctor names them."
    ) from gap


def _candidates(path: Path, signature: Signature) -> Iterator[Callable[[], Judge]]:
    model = onnx.load(path)
    opset = next(one.version for one in model.opset_import if one.domain in {"", "ai.onnx"})
    for later in range(opset + 1, onnx.defs.onnx_opset_version() + 1):
        yield partial(_raised, path, model, later)
    yield partial(_WideOracle, path, model, signature)
    yield partial(_RuntimesOracle, path, signature)


def _raised(path: Path, model: onnx.ModelProto, opset: int) -> Judge:
    """The evaluator on the graph raised to an opset. Raises: ModelError where it cannot be."""
    with converting(str(path), f"must be a model that can be raised to opset {opset}"):
        raised = onnx.version_converter.convert_version(model, opset)
    return GraphOracle(path, raised, f"{EVALUATOR} in float64, at opset {opset}")


class _WideOracle:
    """ONNX Runtime in float64, and in float32 for the noise."""

    def __init__(self, path: Path, model: onnx.ModelProto, signature: Signature) -> None:
        self._where, self._signature = str(path), signature
        runtime = installed.find("onnxruntime")
        with scratch_folder(self._where) as scratch:
            onnx.save(as_double(model), wide := scratch / "wide.onnx")
            self._wide, self._plain = (runtime.load(file, threads=1) for file in (wide, path))

    def __call__(self, inputs: np.ndarray) -> Oracle:
        exact, plain = (
            self._run(session, rows)
            for session, rows in ((self._wide, inputs.astype(np.float64)), (self._plain, inputs))
        )
        return Oracle(exact, float(np.abs(plain - exact).max()), "ONNX Runtime in float64")

    def _run(self, session: Session, inputs: np.ndarray) -> np.ndarray:
        read = self._signature
        return in_batches(
            lambda batch: session.run({read.input: batch})[read.output], inputs, read.batch or 1, self._where
        )


_ENGINE = {"ort": "onnxruntime"}  # a runtime under two names


def _voters(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of equal answers that come first: copies of one library have one vote. Where all are equal, there is no
    vote to take: to zeros, say, everybody answers the same."""
    distinct: dict[str, np.ndarray] = {}
    for name, logits in given.items():
        if not any(np.array_equal(logits, one, equal_nan=True) for one in distinct.values()):
            distinct[name] = logits
    return distinct if len(distinct) > 1 else given


class _RuntimesOracle:
    """What the runtimes answer, each in a child of its own."""

    def __init__(self, path: Path, signature: Signature) -> None:
        self._path, self._signature = path, signature
        self._names = installed.deployable()

    def __call__(self, inputs: np.ndarray) -> Oracle:
        found = {name: answered(self._path, name, self._signature.input, inputs) for name in self._names}
        given = _voters({name: logits for name, logits in found.items() if logits is not None})
        if len({_ENGINE.get(name, name) for name in given}) < 2:
            raise ModelError(str(self._path), "must be taken by two runtimes", got=", ".join(given) or "none")
        self._names = [*given]
        all_of_them = np.stack([*given.values()]).astype(np.float64)  # (runtimes, inputs, classes)
        median = np.median(all_of_them, axis=0)
        distances = np.abs(all_of_them - median).max(axis=(1, 2))
        most = ROUNDOFF * math.sqrt(self._terms(inputs)) * np.abs(median).max()
        by = f"{', '.join(self._names[:-1])} and {self._names[-1]} among each other in float32"
        return Oracle(median, float(min(np.median(distances), most)), by, exact=False)

    def _terms(self, inputs: np.ndarray) -> int:
        """The terms of the sums that stand one after the other, at most."""
        try:
            layers = count(self._path, {self._signature.input: (1, *inputs.shape[1:])}).layers
        except KdeployError:
            return 1
        return sum(layer.multiply_adds // max(1, math.prod(layer.output_shape)) for layer in layers) or 1
