from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdeploy.errors import IntegrityError, MissingError, ResourceError
from kdeploy.system import wire
from kdeploy.system.children import own_environment
from kdeploy.timing import worker_process
from kdeploy.timing.orchestrator import specs
from kdeploy.timing.request import Request
from kdeploy.timing.worker_process import WorkerProcess


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    made = WorkerProcess("B", patience_s=60)
    yield made
    made.close()


def spec(tiny: Request, **changes: object) -> wire.Message:
    return specs(tiny.comparisons[0], (max(os.sched_getaffinity(0)),))["B"] | changes


def test_a_worker_loads_warms_up_runs_and_finishes(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(spec(tiny))
    loaded = worker.listen()
    assert loaded["cpus"] == [max(os.sched_getaffinity(0))]
    assert loaded["passed"] is True
    worker.tell({"do": "run", "calls": 100, "resume_calls": 3, "rotate": True})
    answer = worker.listen()
    assert (len(answer["ns"]), len(answer["resume_ns"]), answer["wrong"]) == (100, 3, 0)
    worker.tell({"do": "finish"})
    assert worker.listen()["peak_rss_bytes"] >= loaded["import_baseline_bytes"]


def test_a_stopped_worker_stands_still_and_answers_once_it_goes_on(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(spec(tiny))
    worker.listen()
    worker.pause()
    worker.tell({"do": "run", "calls": 2000, "resume_calls": 0, "rotate": True})
    before = worker.cpu_ns()
    time.sleep(0.05)
    assert worker.cpu_ns() - before < 1_000_000  # it stands a moment after it is told to
    worker.resume()
    assert len(worker.listen()["ns"]) == 2000


def test_a_worker_that_has_ended_can_be_paused(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(spec(tiny))
    worker.listen()
    worker.tell({"do": "finish"})
    worker.listen()
    os.waitid(os.P_PID, worker._process.pid, os.WEXITED | os.WNOWAIT)
    worker.pause()


def test_a_stopped_worker_can_be_closed() -> None:
    worker = WorkerProcess("B", patience_s=60)
    worker.pause()
    worker.close()


def test_a_worker_reports_an_error_as_its_own_kind(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell(spec(tiny, runtime="abacus"))
    with pytest.raises(MissingError, match="runtime 'abacus': must be one of "):
        worker.listen()


def test_a_worker_that_fails_says_its_last_line(tiny: Request, worker: WorkerProcess) -> None:
    worker.tell({"parent": os.getpid()})
    with pytest.raises(ResourceError) as caught:
        worker.listen()
    assert str(caught.value) == (
        "bench worker B: must answer until it is told to end (it ended with status 1). Its last line was: "
        "KeyError: 'cpus'"
    )


def test_a_worker_that_is_killed_is_missed(worker: WorkerProcess) -> None:
    os.kill(worker._process.pid, signal.SIGKILL)
    with pytest.raises(ResourceError) as caught:
        worker.listen()
    assert str(caught.value) == (
        "bench worker B: must answer until it is told to end (it ended with signal 9). "
        "It said nothing; it may have run out of memory."
    )


def test_telling_a_worker_that_is_gone_is_an_error(worker: WorkerProcess) -> None:
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.wait()
    with pytest.raises(ResourceError, match="it ended with signal 9"):
        worker.tell({"do": "finish"})


def test_a_worker_that_falls_silent_is_given_up() -> None:
    worker = WorkerProcess("B", patience_s=0.01)
    with pytest.raises(ResourceError) as caught:
        worker.listen()
    worker.close()
    assert str(caught.value) == (
        "bench worker B: must answer within 0.01 s (it did not). Measure a smaller model or batch."
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
    assert str(caught.value) == "bench worker B: must answer in the form agreed on."


def test_a_worker_dies_with_its_parent(tiny: Request) -> None:
    program = (
        "import json, os, sys\n"
        "from kdeploy.timing.worker_process import WorkerProcess\n"
        "worker = WorkerProcess('B', patience_s=60)\n"
        "worker.tell(json.loads(sys.argv[1]) | {'parent': os.getpid()})\n"
        "worker.listen()\n"
        "worker.tell({'do': 'run', 'calls': 10**7, 'resume_calls': 0})\n"
        "print(worker._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    import json

    found = subprocess.run(
        [sys.executable, "-c", program, json.dumps(spec(tiny))],
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


def test_a_process_whose_parent_is_gone_already_ends() -> None:
    program = "from kdeploy.timing import processes; processes.die_with_parent(1 << 30); print('alive')"
    found = subprocess.run([sys.executable, "-c", program], env=own_environment(), capture_output=True, check=False)
    assert (found.returncode, found.stdout) == (1, b"")


def test_a_worker_imports_neither_torch_nor_pydantic() -> None:
    program = (
        "import sys, kdeploy.timing.worker\n"
        "from kdeploy.runtimes import find\n"
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


def test_cpu_time_is_user_and_system_time_even_of_a_process_with_a_strange_name(tmp_path: Path) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    fields = " ".join(["S", *map(str, range(1, 11)), "30", "12", "0"])
    (tmp_path / "proc/7/stat").write_text(f"7 (a) b) {fields}\n")
    assert worker_process.cpu_ns(7, tmp_path) == 42 * 10**9 // os.sysconf("SC_CLK_TCK")


def test_the_time_of_a_stopped_arm_is_read_finer_than_a_hundredth_of_a_second(tmp_path: Path) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/stat").write_text(f"7 (x) {' '.join(['S', *map(str, range(1, 11)), '30', '12', '0'])}\n")
    assert worker_process.scheduled_ns(7, tmp_path) == worker_process.cpu_ns(7, tmp_path)
    for task, ran in (("7", 1_000_500), ("8", 42)):
        (tmp_path / "proc/7/task" / task).mkdir(parents=True)
        (tmp_path / "proc/7/task" / task / "schedstat").write_text(f"{ran} 900 3\n")
    assert worker_process.scheduled_ns(7, tmp_path) == 1_000_542


@pytest.mark.parametrize("text", ["", "7 (x) S 1", "7 (x) " + "a " * 20])
def test_cpu_time_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    assert worker_process.cpu_ns(7, tmp_path) is None
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/stat").write_text(text)
    assert worker_process.cpu_ns(7, tmp_path) is None


def test_memory_is_read_in_bytes_or_not_at_all(tmp_path: Path) -> None:
    assert worker_process.memory_lines(tmp_path) == {}
    assert worker_process.forget_peak_memory(tmp_path) is False
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Name:\tx\nVmHWM:\t    20 kB\nVmRSS:\t    10 kB\n")
    assert worker_process.memory_lines(tmp_path) == {"VmHWM": 20480, "VmRSS": 10240}
    assert worker_process.forget_peak_memory(tmp_path) is True
    assert (tmp_path / "proc/self/clear_refs").read_text() == "5"
