"""The system's counters of one block, read right before its first timed call and right after its last.

    steal          /proc/stat, field 8 of the CPUs of the arm (proc(5); hundredths of a second)
    wait           /proc/self/task/*/schedstat, field 2: runnable, and not running (ns; Documentation/scheduler)
    pressure       /proc/pressure/cpu, `some total` (us, of the whole system; Documentation/accounting/psi)
    throttled      cpu.stat of the control group: `throttled_usec` (version 2) or `throttled_time` (version 1, ns)
    switches       /proc/self/task/*/status, nonvoluntary_ctxt_switches
    major_faults   /proc/self/stat, field 12
    swapped        /proc/self/status, VmSwap
    overheated     thermal_throttle/*_throttle_count of the CPUs
    frequency      scaling_cur_freq of the CPUs (kHz, not a counter)

A source that is missing or holds garbage is None. Everything hangs from a root, so that a test brings its own tree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kdeploy.timing.messages import Reading

ROOT = Path("/")


def read(cpus: Sequence[int], root: Path = ROOT) -> Reading:
    """The value of every counter now; `cpus` are those of the arm, and an empty sequence stands for all."""
    return {
        "steal_ns": _or_none(lambda: steal_ns(cpus, root)),
        "wait_ns": _or_none(lambda: sum(int(_text(task / "schedstat").split()[1]) for task in _tasks(root))),
        "throttled_ns": _or_none(lambda: throttled_ns(root)),
        "throttled_times": _or_none(lambda: int(_cpu_stat(root)["nr_throttled"])),
        "pressure_ns": _or_none(lambda: pressure_ns(root)),
        "switches": _or_none(
            lambda: sum(_status(task / "status", "nonvoluntary_ctxt_switches") for task in _tasks(root))
        ),
        "major_faults": _or_none(lambda: int(_text(root / "proc/self/stat").rpartition(")")[2].split()[9])),
        "swapped_bytes": _or_none(lambda: _status(root / "proc/self/status", "VmSwap") * 1024),
        "overheated": _or_none(lambda: _overheated(cpus, root)),
        "frequency_khz": _or_none(lambda: _frequency_khz(cpus, root)),
    }


def tracer(root: Path = ROOT) -> int | None:
    """The process that traces this one; 0 is nobody, None unknown."""
    return _or_none(lambda: _status(root / "proc/self/status", "TracerPid"))


def steal_ns(cpus: Sequence[int], root: Path) -> int:
    """The time that the hypervisor ran others on these CPUs, in ns."""
    rows = cpu_lines(cpus, root)
    if len(rows) != max(1, len({*cpus})):
        raise ValueError("a CPU has no line")
    return sum(int(fields[8]) for fields in rows) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def cpu_lines(cpus: Sequence[int], root: Path) -> list[list[str]]:
    """The fields of the lines of these CPUs in /proc/stat, of that of all together where none are named."""
    names = {f"cpu{cpu}" for cpu in cpus} or {"cpu"}
    lines = (line.split() for line in _text(root / "proc/stat").splitlines())
    return [fields for fields in lines if fields and fields[0] in names]


def pressure_ns(root: Path) -> int:
    """The time in which some task of the system waited for a CPU, in ns."""
    some = next((line for line in _text(root / "proc/pressure/cpu").splitlines() if line.startswith("some ")), "")
    return int(some.rpartition("total=")[2]) * 1000


def throttled_ns(root: Path) -> int:
    """The time that the control group's quota kept this process from running, in ns."""
    fields = _cpu_stat(root)
    return int(fields["throttled_usec"]) * 1000 if "throttled_usec" in fields else int(fields["throttled_time"])


def _cpu_stat(root: Path) -> dict[str, str]:
    """The first `cpu.stat` that knows of throttling; the root group of version 2 does not."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        for mount in ("", *controllers.split(",")) if "cpu" in controllers.split(",") or not controllers else ():
            # inside a container the path may be that of the host, and the group is mounted at the top
            for place in (group.strip("/"), ""):
                path = root / "sys/fs/cgroup" / mount / place / "cpu.stat"
                fields = dict(line.split() for line in _text(path).splitlines()) if path.is_file() else {}
                if "nr_throttled" in fields:
                    return fields
    raise ValueError("no control group says")


def _tasks(root: Path) -> list[Path]:
    """The threads of this process; a runtime's pool has its own."""
    tasks = sorted((root / "proc/self/task").iterdir())
    if not tasks:
        raise ValueError("there is no thread")
    return tasks


def _overheated(cpus: Sequence[int], root: Path) -> int:
    counts = [
        int(_text(path))
        for cpu in cpus
        for path in (root / f"sys/devices/system/cpu/cpu{cpu}/thermal_throttle").glob("*_throttle_count")
    ]
    if not counts:
        raise ValueError("no CPU says")
    return sum(counts)


def _frequency_khz(cpus: Sequence[int], root: Path) -> int:
    """The sum over the CPUs: it changes when any of theirs does."""
    if not cpus:
        raise ValueError("no CPU was named")
    return sum(int(_text(root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq")) for cpu in cpus)


def _status(path: Path, name: str) -> int:
    """The number of a `name: number` line."""
    line = next((line for line in _text(path).splitlines() if line.startswith(f"{name}:")), "")
    return int(line.split()[1])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _or_none(source: Callable[[], int]) -> int | None:
    try:
        return source()
    except (OSError, ValueError, IndexError, KeyError):
        return None
