from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.timing.machine import process_usage


def test_cpu_time_is_user_and_system_time_even_of_a_process_with_a_strange_name(tmp_path: Path) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    fields = " ".join(["S", *map(str, range(1, 11)), "30", "12", "0"])
    (tmp_path / "proc/7/stat").write_text(f"7 (a) b) {fields}\n")
    assert process_usage.cpu_ns(7, tmp_path) == 42 * 10**9 // os.sysconf("SC_CLK_TCK")


def test_the_time_of_a_stopped_arm_is_read_finer_than_a_hundredth_of_a_second(tmp_path: Path) -> None:
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/stat").write_text(f"7 (x) {' '.join(['S', *map(str, range(1, 11)), '30', '12', '0'])}\n")
    assert process_usage.scheduled_ns(7, tmp_path) == process_usage.cpu_ns(7, tmp_path)
    for task, ran in (("7", 1_000_500), ("8", 42)):
        (tmp_path / "proc/7/task" / task).mkdir(parents=True)
        (tmp_path / "proc/7/task" / task / "schedstat").write_text(f"{ran} 900 3\n")
    assert process_usage.scheduled_ns(7, tmp_path) == 1_000_542


@pytest.mark.parametrize("text", ["", "7 (x) S 1", "7 (x) " + "a " * 20])
def test_cpu_time_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    assert process_usage.cpu_ns(7, tmp_path) is None
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/stat").write_text(text)
    assert process_usage.cpu_ns(7, tmp_path) is None


def test_memory_is_read_in_bytes_or_not_at_all(tmp_path: Path) -> None:
    assert process_usage.memory_lines(tmp_path) == {}
    assert process_usage.forget_peak_memory(tmp_path) is False
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Name:\tx\nVmHWM:\t    20 kB\nVmRSS:\t    10 kB\n")
    assert process_usage.memory_lines(tmp_path) == {"VmHWM": 20480, "VmRSS": 10240}
    assert process_usage.forget_peak_memory(tmp_path) is True
    assert (tmp_path / "proc/self/clear_refs").read_text() == "5"
