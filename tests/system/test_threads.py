"""The threads of a training are those of the machine or container, not of the moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.system import host
from kdeploy.system.threads import training_threads

CORE = "processor : {0}\nphysical id : 0\ncore id : {1}\n\n"


def machine(root: Path, *, cpus: int, per_core: int = 1, group: str = "") -> Path:
    """A machine of so many logical CPUs; `group` is the control group of this process, as the kernel says it."""
    (root / "proc/self").mkdir(parents=True)
    cpuinfo = "".join(CORE.format(number, number // per_core) for number in range(cpus))
    (root / "proc/cpuinfo").write_text(cpuinfo)
    (root / "proc/self/cgroup").write_text(group)
    return root


@pytest.fixture(autouse=True)
def _a_machine_of_eight(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(host, "logical_cpus", lambda: 8)


@pytest.mark.parametrize(("per_core", "expected"), [(1, 8), (2, 4)])
def test_a_machine_has_a_thread_a_core(tmp_path, per_core, expected):
    assert training_threads(machine(tmp_path, cpus=8, per_core=per_core)) == expected


@pytest.mark.parametrize(("quota", "expected"), [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1)])
def test_a_container_has_no_more_than_its_quota(tmp_path, quota, expected):
    machine(tmp_path, cpus=8)
    place = tmp_path / "sys/fs/cgroup/cpu.max"
    place.parent.mkdir(parents=True)
    place.write_text(quota)
    assert training_threads(tmp_path) == expected


@pytest.mark.parametrize("place", ["sys/fs/cgroup/box/cpuset.cpus.effective", "sys/fs/cgroup/cpuset.cpus.effective"])
def test_a_container_has_no_more_than_its_cpus(tmp_path, place):
    machine(tmp_path, cpus=8, group="0::/box\n")
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("0-1,6\n")
    assert training_threads(tmp_path) == 3


def test_so_it_is_in_control_groups_of_the_first_version(tmp_path):
    machine(tmp_path, cpus=8, group="3:cpuset:/box\n2:cpu,cpuacct:/\n")
    place = tmp_path / "sys/fs/cgroup/cpuset/box/cpuset.effective_cpus"
    place.parent.mkdir(parents=True)
    place.write_text("4-7\n")
    assert training_threads(tmp_path) == 4


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), ("2,1", 2), ("0", 8), ("", 8), ("many", 8)])
def test_omp_num_threads_goes_before(tmp_path, monkeypatch, asked, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert training_threads(machine(tmp_path, cpus=8)) == expected


def test_a_process_that_is_kept_to_one_cpu_trains_with_as_many(tmp_path):
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert training_threads(machine(tmp_path, cpus=8)) == 8
    finally:
        os.sched_setaffinity(0, before)
