"""A graph from outside in a format, and its answers there, in a child within limits.

ask: file, runtime, precision, inputs  -->  child: convert, load, run  -->  the file of the format, and logits
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kdeploy.errors import InputError, MissingError, ModelError, ResourceError
from kdeploy.parity.compare import answers
from kdeploy.recipe.formats import FormatRequest
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import NotOffered, Refused, Source
from kdeploy.runtimes.scratch import filling, scratch_folder
from kdeploy.system import wire
from kdeploy.system.bounded import ask, serve
from kdeploy.system.limits import CONVERTED_BYTES, Limits

SECONDS = 60  # of the processor, and one for each MiB of the model
INPUTS, LOGITS = "inputs.npz", "logits.npy"
CALIBRATED_SECONDS = 3600  # where ranges are found on many inputs


class Converted(NamedTuple):
    """The file of a format, its logits (inputs, classes), and the sizes of the batches that they came in."""

    artefact: Path
    logits: np.ndarray
    batches: tuple[int, ...]


def converted(source: Source, request: FormatRequest, target: Path, inputs: np.ndarray) -> Converted:
    """A graph in a format that is not ONNX.

    Args:
        source: without a module; its example and what it is calibrated on have one input.
        target: the folder to write into.
        inputs: real ones, float32 (inputs, *shape).
    Raises: NotOffered; Refused where the runtime refuses the graph, does not end, or ends the process; MissingError.
    """
    [(name, example)] = source.example.items()
    batches = [batch[name] for batch in source.calibration or ()]
    words = {"path": str(source.onnx), "runtime": request.runtime, "precision": request.precision, "input": name}
    with scratch_folder(str(source.onnx)) as scratch:
        calibration, each = (np.concatenate(batches), len(batches[0])) if batches else (example[:0], 1)
        np.savez(scratch / INPUTS, inputs=inputs, example=example, calibration=calibration, each=np.array(each))
        seconds = SECONDS + source.onnx.stat().st_size // 2**20 + (CALIBRATED_SECONDS if batches else 0)
        words |= {"target": str(target), "scratch": str(scratch)}
        answer = _asked(words, seconds)
        if "refused" in answer:
            raise (Refused if answer["offered"] else NotOffered)(answer["refused"])
        logits = np.load(scratch / LOGITS, allow_pickle=False)
    return Converted(Path(answer["artefact"]), logits, tuple(answer["sizes"]))


def answered(path: Path, runtime: str, input_name: str, inputs: np.ndarray) -> np.ndarray | None:
    """What a runtime answers to inputs, float32 (inputs, *shape): logits (inputs, classes), or None where it refuses
    the model, does not end, or ends the process."""
    with scratch_folder(str(path)) as folder:
        try:
            source = Source(path, None, {input_name: inputs[:3]}, None)
            return converted(source, FormatRequest(runtime), folder, inputs).logits
        except (Refused, InputError, MissingError, ResourceError):
            return None


def _asked(words: dict[str, Any], seconds: int) -> wire.Message:
    """Raises: Refused where the child came to a limit, or something ended it; MissingError."""
    limits, doing = Limits.of_work(seconds, CONVERTED_BYTES), f"run on {words['runtime']}"
    try:
        return ask("kdeploy.parity.conversion", words, limits, where=words["path"], doing=doing)
    except ResourceError as exc:
        if exc.where != words["path"]:  # not about the model: a full disk, say
            raise
        raise Refused(exc.got or exc.must) from exc


def work(request: wire.Message, _step: Callable[[wire.Message], None]) -> dict[str, Any]:
    """The file and the sizes of the batches, with the logits in a file; or why the runtime refuses."""
    path, scratch, runtime = Path(request["path"]), Path(request["scratch"]), request["runtime"]
    with np.load(scratch / INPUTS, allow_pickle=False) as stored:
        inputs, example, calibration, each = (stored[key] for key in ("inputs", "example", "calibration", "each"))
    batches = [{request["input"]: calibration[at : at + each]} for at in range(0, len(calibration), int(each))]
    source = Source(path, None, {request["input"]: example}, batches or None)
    try:
        artefact = installed.find(runtime).convert(source, Path(request["target"]), precision=request["precision"])
        logits, sizes = answers(runtime, artefact, request["input"], inputs)
    except (Refused, ModelError) as exc:
        return {"refused": getattr(exc, "got", "") or str(exc), "offered": not isinstance(exc, NotOffered)}
    with filling(scratch):
        np.save(scratch / LOGITS, logits, allow_pickle=False)
    return {"artefact": str(artefact), "sizes": [*sizes]}


if __name__ == "__main__":
    sys.exit(serve(work))
