"""What a process has consumed, from /proc: CPU time in ns, memory in bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def scheduled_ns(pid: int, root: Path = Path("/")) -> int | None:
    """CPU time of the threads a process has, in ns, from `/proc/<pid>/task/*/schedstat`; else `cpu_ns`.

    `cpu_ns` counts in hundredths of a second: a process that is stopped right before it completes one, and runs for a
    microsecond until it stands, seems to have used all of it.
    """
    try:
        tasks = list((root / "proc" / str(pid) / "task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    except (OSError, ValueError, IndexError):
        return cpu_ns(pid, root)


def cpu_ns(pid: int, root: Path = Path("/")) -> int | None:
    """utime + stime of a process with all its threads, from `/proc/<pid>/stat` (a hundredth of a second fine)."""
    try:
        text = (root / "proc" / str(pid) / "stat").read_text()
        fields = text.rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return None
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def memory_lines(root: Path = Path("/")) -> Mapping[str, int]:
    """`VmRSS` and `VmHWM` of this process in bytes; those that can be read."""
    try:
        lines = (root / "proc/self/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines if line.startswith(("VmRSS:", "VmHWM:")))
    return {pair[0].rstrip(":"): int(pair[1]) * 1024 for pair in pairs}


def forget_peak_memory(root: Path = Path("/")) -> bool:
    """Reset `VmHWM` to the memory resident now (`5` in clear_refs, proc(5)); whether that worked."""
    try:
        (root / "proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
