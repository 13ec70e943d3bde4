"""What a classifier in an ONNX file reads and answers: one float32 input, and logits (batch, classes), be it that
lengths of 1 follow, as of a network that ends in pooling.

The ports are those that `kdeploy.runtimes.ports` reads; here is what they must be. No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kdeploy.errors import ModelError
from kdeploy.runtimes.border import Port
from kdeploy.runtimes.ports import Ports, of_graph


class Signature(NamedTuple):
    """The one port that a classifier reads, float32 (batch, *shape), and the one that it answers (batch, classes)."""

    reads: Port
    answers: Port

    @property
    def input(self) -> str:
        """The name of the input."""
        return self.reads.name

    @property
    def output(self) -> str:
        """The name of the logits."""
        return self.answers.name

    @property
    def batch(self) -> int | None:
        """The batch that the graph is fixed to; None where it takes any."""
        return (self.reads.shape[0] or None) if self.reads.shape else None

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The lengths of one sample; None where one is free."""
        return tuple(length or None for length in self.reads.shape[1:])

    @property
    def classes(self) -> int:
        """The number of logits of a sample."""
        return int(self.answers.shape[1] or 0)


def signature(path: Path) -> Signature:
    """The signature of a classifier in an ONNX file.

    Raises: ModelError when it is not ONNX, or does not have one float32 input and one output (batch, classes).
    """
    try:
        ports = of_graph(path)
    except ModelError as exc:
        raise ModelError(str(path), "must be an ONNX file", got=exc.got) from exc.__cause__
    return signature_of(ports, str(path))


def signature_of(ports: Ports, where: str) -> Signature:
    """The signature of a graph whose ports are known already.

    Raises: ModelError when it does not have one float32 input and one output (batch, classes) of floats.
    """
    if len(ports.inputs) != 1 or len(ports.outputs) != 1:
        raise ModelError(
            where,
            "must have one input and one output",
            got=f"{len(ports.inputs)} inputs and {len(ports.outputs)} outputs",
            advice="Export the classifier's logits alone.",
        )
    [reads], [answers] = ports
    if reads.dtype != np.float32:
        got, advice = f"input {reads.name!r} is {_named(reads.dtype)}", "Export it with an input of that type."
        raise ModelError(where, "must take float32", got=got, advice=advice)
    if answers.dtype.kind != "f":
        got = f"output {answers.name!r} is {_named(answers.dtype)}"
        advice = "Export the scores of the classes, not their labels."
        raise ModelError(where, "must answer with logits, in floats", got=got, advice=advice)
    if reads.shape[:1] == (0,):
        got = f"input {reads.name!r} of shape {reads.shape}"
        raise ModelError(where, "must take at least 1 row", got=got, advice="Export it with a dynamic batch.")
    shape = [length or None for length in answers.shape]
    if len(shape) < 2 or shape[1] is None or {*shape[2:]} - {1}:
        got = f"shape ({', '.join('free' if length is None else str(length) for length in shape)})"
        raise ModelError(where, "must give logits of shape (batch, classes)", got=got, advice=_advice(shape))
    return Signature(reads, answers._replace(shape=answers.shape[:2]))


def _advice(shape: Sequence[int | None]) -> str:
    """What to do about logits of a shape that is none."""
    if len(shape) == 1:
        return "If it gives a score a row, export that with the shape (batch, 1)."
    if len(shape) > 2:
        return "A network that answers for places or steps is no classifier; pool or flatten its answer to one row."
    return "Export it with a fixed number of classes; only the batch may be free."


def _named(dtype: np.dtype[Any]) -> str:
    """A type as NumPy calls it; a graph may leave it open."""
    return "of no type" if dtype == np.dtype("V") else str(dtype)
