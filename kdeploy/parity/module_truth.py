"""The truth of a trained torch module: answers in float64, and all values on the way; this file alone needs torch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kdeploy.parity.bisection import Value, around, first_against, value_of
from kdeploy.parity.oracle import CHUNK, Oracle, summed_noise
from kdeploy.records.parity import ParityRow

BY = "PyTorch in float64"


class ModuleTruth:
    """The trained network, to be agreed with; inputs are preprocessed, float32 (inputs, *shape).

    Args:
        exact: that in float64, where the network was rounded after it was changed.
        graph: its ONNX file, whose sums are added one by one too.
    """

    name = "the trained network"

    def __init__(self, module: nn.Module, exact: nn.Module | None = None, graph: Path | None = None) -> None:
        self._module, self._exact, self._graph = module, exact, graph

    def oracle(self, inputs: np.ndarray) -> Oracle:
        """The logits in float64 (inputs, classes), and the noise of float32."""
        return module_oracle(self._module, inputs, self._exact, self._graph)

    @torch.inference_mode()
    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """The logits in float32 (inputs, classes)."""
        logits: np.ndarray = self._module(torch.from_numpy(inputs)).numpy()
        return logits

    def values(self, inputs: np.ndarray) -> list[Value]:
        """The values of the input and of every function that the network calls."""
        return module_values(self._module, inputs)


@torch.inference_mode()
def module_oracle(
    module: nn.Module, inputs: np.ndarray, exact: nn.Module | None = None, graph: Path | None = None
) -> Oracle:
    """The oracle of a trained network: the network itself, in float64.

    Args:
        module: float32 (batch, *shape) to logits (batch, classes), in evaluation mode.
        inputs: preprocessed, float32 (inputs, *shape).
        exact: the network in float64, where it is not the module: that may have been rounded after it was changed.
        graph: its ONNX file; then the noise is also that of adding one term after the other, as runtimes may.
    """
    exact = copy.deepcopy(module).double().eval() if exact is None else exact
    batches = [torch.from_numpy(inputs[start : start + CHUNK]) for start in range(0, len(inputs), CHUNK)]
    logits = np.concatenate([exact(batch.double()).numpy() for batch in batches])
    plain = np.concatenate([module(batch).numpy() for batch in batches])
    noise = float(np.abs(plain - logits).max())
    return Oracle(logits, noise if graph is None else max(noise, summed_noise(graph, inputs)), BY)


def module_values(module: nn.Module, inputs: np.ndarray) -> list[Value]:
    """The values of the input and of each function that a network in evaluation mode calls, for inputs float32
    (inputs, *shape)."""
    batch = torch.from_numpy(inputs)
    exact = _traced(copy.deepcopy(module).double().eval(), batch.double())
    plain = _traced(copy.deepcopy(module).eval(), batch)
    return [value_of(one, other) for one, other in zip(exact, plain, strict=True)]


def located(row: ParityRow, path: Path, inputs: np.ndarray, trained: nn.Module) -> ParityRow:
    """A row with the first node of a graph that is not the trained network's, where it failed.

    Args:
        inputs: those of the row, float32 (inputs, *shape).
    """
    if row.passed:
        return row
    examples = around(inputs, row.worst_input)
    return row.model_copy(update={"first_node": first_against(path, examples, module_values(trained, examples))})


def _traced(module: nn.Module, batch: Tensor) -> list[np.ndarray]:
    trace = _Trace(len(batch))
    with torch.no_grad(), trace:
        module(batch)
    return [batch.numpy(), *trace.values]


class _Trace(TorchFunctionMode):
    """Keeps what each function gives that has one row an input."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.values: list[np.ndarray] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> object:
        answer = func(*args, **(kwargs or {}))
        if isinstance(answer, Tensor) and answer.is_floating_point() and answer.shape[:1] == (self.rows,):
            self.values.append(answer.detach().clone().numpy())
        return answer
