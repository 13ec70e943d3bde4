"""The memory of a benchmark's canary, which a small run is too short to start.

Its two processes stand still beside the arms; between replicates, when there are no arms, one of them fills a working
set that no cache keeps (`kdeploy.timing.run.machine_peaks`).
"""

from __future__ import annotations

import time
from contextlib import closing

from kdeploy.system import host
from kdeploy.system.resident import resident_bytes
from kdeploy.timing.analysis.machine_peaks import ENGINES, TELLING_SIZE, far_bytes
from kdeploy.timing.raw import Task
from kdeploy.timing.request import Settings
from kdeploy.timing.run.machine_peaks import Canary, start_probe


def with_canary(memory_bytes: int) -> int:
    """The most that is resident in a benchmark with its canary.

    Args:
        memory_bytes: the most without it; before and after this process is as large as it is now.
    """
    alone, caches = resident_bytes(), host.caches_bytes()
    cpus = host.allowed_cpus()[-1:]
    made = Canary(cpus, 1, caches_bytes=caches, settings=Settings(), start=start_probe, clock=time.perf_counter_ns)
    with closing(made) as canary:
        for engine in ENGINES:
            canary.probe(Task("product", engine, TELLING_SIZE))
        idle = resident_bytes() - alone
    return idle + max(memory_bytes, alone + far_bytes(caches))
