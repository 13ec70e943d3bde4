"""Run a benchmark from any process, however heavy: the orchestrator starts fresh, alone in its process group.

Whatever happens to it or to us, nobody of that group is left: it is killed as a whole at the end, and every process in
it dies with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kdeploy.errors import Interrupted, KdeployError, ResourceError
from kdeploy.records.bench import BenchRecord
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system import wire
from kdeploy.system.children import module_command, own_environment
from kdeploy.timing.raw import RECORD_NAME
from kdeploy.timing.request import Request
from kdeploy.timing.run.orchestrator import Step, silent

_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def unheard(text: str) -> None:
    """What is said to nobody."""


def run_in_fresh_process(
    request: Request,
    folder: Path,
    progress: Callable[[Step], None] = silent,
    say: Callable[[str], None] = unheard,
) -> BenchRecord:
    """Measure; `bench.json` and `raw.jsonl.gz` are in the folder afterwards; `say` takes what disturbs it, in words.

    SIGINT and SIGTERM that come meanwhile are passed on. Raises: what `measure` raises, Interrupted, and ResourceError
    when the orchestrator ends without a word.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder() as own:
        path = own / "request.json"
        path.write_text(request.model_dump_json(), encoding="utf-8")
        conduct(path, folder, progress, say)
    return BenchRecord.read(folder / RECORD_NAME)


def conduct(path: Path, folder: Path, progress: Callable[[Step], None], say: Callable[[str], None]) -> None:
    """Start the orchestrator, follow it to its end, and clear up after it."""
    error: dict[str, Any] | None = None
    with orchestrator(path, folder) as (process, received):
        assert process.stdout is not None
        for document in map(json.loads, process.stdout):
            if "step" in document:
                progress(Step(**document["step"]))
            elif "said" in document:
                say(document["said"])
            else:
                error = document["error"]
        status = process.wait()
    if status or error:
        raise failure(status, error, received)


@contextmanager
def orchestrator(path: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The running orchestrator, and the signals that came meanwhile."""
    with _held_back(signal.SIGINT):
        process = subprocess.Popen(
            module_command("kdeploy.timing", str(path), str(folder)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=own_environment(),
            start_new_session=True,
        )
    with forwarding(process) as received:
        try:
            yield process, received
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    """Hold a signal back from a child that is started, until it lets it through: while it imports it has no handler
    yet, and would print where it was. One for this process comes afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def forwarding(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Pass signals on to the process, and list them; only a main thread may: in others their handlers stay."""
    received: list[int] = []

    def forward(number: int, _frame: object) -> None:
        received.append(number)
        with suppress(ProcessLookupError):
            process.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def failure(status: int, error: dict[str, Any] | None, received: list[int]) -> KdeployError:
    """The error of an orchestrator that failed, as its own kind."""
    if error is not None and error["kind"] == "Interrupted":
        return Interrupted(error["where"], status - 128, advice=error["advice"])
    if error is not None:
        return wire.error_from_json(error)
    if received:
        return Interrupted("bench", received[-1], advice="Run the same command again.")
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return ResourceError("bench", "must end with a record or an error", got=f"the orchestrator ended with {how}")
