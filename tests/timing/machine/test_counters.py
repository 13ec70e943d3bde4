"""Fake `/proc` and `/sys` trees: what is there is read, what is missing or garbage is None."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.timing.machine import counters

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
FAULTS = " ".join(["S", *("1",) * 8, "77", *("1",) * 40])
TREE = {
    "proc/stat": "cpu  1 1 1 1 1 1 1 90 0 0\ncpu0 1 1 1 1 1 1 1 20 0 0\ncpu1 1 1 1 1 1 1 1 70 0 0\nintr 5\n",
    "proc/pressure/cpu": "some avg10=1.00 avg60=2.00 avg300=3.00 total=1500\nfull avg10=0.00 total=0\n",
    "proc/self/stat": f"12 (a (bad) name) {FAULTS}\n",
    "proc/self/status": "Name:\tx\nTracerPid:\t41\nVmSwap:\t      3 kB\nnonvoluntary_ctxt_switches:\t9\n",
    "proc/self/task/12/status": "voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t9\n",
    "proc/self/task/13/status": "nonvoluntary_ctxt_switches:\t2\n",
    "proc/self/task/12/schedstat": "100 2000 3\n",
    "proc/self/task/13/schedstat": "100 500 3\n",
    "proc/self/cgroup": "9:name=systemd:/\n1:cpu,cpuacct:/box\n0::/\n",
    "sys/fs/cgroup/cpu/box/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 8000\n",
    "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "2\n",
    "sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "3\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2400000\n",
}
READ = {
    "steal_ns": 70 * TICK_NS,
    "wait_ns": 2500,
    "pressure_ns": 1_500_000,
    "throttled_ns": 8000,
    "throttled_times": 4,
    "switches": 11,
    "major_faults": 77,
    "swapped_bytes": 3072,
    "overheated": 5,
    "frequency_khz": 2_400_000,
}
SOURCES = {
    "steal_ns": "proc/stat",
    "wait_ns": "proc/self/task/13/schedstat",
    "pressure_ns": "proc/pressure/cpu",
    "throttled_ns": "sys/fs/cgroup/cpu/box/cpu.stat",
    "throttled_times": "sys/fs/cgroup/cpu/box/cpu.stat",
    "switches": "proc/self/task/12/status",
    "major_faults": "proc/self/stat",
    "swapped_bytes": "proc/self/status",
    "overheated": "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count",
    "frequency_khz": "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_every_counter_is_read(root: Path) -> None:
    assert counters.read((1,), root) == READ
    assert SOURCES.keys() == READ.keys()


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("garbage", ["", "what?\n", "some total=much\ncpu1 a b c d e f g h\n1\n", "\0\xff"])
def test_garbage_is_none_and_leaves_the_others(root: Path, name: str, garbage: str) -> None:
    (root / SOURCES[name]).write_text(garbage)
    found = counters.read((1,), root)
    same_file = {other for other, source in SOURCES.items() if source == SOURCES[name]}
    assert {key for key, value in found.items() if value is None} == same_file


def test_a_system_that_shows_nothing_gives_nothing(tmp_path: Path) -> None:
    assert set(counters.read((1,), tmp_path).values()) == {None}
    assert counters.read((1,), tmp_path).keys() == READ.keys()


@pytest.mark.parametrize(("cpus", "ticks"), [((), 90), ((0,), 20), ((0, 1), 90)])
def test_steal_is_of_the_cpus_of_the_arm(root: Path, cpus: tuple[int, ...], ticks: int) -> None:
    assert counters.read(cpus, root)["steal_ns"] == ticks * TICK_NS


def test_a_cpu_without_a_line_has_no_steal(root: Path) -> None:
    assert counters.read((1, 7), root)["steal_ns"] is None


@pytest.mark.parametrize(("group", "place"), [("/box", "box"), ("/seen/from/the/host", ""), ("/", "")])
def test_throttling_is_found_in_version_2(root: Path, group: str, place: str) -> None:
    (root / "proc/self/cgroup").write_text(f"0::{group}\n")
    path = root / "sys/fs/cgroup" / place / "cpu.stat"
    path.parent.mkdir(exist_ok=True)
    path.write_text("usage_usec 5\nnr_throttled 6\nthrottled_usec 7\n")
    found = counters.read((1,), root)
    assert (found["throttled_ns"], found["throttled_times"]) == (7000, 6)


def test_the_root_group_that_knows_no_throttling_is_not_a_quiet_one(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "sys/fs/cgroup/cpu.stat").write_text("usage_usec 5\n")
    assert counters.read((1,), root)["throttled_ns"] is None


@pytest.mark.parametrize(("line", "tracer"), [("TracerPid:\t41\n", 41), ("TracerPid:\t0\n", 0), ("Name: x\n", None)])
def test_the_tracer_is_named(root: Path, line: str, tracer: int | None) -> None:
    (root / "proc/self/status").write_text(line)
    assert counters.tracer(root) == tracer
