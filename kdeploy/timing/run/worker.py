"""One arm: a fresh process that loads one model, and times calls of it on command.

    load -> loaded;  warm_up -> warm-up;  run -> nanoseconds of every call;  window -> calls, their median;
    finish -> memory, end;  cold_start -> its imports, its session and its first calls, end

Pinned before the runtime is imported, because runtimes size their pools by what they may run on then. Standard output
belongs to the conversation, so whatever a runtime prints goes to standard error. The file may have come from outside:
memory and what is written are limited, time is not, since that could change a timing; the orchestrator ends a worker
that is silent for too long. Imports no pydantic and no torch.
"""

from __future__ import annotations

import gc
import math
import os
import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from kdeploy.errors import DataError, IntegrityError, KdeployError
from kdeploy.runtimes import artefacts
from kdeploy.system import wire
from kdeploy.system.children import die_with_parent
from kdeploy.system.limits import COMPLAINTS_BYTES, Limits, limit, memory_of_this_machine
from kdeploy.timing.machine import counters, cpus, process_usage
from kdeploy.timing.messages import (
    ArmCommand,
    ColdStartAnswer,
    ColdStartCommand,
    Counters,
    FinishAnswer,
    LoadCommand,
    Loaded,
    ModelSpec,
    Opened,
    RunAnswer,
    WarmUpAnswer,
    WindowAnswer,
)
from kdeploy.timing.run.warmup import WarmUpRule, warm_up

if TYPE_CHECKING:
    import numpy as np

    from kdeploy.runtimes.protocol import Session

    Arrays = Mapping[str, np.ndarray[Any, Any]]

MOST_BATCHES = 64
GOLDEN_BATCHES = 8
CHECK_EVERY = 64
COLD_CALLS, LEAST_COLD_CALLS, COLD_NS = 1000, 40, 1_000_000_000


class Bench:
    """A loaded model with its batches and the outputs they must give."""

    def __init__(
        self,
        session: Session,
        batches: Sequence[Arrays],
        expected: Sequence[Arrays],
        tolerance: float,
        *,
        cpus: Sequence[int] = (),
        root: Path = counters.ROOT,
    ) -> None:
        self._session, self._batches, self._expected = session, batches, expected
        self._tolerance, self._cpus, self._root = tolerance, cpus, root
        self._position, self._step = 0, 1

    def warm_up(self, rule: WarmUpRule) -> WarmUpAnswer:
        """Call over rotating inputs until the rule is met."""
        return warm_up(lambda _number: self._timed(), rule, time.perf_counter_ns)

    def run(self, calls: int, resume_calls: int, *, rotate: bool = True) -> RunAnswer:
        """Time a block of calls over rotating inputs, or over one alone.

        The first `resume_calls`, after the process stood still, are kept apart. Every 64th output is checked, outside
        the timed region. The counters of the system are read around the timed calls alone.
        """
        self._step = 1 if rotate else 0
        gc.freeze()
        gc.disable()
        resume = [self._timed() for _ in range(resume_calls)]
        samples, wrong = [], 0
        before, began = counters.read(self._cpus, self._root), time.perf_counter_ns()
        for number in range(calls):
            samples.append(self._timed())
            if number % CHECK_EVERY == 0:
                wrong += not self._last_output_is_right()
        elapsed = time.perf_counter_ns() - began
        after = counters.read(self._cpus, self._root)
        gc.enable()
        readings = Counters(at_ns=began, elapsed_ns=elapsed, cpus=max(1, len(self._cpus)), before=before, after=after)
        return {"ns": samples, "resume_ns": resume, "wrong": wrong, "counters": readings}

    def window(self, duration_ns: int) -> WindowAnswer:
        """Call without a pause for a time."""
        began, durations = time.perf_counter_ns(), array("q")
        while not durations or time.perf_counter_ns() - began < duration_ns:
            durations.append(self._timed())
        elapsed = time.perf_counter_ns() - began
        return {"at_ns": began, "elapsed_ns": elapsed, "calls": len(durations), "median_ns": round(median(durations))}

    def _timed(self) -> int:
        self._position = (self._position + self._step) % len(self._batches)
        batch, run = self._batches[self._position], self._session.run
        began = time.perf_counter_ns()
        outputs = run(batch)
        elapsed = time.perf_counter_ns() - began
        self._outputs = outputs
        return elapsed

    def _last_output_is_right(self) -> bool:
        return largest_error(self._outputs, self._expected[self._position]) <= self._tolerance


def largest_error(outputs: Arrays, expected: Arrays) -> float:
    """The largest absolute difference of outputs, by name, from arrays of the same shapes.

    Infinite when an output is missing, of another shape, or not finite alone.
    """
    import numpy as np

    worst = 0.0
    for name, reference in expected.items():
        got = outputs.get(name)
        if got is None or got.shape != reference.shape:
            return math.inf
        if not np.array_equal(got, reference, equal_nan=True):
            with np.errstate(invalid="ignore"):
                error = float(np.max(np.abs(got.astype(np.float64) - reference.astype(np.float64))))
            worst = math.inf if math.isnan(error) else max(worst, error)
    return worst


def cut(arrays: Arrays, batch: int) -> list[Arrays]:
    """At most 64 distinct batches of consecutive samples, wrapping around at the end.

    Args:
        arrays: (samples, *shape) each; where they differ in length, the shortest one counts.
    Returns: arrays (batch, *shape) by the same names.
    """
    import numpy as np

    samples = min(len(array) for array in arrays.values())
    starts = [index * batch % samples for index in range(min(MOST_BATCHES, samples // math.gcd(batch, samples)))]
    rows = [(start + np.arange(batch)) % samples for start in starts]
    return [{name: np.ascontiguousarray(array[chosen]) for name, array in arrays.items()} for chosen in rows]


def read_arrays(path: Path) -> Arrays:
    """The arrays of an `.npz` by name, (samples, *shape) each.

    Raises: DataError when the file is not an `.npz` of plain arrays with at least one sample.
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as exc:
        raise DataError(str(path), "must be an .npz of plain arrays", got=str(exc)) from exc
    if not arrays or any(array.ndim == 0 or len(array) == 0 for array in arrays.values()):
        raise DataError(str(path), "must hold arrays with at least one sample", got=f"{len(arrays)} array(s)")
    return arrays


def load(spec: ModelSpec) -> tuple[Bench, Loaded]:
    """Load the model of a spec, and say what is in effect.

    Raises: IntegrityError when the artefact is not the promised one, DataError, and what the runtime raises.
    """
    session, batches, model = opened(spec)
    promised = cut(read_arrays(Path(spec["expected"])), spec["batch"]) if spec["expected"] else None
    expected, tolerance, error = references(session, batches, promised, spec["tolerance"])
    loaded = Loaded(
        **model,
        tracer=counters.tracer(),
        settings=dict(session.settings),
        distinct_inputs=len(batches),
        input_shapes={name: array.shape for name, array in batches[0].items()},
        passed=None if error is None else error <= tolerance,
        max_abs_err=error if error is not None and math.isfinite(error) else None,
    )
    return Bench(session, batches, expected, tolerance, cpus=model["cpus"]), loaded


def opened(spec: ModelSpec) -> tuple[Session, Sequence[Arrays], Opened]:
    """The model of a spec, loaded and not yet called, its batches, and the times of import and load.

    The arrays of a batch are (batch, *shape), by the names of the inputs.
    """
    pinned = cpus.pin(tuple(spec["cpus"]))
    began = time.perf_counter_ns()
    from kdeploy.runtimes.installed import find

    runtime = find(spec["runtime"])
    version = runtime.version()  # imports what `find` did not
    import_ns = time.perf_counter_ns() - began
    artefact = Path(spec["artefact"])
    batches = cut(read_arrays(Path(spec["inputs"])), spec["batch"])
    check_bytes(artefact, spec["sha256"])
    baseline = process_usage.memory_lines().get("VmRSS") if process_usage.forget_peak_memory() else None
    began = time.perf_counter_ns()
    session = runtime.load(artefact, threads=spec["threads"])
    load_ns = time.perf_counter_ns() - began
    model = Opened(cpus=pinned, version=version, import_ns=import_ns, load_ns=load_ns, import_baseline_bytes=baseline)
    return session, batches, model


def cold_start(spec: ModelSpec) -> ColdStartAnswer:
    """A fresh process from its imports to `COLD_CALLS` calls, or to the end of its time; every call in ns."""
    session, batches, model = opened(spec)
    times, began = list[int](), time.perf_counter_ns()
    while len(times) < COLD_CALLS and (len(times) < LEAST_COLD_CALLS or time.perf_counter_ns() - began < COLD_NS):
        batch = batches[len(times) % len(batches)]
        before = time.perf_counter_ns()
        session.run(batch)
        times.append(time.perf_counter_ns() - before)
    return {"import_ns": model["import_ns"], "load_ns": model["load_ns"], "ns": times}


def check_bytes(artefact: Path, promised: str | None) -> None:
    """Check the digest of an artefact, if one is promised.

    Raises: IntegrityError when the artefact is there and is not the promised one.
    """
    if promised is None or not artefact.is_file():  # the runtime has the better message for a file that is missing
        return
    digest = artefacts.digest(artefact)
    if digest != promised:
        raise IntegrityError(
            str(artefact),
            f"must have the SHA-256 {promised}",
            got=digest,
            advice="The file changed after it was hashed; make it again.",
        )


def references(
    session: Session, batches: Sequence[Arrays], promised: Sequence[Arrays] | None, tolerance: float | None
) -> tuple[Sequence[Arrays], float, float | None]:
    """The outputs each batch must give, arrays by name, the tolerance, and the largest error on the golden batches.

    Without promised outputs the model is held to the outputs it gives now, and there is no error to report.
    """
    expected = promised if promised is not None else [session.run(batch) for batch in batches]
    if tolerance is None:
        tolerance = 1e-4 * max(float(abs(array).max()) for outputs in expected for array in outputs.values())
    if promised is None:
        return expected, tolerance, None
    golden = zip(batches[:GOLDEN_BATCHES], expected[:GOLDEN_BATCHES], strict=True)
    return expected, tolerance, max(largest_error(session.run(batch), outputs) for batch, outputs in golden)


def obey(bench: Bench, message: ArmCommand) -> WarmUpAnswer | RunAnswer | WindowAnswer | FinishAnswer:
    """Carry out one command; its answer."""
    if message["do"] == "warm_up":
        rule = WarmUpRule(message["least_calls"], message["least_ns"], most_ns=message["most_ns"])
        return bench.warm_up(rule)
    if message["do"] == "run":
        return bench.run(message["calls"], message["resume_calls"], rotate=message["rotate"])
    if message["do"] == "window":
        return bench.window(message["ns"])
    return {"peak_rss_bytes": process_usage.memory_lines().get("VmHWM")}


def converse(commands: int, answers: int) -> None:
    """Serve one orchestrator until it says finish, or goes away."""
    spec = cast("LoadCommand | ColdStartCommand", wire.receive(commands))
    die_with_parent(spec["parent"])
    limit(Limits(math.inf, memory_bytes=memory_of_this_machine(), file_bytes=COMPLAINTS_BYTES))
    if spec["do"] == "cold_start":
        wire.send(answers, cold_start(spec))
        return
    bench, loaded = load(spec)
    wire.send(answers, loaded)
    finished = False
    while not finished:
        command = cast("ArmCommand", wire.receive(commands))
        wire.send(answers, obey(bench, command))
        finished = command["do"] == "finish"


def main() -> int:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the orchestrator ends its workers itself
    commands, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    try:
        converse(commands, answers)
    except wire.Closed:
        return 0
    except KdeployError as exc:
        wire.send(answers, {"error": exc.as_json()})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
