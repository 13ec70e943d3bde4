"""How many threads a training uses, which decides its last bits: OMP_NUM_THREADS, else a thread for each core that this
machine or container may use.

Neither the load nor the CPUs that one process is kept to count (`taskset`), so that a benchmark kept to one CPU does
not make its run anew; a run that is named goes on with the number that it began with.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from kdeploy.system import host


def training_threads(root: Path = host.ROOT) -> int:
    """The threads of a training that does not say how many."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdigit() and int(asked):
        return int(asked)
    quota = host.cgroup_cpu_quota(root)
    cores = max(1, len(_cpus(root)) // host.threads_per_core(root))
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _cpus(root: Path) -> set[int]:
    """The CPUs of the control group (version 2, then 1), or of the machine."""
    lines = _text(root / "proc/self/cgroup").splitlines()
    paths = {controllers: path.lstrip("/") for _, controllers, path in (line.split(":", 2) for line in lines)}
    groups = root / "sys/fs/cgroup"
    places = (
        groups / paths.get("", "") / "cpuset.cpus.effective",
        groups / "cpuset.cpus.effective",
        groups / "cpuset" / paths.get("cpuset", "") / "cpuset.effective_cpus",
        groups / "cpuset" / "cpuset.effective_cpus",
    )
    found = (cpus for place in places if (cpus := _listed(_text(place).strip())))
    return next(found, set(range(host.logical_cpus())))


def _listed(text: str) -> set[int]:
    """The numbers of a list as the kernel writes it: `0-3,8`."""
    ranges = (part.partition("-") for part in text.split(",") if part)
    return {number for first, _, last in ranges for number in range(int(first), int(last or first) + 1)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
