from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdeploy.errors import IntegrityError, MissingError, ResourceError
from kdeploy.system.children import own_environment
from kdeploy.timing.request import Request
from kdeploy.timing.run.commands import arm_spec
from kdeploy.timing.run.worker_process import WorkerProcess


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    made = WorkerProcess("candidate", patience_s=60)
    yield made
    made.close()


def load(tiny: Request, **changes: object) -> dict[str, object]:
    """The command to load the candidate, on one CPU."""
    return {"do": "load"} | arm_spec(tiny.comparisons[0], "candidate", (max(os.sched_getaffinity(0)),)) | changes


def test_a_worker_loads_warms_up_runs_and_finishes(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(load(tiny))
    loaded = worker.listen()
    assert loaded["cpus"] == [max(os.sched_getaffinity(0))]
    assert loaded["passed"] is True
    worker.tell({"do": "run", "calls": 100, "resume_calls": 3, "rotate": True})
    answer = worker.listen()
    assert (len(answer["ns"]), len(answer["resume_ns"]), answer["wrong"]) == (100, 3, 0)
    worker.tell({"do": "finish"})
    assert worker.listen()["peak_rss_bytes"] >= loaded["import_baseline_bytes"]


def test_a_stopped_worker_stands_still_and_answers_once_it_goes_on(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(load(tiny))
    worker.listen()
    worker.pause()
    worker.tell({"do": "run", "calls": 2000, "resume_calls": 0, "rotate": True})
    before = worker.cpu_ns()
    time.sleep(0.05)
    assert worker.cpu_ns() - before < 1_000_000  # it stands a moment after it is told to
    worker.resume()
    assert len(worker.listen()["ns"]) == 2000


def test_a_worker_that_has_ended_can_be_paused(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(load(tiny))
    worker.listen()
    worker.tell({"do": "finish"})
    worker.listen()
    os.waitid(os.P_PID, worker._process.pid, os.WEXITED | os.WNOWAIT)
    worker.pause()


def test_a_stopped_worker_can_be_closed() -> None:
    worker = WorkerProcess("candidate", patience_s=60)
    worker.pause()
    worker.close()


def test_a_worker_reports_an_error_as_its_own_kind(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(load(tiny, runtime="abacus"))
    with pytest.raises(MissingError, match="runtime 'abacus': must be one of "):
        worker.listen()


def test_a_worker_that_fails_says_its_last_line(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell({"do": "load", "parent": os.getpid()})
    with pytest.raises(ResourceError) as caught:
        worker.listen()
    assert str(caught.value) == (
        "bench worker candidate: must answer until it is told to end (it ended with status 1). Its last line was: "
        "KeyError: 'cpus'"
    )


def test_a_worker_that_is_killed_is_missed(worker: WorkerProcess) -> None:
    os.kill(worker._process.pid, signal.SIGKILL)
    with pytest.raises(ResourceError) as caught:
        worker.listen()
    assert str(caught.value) == (
        "bench worker candidate: must answer until it is told to end (it ended with signal 9). "
        "It said nothing; it may have run out of memory."
    )


def test_telling_a_worker_that_is_gone_is_an_error(worker: WorkerProcess) -> None:
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    with pytest.raises(ResourceError, match="it ended with signal 9"):
        worker.tell({"do": "finish"})


def test_a_worker_that_falls_silent_is_given_up() -> None:
    worker = WorkerProcess("candidate", patience_s=0.01)
    with pytest.raises(ResourceError) as caught:
        worker.listen()
    worker.close()
    assert str(caught.value) == (
        "bench worker candidate: must answer within 0.01 s (it did not). Measure a smaller model or batch."
    )


def test_a_worker_that_answers_nonsense_is_refused(worker: WorkerProcess) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\0\0\0\x01{")
    with os.fdopen(reading, "rb") as pipe:
        worker._from.close()
        worker._from = pipe
        with pytest.raises(IntegrityError) as caught:
            worker.listen()
    os.close(writing)
    assert str(caught.value) == "bench worker candidate: must answer in the form agreed on."


def test_a_worker_dies_with_its_parent(tiny: Request) -> None:
    program = (
        "import json, os, sys\n"
        "from kdeploy.timing.run.worker_process import WorkerProcess\n"
        "worker = WorkerProcess('candidate', patience_s=60)\n"
        "worker.tell(json.loads(sys.argv[1]) | {'parent': os.getpid()})\n"
        "worker.listen()\n"
        "worker.tell({'do': 'run', 'calls': 10**7, 'resume_calls': 0, 'rotate': True})\n"
        "print(worker._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, json.dumps(load(tiny))],
        env=own_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    stat = Path(f"/proc/{int(found.stdout)}/stat")
    while alive(stat):  # the time limit of a test apart: its death comes when the kernel finds the time
        time.sleep(0.01)


def alive(stat: Path) -> bool:
    try:
        return ") Z " not in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_worker_imports_neither_torch_nor_pydantic() -> None:
    program = (
        "import sys, kdeploy.timing.run.worker\n"
        "from kdeploy.runtimes.installed import find\n"
        "find('onnxruntime').version()\n"
        "print(sorted({'torch', 'pydantic', 'typer', 'rich', 'matplotlib', 'onnx'} & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env=own_environment(), capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"


def test_the_orchestrator_imports_neither_torch_nor_a_runtime() -> None:
    program = (
        "import sys, kdeploy.timing.subprocess_run\n"
        "print(sorted({'torch', 'onnxruntime', 'openvino', 'numpy', 'matplotlib'} & set(sys.modules)))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env=own_environment(), capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
