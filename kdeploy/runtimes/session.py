"""A session around one function, for runtimes that need no more: checked inputs in, outputs in order out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kdeploy.runtimes.border import InputGuard, closed, failed, fixed_batch
from kdeploy.runtimes.ports import Ports
from kdeploy.runtimes.protocol import Arrays

Call = Callable[[Sequence[np.ndarray[Any, Any]]], Sequence[np.ndarray[Any, Any]]]


class CallSession:
    """One loaded model.

    Args:
        call: contiguous arrays in the order and the shapes of `ports.inputs` to arrays of its own in those of
            `ports.outputs`.
        settings: read back from the runtime; a fixed batch is added.
    """

    def __init__(self, call: Call, ports: Ports, settings: Mapping[str, str], *, where: str, runtime: str) -> None:
        self._call: Call | None = call
        self._where, self._runtime = where, runtime
        self._guard = InputGuard(where, ports.inputs)
        self._input_names = [port.name for port in ports.inputs]
        self._output_names = [port.name for port in ports.outputs]
        self.settings: Mapping[str, str] = dict(settings) | fixed_batch(ports.inputs)

    def run(self, inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        """The outputs by name; all arrays are of the shapes and dtypes of the ports."""
        if self._call is None:
            closed(self._where)
        self._guard.check(inputs)
        try:
            # some libraries read the memory of an array as it lies
            outputs = self._call([_in_c_order(inputs[name]) for name in self._input_names])
        except Exception as exc:  # each library raises its own
            failed(self._where, self._runtime, exc)
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        self._call = None


def _in_c_order(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array with the strides of C order: an axis of length 1 may have any, which some libraries refuse."""
    return np.ascontiguousarray(array).reshape(-1).reshape(array.shape)
