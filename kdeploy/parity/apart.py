"""The parity of a model on one runtime, in a child within limits: `python -m kdeploy.parity.apart`.

    job  --ask-->  child: convert, load, call once, compare  --row-->  outcome

A runtime is native code: one ends the process at an empty batch, another never comes back from an Einsum. What it does
there costs its own row, which becomes a reason, and the others are compared.

    load and first call     20 s of the processor, and one for each MiB of weights
    all that follows        as much again, and 3 times what the first call took for each row
"""

from __future__ import annotations

import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kdeploy.errors import InputError, MissingError, ResourceError
from kdeploy.parity import steps
from kdeploy.parity.compare import proved
from kdeploy.parity.expected import Expected
from kdeploy.parity.steps import LOAD
from kdeploy.parity.subject import Subject, row_of
from kdeploy.parity.truth import GraphTruth
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.parity import ParityRow
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.runtimes.protocol import Refused
from kdeploy.system import wire
from kdeploy.system.bounded import ask, serve
from kdeploy.system.limits import CONVERTED_BYTES, Limits, bound_next

SECONDS = 20  # of the processor, and one for each MiB of the model
MOST_SECONDS = 3600  # whatever the first call took
SLOWEST, ROWS = 3, 1500  # all rows that are run, and how much longer one may take than the first
TOO_SLOW = "it judges already, and its row would take minutes"
EMPTY = steps.batch(0)


class Job(NamedTuple):
    """A model and a runtime that is to answer as expected.

    Args:
        name: of the model in the row.
        expected: the file of that, by `kdeploy.parity.expected`.
        precision: of the format.
        artefact: the file of the format; None to have it converted there.
        whole: False compares on the inputs alone, without made ones and what else `kdeploy verify` tries.
    """

    path: Path
    name: str
    runtime: str
    expected: Path
    precision: str = "fp32"
    artefact: Path | None = None
    whole: bool = True


class Comparison(NamedTuple):
    """The row of a job, or the reason why there is none; with both, the reason why it has no empty batch."""

    row: ParityRow | None
    reason: str | None


def outcome(job: Job) -> Comparison:
    """What comes of a job, whatever the runtime does."""
    first = _outcome(job, empty=True)
    if first.row is not None or first.reason is None or not first.reason.endswith(f" at {EMPTY}"):
        return first
    return Comparison(_outcome(job, empty=False).row, first.reason)


def _outcome(job: Job, *, empty: bool) -> Comparison:
    stages = [LOAD]
    request = {key: str(value) if isinstance(value, Path) else value for key, value in job._asdict().items()}
    seconds = SECONDS + job.path.stat().st_size // 2**20
    try:
        answer = ask(
            "kdeploy.parity.apart",
            request | {"empty": empty, "seconds": seconds},
            Limits.of_work(MOST_SECONDS, CONVERTED_BYTES),
            where=str(job.path),
            doing=f"compared on {job.runtime}",
            step=lambda step: stages.append(step["at"]),
        )
    except ResourceError as exc:
        if exc.where != str(job.path):  # not about the model: a full disk, say
            raise
        return Comparison(None, _reason(exc.got or exc.must, stages[-1], seconds))
    return Comparison(answer["row"] and ParityRow.model_validate(answer["row"]), answer["refused"])


def _reason(got: str, stage: str, seconds: int) -> str:
    """How a runtime ended, and at what."""
    if "processor time" not in got and f"signal {signal.SIGALRM}" not in got:
        return f"{got} at {stage}"
    return (
        f"it did not end within {seconds} s of processor time at {stage}"
        if stage == LOAD
        else f"it did not end at {stage}"
    )


class _Watch:
    """Tells the parent what comes next, and bounds it: up to the first answer, then by what that took."""

    def __init__(self, seconds: int, step: Callable[[wire.Message], None]) -> None:
        self._seconds, self._step = seconds, step
        self._first: tuple[int, float] | None = None  # rows of the first call, and when it began

    def __call__(self, stage: str) -> None:
        self._step({"at": stage})
        now = time.process_time()
        if stage == LOAD:
            bound_next(self._seconds)
        elif stage == EMPTY:
            pass
        elif self._first is None:
            self._first = (int(stage.rsplit(maxsplit=1)[-1]), now)
        elif self._first[0]:
            rows, began = self._first
            bound_next(math.ceil(self._seconds + SLOWEST * ROWS * (now - began) / rows))
            self._first = (0, now)


def compared(request: wire.Message, step: Callable[[wire.Message], None]) -> dict[str, Any]:
    """The row that a request asks for, or why the runtime has none."""
    expected, path, runtime = Expected.read(Path(request["expected"])), Path(request["path"]), request["runtime"]
    format_, artefact = FormatRequest(runtime, request["precision"]), request["artefact"]
    watch = _Watch(request["seconds"], step)
    try:
        if request["whole"]:
            truth = GraphTruth(path, expected.against)
            artefacts = {} if artefact is None else {str(format_): Path(artefact)}
            subject = Subject(request["name"], path, *expected[:2], artefacts, truth, expected.names)
            if runtime == REFERENCE and subject.cost.is_too_slow_for_reference:
                return {"row": None, "refused": TOO_SLOW}
            row = row_of(subject, format_, expected.families, watch, empty=request["empty"])
        else:
            row = proved(path, request["name"], expected.oracle, expected.inputs, runtime, watch)
    except Refused as refusal:
        return {"row": None, "refused": refusal.reason}
    except (InputError, MissingError, TypeError) as exc:  # TypeError: a type that NumPy has not
        if "alloc" in str(exc):  # by the runtime's own error, not Python's
            raise ResourceError(str(path), "must fit", got=str(getattr(exc, "got", exc))) from exc
        return {"row": None, "refused": getattr(exc, "got", "") or str(exc)}
    if row.fault is not None and row.fault.kind == "batch" and not any(row.batches):
        return {"row": None, "refused": row.fault.got}
    return {"row": row.model_dump(mode="json"), "refused": None}


if __name__ == "__main__":
    sys.exit(serve(compared))
