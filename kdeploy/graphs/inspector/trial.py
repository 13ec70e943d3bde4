"""One call of an admitted model on a runtime, in a child: `python -m kdeploy.graphs.inspector.trial`.

The inspector bounds what a model holds, not how long it takes: a kilobyte of file can multiply matrices for a year, and
a graph that ONNX's checker passes can still bring a runtime down. Without control flow a call takes the same time
whatever the inputs are, so that one shows it. Where the runtime is not here, or refuses the model with a sentence,
nothing is said: the verb that wants to run it will.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kdeploy.errors import InputError, MissingError, ResourceError
from kdeploy.graphs.inspector.record import Inspection, Value
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Source
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system import wire
from kdeploy.system.bounded import ask, serve
from kdeploy.system.limits import CONVERTED_BYTES, Limits

RUNTIME = "onnxruntime"
SECONDS = 20  # of the processor, and one for each MiB of weights; by the clock twice that
ROWS, FREE_LENGTH = 1, 224  # as the activations are counted


def call_once(path: Path, inspection: Inspection, runtime: str = RUNTIME) -> str | None:
    """Convert a model for a runtime, load it and call it once.

    Returns: what the runtime says where it refuses the model; None where it answers.
    Raises: ResourceError when that does not end, or takes the child with it.
    """
    seconds = SECONDS + inspection.weights_bytes // 2**20
    refused: str | None = ask(
        "kdeploy.graphs.inspector.trial",
        {"path": str(path), "inputs": [value.model_dump() for value in inspection.inputs], "runtime": runtime},
        Limits.of_work(seconds, CONVERTED_BYTES),
        where=str(path),
        doing="run once",
    )["refused"]
    return refused


def called(request: wire.Message, _step: Callable[[wire.Message], None]) -> dict[str, Any]:
    """Load the model that a request names, and call it on zeros."""
    try:
        inputs = {value.name: _zeros(value) for value in map(Value.model_validate, request["inputs"])}
        source, name = Source(Path(request["path"]), None, inputs, None), request["runtime"]
        with scratch_folder(request["path"]) as scratch:
            artefact = source.onnx if name == RUNTIME else installed.convert(name, source, scratch)
            installed.find(name).load(artefact, threads=1).run(inputs)
    except (InputError, MissingError, TypeError) as exc:  # TypeError: a type that NumPy has not
        if "alloc" in str(exc):  # by the runtime's own error, not Python's
            must = "must be run once within the memory of this machine"
            raise ResourceError(request["path"], must, got=str(getattr(exc, "got", exc))) from exc
        return {"refused": getattr(exc, "got", "") or str(exc)}
    return {"refused": None}


def _zeros(value: Value) -> np.ndarray[Any, Any]:
    """An array of one row, where that is free, and of the length that stands for others that are free."""
    free = (ROWS, *([FREE_LENGTH] * len(value.shape)))
    lengths = [length if isinstance(length, int) else free[axis] for axis, length in enumerate(value.shape)]
    return np.zeros(lengths, value.dtype)


if __name__ == "__main__":
    sys.exit(serve(called))
