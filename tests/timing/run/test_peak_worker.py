"""What a canary runs: that it is the product, or the move of memory, whose rate is quoted."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from kdeploy.system.resident import resident_bytes
from kdeploy.timing.analysis.machine_peaks import ENGINES
from kdeploy.timing.raw import Task
from kdeploy.timing.run import peak_worker
from kdeploy.timing.run.machine_peaks import PROGRAM
from kdeploy.timing.run.worker_process import WorkerProcess


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_multiplies_two_matrices(engine: str) -> None:
    found = peak_worker.product(engine, 8, 1)()
    made = np.asarray(found["y"] if isinstance(found, dict) else found)
    np.testing.assert_allclose(made, peak_worker.matrix(8, 0) @ peak_worker.matrix(8, 1), rtol=1e-4, atol=1e-5)


@pytest.fixture
def buffer() -> np.ndarray:
    """480 bytes that the kernels go through: 120 ones."""
    return np.ones(120, np.float32)


def test_the_kernels_go_through_all_of_their_working_set(buffer: np.ndarray) -> None:
    assert peak_worker.kernel("read", 480, 1, "memory")() == 120
    buffer[:60] = 3
    peak_worker.moves("copy", buffer, 1, "memory")()
    assert (buffer == 1).all()
    buffer[40:80], buffer[80:] = 2, 8
    peak_worker.moves("triad", buffer, 1, "memory")()
    assert (buffer[:40] == 2 + 0.5 * 8).all()


def test_each_thread_has_a_part_of_what_is_in_memory(buffer: np.ndarray) -> None:
    assert peak_worker.moves("read", buffer, 3, "memory")() == [40, 40, 40]
    buffer[30:60] = 3
    peak_worker.moves("copy", buffer, 2, "memory")()
    assert (buffer[:60] == 3).all()  # from the second half of the first part
    assert peak_worker.moves("read", buffer, 3, "cache")() == 60 * 9 + 60
    assert [peak_worker.work_of(place, "copy", 480, 3) for place in ("memory", "cache")] == [480, 1440]


def clock(*readings: int) -> Iterator[int]:
    yield from readings


def test_one_run_does_not_count_and_long_ones_are_timed_once() -> None:
    runs: list[int] = []
    readings = clock(0, 30_000_000)
    assert peak_worker.times(lambda: runs.append(1), lambda: next(readings)) == [30_000_000]
    assert len(runs) == 2


def test_short_ones_are_timed_for_20_ms_and_a_hundred_times_at_most() -> None:
    readings = clock(0, 9_000_000, 9_000_000, 18_000_000, 18_000_000, 27_000_000)
    assert peak_worker.times(lambda: None, lambda: next(readings)) == [9_000_000] * 3
    assert peak_worker.times(lambda: None, lambda: 7) == [0] * 100


def test_an_engine_that_is_not_here_gives_no_times() -> None:
    assert peak_worker.probe("product", "abacus", 8, 1) == {"work": 2 * 8**3, "ns": []}


@pytest.mark.parametrize(
    ("task", "work"),
    [
        (Task("product", "numpy", 16), 2 * 16**3),
        (Task("cache", "triad", 1200), 2000),
        (Task("memory", "copy", 800), 800),
    ],
)
def test_the_process_answers_with_times_and_the_work_of_a_run(process: WorkerProcess, task: Task, work: int) -> None:
    process.resume()
    process.tell({"do": "probe", "place": task.place, "name": task.name, "size": task.size})
    answer = process.listen()
    process.pause()
    assert answer["work"] == work
    assert min(answer["ns"]) > 0


def test_what_a_probe_ran_on_is_free_while_the_arms_run(process: WorkerProcess) -> None:
    def after(size: int) -> int:
        process.resume()
        process.tell({"do": "probe", "place": "memory", "name": "read", "size": size})
        process.listen()
        process.pause()
        return resident_bytes()

    small = after(1 << 20)
    assert after(256 << 20) < small + (64 << 20)


@pytest.fixture(scope="module")
def process() -> Iterator[WorkerProcess]:
    found = WorkerProcess("canary", patience_s=60, program=PROGRAM)
    found.tell({"parent": os.getpid(), "cpus": sorted(os.sched_getaffinity(0))[:1], "threads": 1})
    assert found.listen() == {}
    found.pause()
    yield found
    found.close()
