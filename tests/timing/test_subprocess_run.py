"""The whole benchmark with real processes: structure and invariants, never speed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import IntegrityError, Interrupted, MissingError, ResourceError, UsageError
from kdeploy.records.bench import BenchRecord
from kdeploy.timing import raw
from kdeploy.timing.__main__ import benchmark
from kdeploy.timing.request import ComparisonRequest, Request
from kdeploy.timing.run.orchestrator import Step
from kdeploy.timing.subprocess_run import failure, orchestrator, run_in_fresh_process
from tests import made
from tests.timing.conftest import with_candidate


def processes_about(text: str) -> list[str]:
    """Command lines of running processes that mention this text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def children() -> list[int]:
    """The processes whose parent is this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(path.parent.name))
    return found


def endless(request: Request) -> Request:
    """The same request, with more replicates than anyone waits for."""
    return request.model_copy(update={"settings": request.settings.model_copy(update={"looks": (1000,)})})


def test_two_models_are_compared_in_fresh_processes(tiny: Request, tmp_path: Path) -> None:
    steps: list[Step] = []
    record = run_in_fresh_process(tiny, tmp_path / "out", steps.append)
    (found,) = record.comparison
    # refused where the machine is busy with something else
    assert found.claim.status in ("indicative", "no_difference_shown", "refused")
    assert "R08" in [reason.code for reason in found.claim.reasons]
    assert found.row().keys() == {"runtime", "batch", "threads", "ratio", "low", "high", "pairs", "status"}
    assert found.row()["pairs"] == 1
    for arm in record.arms:
        assert arm.parity is not None
        assert arm.parity.passed
        assert arm.latency_ns is not None
        assert arm.latency_ns.min > 0
        assert arm.memory_bytes is not None
        assert arm.memory_bytes.peak_rss >= arm.memory_bytes.import_baseline > 10**6
        assert arm.workload.n_distinct_inputs == 20
    assert [step.replicate for step in steps] == [1]
    assert record.command == ("kdeploy", "bench")
    assert BenchRecord.read(tmp_path / "out" / "bench.json") == record
    assert len(raw.read_replicates(tmp_path / "out" / record.raw.path)[0]) == 1
    assert children() == []


def test_a_model_whose_outputs_are_wrong_is_refused(tiny: Request, tmp_path: Path) -> None:
    np.savez(tmp_path / "wrong.npz", y=np.zeros((20, 3), np.float32))
    record = run_in_fresh_process(
        with_candidate(tiny, expected=tmp_path / "wrong.npz", tolerance=1e-6), tmp_path / "out"
    )
    assert record.comparison[0].claim.status == "refused"
    assert "R13" in [reason.code for reason in record.comparison[0].claim.reasons]
    assert record.arms[1].parity is not None
    assert not record.arms[1].parity.passed


def test_a_missing_runtime_is_reported_as_that(tiny: Request, tmp_path: Path) -> None:
    asked = tiny.comparisons[0].model_copy(update={"runtime": "abacus"})
    with pytest.raises(MissingError, match="runtime 'abacus': must be one of "):
        run_in_fresh_process(tiny.model_copy(update={"comparisons": (asked,)}), tmp_path / "out")


def test_an_artefact_that_changed_is_refused(tiny: Request, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"student\.onnx: must have the SHA-256 00 \("):
        run_in_fresh_process(with_candidate(tiny, sha256="00"), tmp_path / "out")


def test_an_interrupt_keeps_the_raw_samples_and_leaves_nobody(tiny: Request, tmp_path: Path) -> None:
    def interrupt(_step: Step) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)  # a shell's background work ignores it
    with pytest.raises(Interrupted) as caught:
        run_in_fresh_process(endless(tiny), tmp_path / "out", interrupt)
    assert str(caught.value) == (
        "bench: was interrupted after a clean checkpoint. "
        "The raw samples measured so far were kept; run the same command again."
    )
    assert caught.value.code == 130
    assert raw.read_replicates(tmp_path / "out" / raw.NAME)[0]
    assert not (tmp_path / "out" / "bench.json").exists()
    assert children() == []
    assert processes_about(str(tmp_path)) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_before_the_orchestrator_is_ready_prints_nothing(
    tiny: Request, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "request.json"
    path.write_text(tiny.model_dump_json())
    with orchestrator(path, tmp_path) as (process, received):
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        [document] = map(json.loads, process.stdout)
        assert (document["error"]["kind"], process.wait(), received) == ("Interrupted", 130, [])
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 2, 3.5, 5])
def test_an_interrupt_of_the_whole_group_prints_no_traceback(seconds: float, tmp_path: Path) -> None:
    models = [made.linear(tmp_path / f"{width}.onnx", (2,), width=width) for width in (4, 16)]
    command = [sys.executable, "-P", "-m", "kdeploy", "bench", *map(str, models), "--runs", str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, start_new_session=True, cwd=tmp_path) as process:
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        printed, complaints = process.communicate(timeout=60)
    assert (process.returncode, printed) == (130, "")
    assert all("interrupted after a clean checkpoint" in line for line in complaints.splitlines() if "error" in line)
    assert "Traceback" not in complaints


def test_an_error_of_the_caller_leaves_nobody(tiny: Request, tmp_path: Path) -> None:
    def burst(_step: Step) -> None:
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        run_in_fresh_process(endless(tiny), tmp_path / "out", burst)
    assert children() == []


def test_a_benchmark_runs_outside_the_main_thread(tiny: Request, tmp_path: Path) -> None:
    found: list[BenchRecord] = []
    thread = threading.Thread(target=lambda: found.append(run_in_fresh_process(tiny, tmp_path / "out")))
    thread.start()
    thread.join()
    assert len(found) == 1


def test_an_orchestrator_that_ends_without_a_word_is_an_error() -> None:
    error = failure(-9, None, [])
    assert type(error) is ResourceError
    assert str(error) == "bench: must end with a record or an error (the orchestrator ended with signal 9)."
    assert str(failure(3, None, [])) == (
        "bench: must end with a record or an error (the orchestrator ended with status 3)."
    )


def test_an_orchestrator_ended_by_our_own_signal_was_interrupted() -> None:
    error = failure(-15, None, [signal.SIGTERM])
    assert isinstance(error, Interrupted)
    assert error.code == 143
    assert str(error) == "bench: was interrupted after a clean checkpoint. Run the same command again."


def test_the_orchestrator_says_what_it_must_be_given() -> None:
    with pytest.raises(UsageError) as caught:
        benchmark(["one"])
    assert str(caught.value) == "python -m kdeploy.timing: must be given a request and a folder (['one'])."


def test_a_batch_and_threads_reach_the_record(tiny: Request, tmp_path: Path) -> None:
    wide = ComparisonRequest(**{**dict(tiny.comparisons[0]), "batch": 8})
    record = run_in_fresh_process(tiny.model_copy(update={"comparisons": (wide,)}), tmp_path / "out")
    workload = record.arms[0].workload
    assert (workload.scenario, workload.batch, workload.input_shapes) == ("batch", 8, {"x": (8, 4)})
    assert workload.n_distinct_inputs == 5  # 20 samples, batches of 8: 5 different starts
