"""What a model must answer, in float64: from the trained network, or from the graph itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from kdeploy.models.classifier import signature
from kdeploy.parity.double import as_double
from kdeploy.runtimes.border import reading

CHUNK = 64  # inputs computed at once


class Oracle(NamedTuple):
    """Float64 logits (inputs, classes), and the largest error that plain float32 makes against them."""

    logits: np.ndarray
    float32_error: float

    def head(self, count: int) -> Oracle:
        """The oracle of the first inputs; the noise of float32 stays that of all."""
        return Oracle(self.logits[:count], self.float32_error)


@torch.inference_mode()
def module_oracle(module: nn.Module, inputs: np.ndarray, exact: nn.Module | None = None) -> Oracle:
    """The trained net itself, in float64.

    Args:
        inputs: preprocessed, float32 (inputs, *shape).
        exact: the net in float64, where it is not the given one: that may have been rounded after it was changed.
    """
    exact = copy.deepcopy(module).double().eval() if exact is None else exact
    batches = [torch.from_numpy(inputs[start : start + CHUNK]) for start in range(0, len(inputs), CHUNK)]
    logits = np.concatenate([exact(batch.double()).numpy() for batch in batches])
    plain = np.concatenate([module(batch).numpy() for batch in batches])
    return Oracle(logits, float(np.abs(plain - logits).max()))


def onnx_oracle(path: Path, inputs: np.ndarray) -> Oracle:
    """The graph itself, in float64, for a model that was made elsewhere: every float32 in it becomes a float64.

    Raises: ModelError when ONNX's reference evaluator cannot run it.
    """
    model, read = onnx.load(path), signature(path)
    with reading(str(path), "ONNX's reference evaluator"):
        plain = in_batches(_evaluator(model, read.input), inputs, read.batch)
        exact = in_batches(_evaluator(as_double(model), read.input), inputs.astype(np.float64), read.batch)
    return Oracle(exact, float(np.abs(plain - exact).max()))


def _evaluator(model: onnx.ModelProto, name: str) -> Callable[[np.ndarray], np.ndarray]:
    evaluator, output = ReferenceEvaluator(model), [model.graph.output[0].name]
    return lambda batch: evaluator.run(output, {name: batch})[0]


def in_batches(call: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, fixed: int | None) -> np.ndarray:
    """All inputs at once, or in the one batch that a model takes; the last is filled up with the first inputs."""
    size = fixed or len(inputs)
    filled = inputs[np.arange(len(inputs) + -len(inputs) % size) % len(inputs)]
    return np.concatenate([call(filled[at : at + size]) for at in range(0, len(filled), size)])[: len(inputs)]
