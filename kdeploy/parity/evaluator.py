"""ONNX's reference evaluator on one graph, which keeps no value longer than a node still reads it.

The evaluator's own loop keeps every value to its end: of a network for photographs, 64 inputs in float64 are gigabytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from kdeploy.errors import ResourceError
from kdeploy.models.signature import Signature
from kdeploy.parity.sums import EXACT, Operator

MOST_BYTES = 2**30  # of values at once
CHUNK_BYTES = 2**24  # of values at once where there is a choice: its convolution copies what it reads for each weight


class Evaluator:
    """A graph that answers a batch; `peak_bytes` is the most that its values took in a call so far.

    Args:
        where: what messages call the model.
        operators: what computes those in place of the evaluator, by their types.
    """

    def __init__(
        self, model: onnx.ModelProto, signature: Signature, where: str, operators: Mapping[str, Operator] = EXACT
    ) -> None:
        self._operators = operators
        self._evaluator, self._signature, self._where = ReferenceEvaluator(model), signature, where
        self._readers = Counter([signature.output])
        self._readers.update(name for node in self._evaluator.rt_nodes_ for name in set(node.input))
        self.peak_bytes = 0

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """The logits (batch, classes) of one batch (batch, *shape).

        Raises: ResourceError when its values take more than they may at once; what the evaluator raises.
        """
        stored: dict[str, Any] = {"": None} | self._evaluator.rt_inits_
        values: dict[str, Any] = {self._signature.input: batch}
        readers = self._readers.copy()
        for node in self._evaluator.rt_nodes_:
            outputs = self._run(node, [values[name] if name in values else stored[name] for name in node.input])
            values.update(zip(node.output, outputs, strict=False))
            self._count(values)
            readers.subtract(set(node.input))
            for name in (*node.input, *node.output):
                if readers[name] <= 0:
                    values.pop(name, None)
        logits: np.ndarray = values[self._signature.output]
        return logits

    def _run(self, node: OpRun, inputs: Sequence[Any]) -> Sequence[Any]:
        operator = None if node.domain or len(node.output) > 1 else self._operators.get(node.op_type)
        if operator is not None:
            attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.onnx_node.attribute}
            answer = operator(attributes, inputs)
            if answer is not None:
                return (answer,)
        outputs: Sequence[Any] = node.run(*inputs)
        return outputs

    def _count(self, values: dict[str, Any]) -> None:
        alive = sum(value.nbytes for value in values.values() if isinstance(value, np.ndarray))
        self.peak_bytes = max(self.peak_bytes, alive)
        if alive > MOST_BYTES:
            must = f"must hold at most {MOST_BYTES} bytes at once while it is computed in float64"
            raise ResourceError(self._where, must, got=f"{alive} bytes", advice="Verify a smaller model.")

    def rows_at_once(self, row: np.ndarray) -> int:
        """How many rows a call may have, by the memory that one (1, *shape) takes, or what came before it did."""
        if not self.peak_bytes:
            self(row)
        return max(1, CHUNK_BYTES // max(self.peak_bytes, 1))
