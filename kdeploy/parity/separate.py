"""The answers of one runtime to some inputs, in a child within limits: `python -m kdeploy.parity.separate`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kdeploy.errors import InputError, MissingError, ResourceError
from kdeploy.parity.compare import answers
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Source
from kdeploy.runtimes.scratch import filling, scratch_folder
from kdeploy.system import wire
from kdeploy.system.bounded import ask, serve
from kdeploy.system.limits import CONVERTED_BYTES, Limits

SECONDS = 60  # of the processor, and one for each MiB of the model


def answered(path: Path, runtime: str, input_name: str, inputs: np.ndarray) -> np.ndarray | None:
    """What a runtime answers to inputs, float32 (inputs, *shape): logits (inputs, classes), or None where it refuses
    the model, does not end, or ends the process."""
    seconds = SECONDS + path.stat().st_size // 2**20
    with scratch_folder(str(path)) as folder:
        np.save(folder / "inputs.npy", inputs, allow_pickle=False)
        request = {"path": str(path), "runtime": runtime, "input": input_name, "folder": str(folder)}
        limits = Limits.of_work(seconds, CONVERTED_BYTES)
        try:
            ask("kdeploy.parity.separate", request, limits, where=str(path), doing=f"run on {runtime}")
        except ResourceError:
            return None
        return np.load(folder / "logits.npy", allow_pickle=False) if (folder / "logits.npy").exists() else None


def work(request: wire.Message, _step: Callable[[wire.Message], None]) -> dict[str, Any]:
    """Write the answers; without them where the runtime refuses."""
    path, folder, runtime = Path(request["path"]), Path(request["folder"]), request["runtime"]
    inputs = np.load(folder / "inputs.npy", allow_pickle=False)
    try:
        with scratch_folder(str(path)) as scratch:
            source = Source(path, None, {request["input"]: inputs[:3]}, None)
            artefact = installed.convert(runtime, source, scratch)
            logits, _ = answers(runtime, artefact, request["input"], inputs)
    except (InputError, MissingError):
        return {}
    with filling(folder):
        np.save(folder / "logits.npy", logits, allow_pickle=False)
    return {}


if __name__ == "__main__":
    sys.exit(serve(work))
