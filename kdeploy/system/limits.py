"""The limits of a process that touches what came from outside, set by the kernel before anything of it is read.

    wall time        by the parent, which ends the child        (kdeploy.system.bounded)
    processor time   RLIMIT_CPU: the kernel ends it
    memory           RLIMIT_AS: an allocation fails. Of address space, so it must leave room for what is only reserved:
                     onnxruntime 0.3 GB, openvino 0.5, torch 0.6, node 0.7, measured on 2 cores; more where there are
                     more, since each thread has a stack and an arena of its own, and 10 GB for each WebAssembly memory.
                     Where that is more than the machine has, the kernel ends this process before any other
    files            RLIMIT_FSIZE: a write beyond it fails
    processes        RLIMIT_NPROC: threads too, beyond those that the user has; the kernel excepts root, and counts
                     those of other containers, which nobody here sees: where no thread starts any more, there is none

No core is dumped, which would hold all of the memory. No seccomp: the library that PyPI has for it, pyseccomp, had its
last release in January 2021 and wants libseccomp from the system; and a list of the system calls that five native
runtimes need would be wrong after the next release of any.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import NamedTuple, Self

GIB = 2**30
CONVERTED_BYTES = 4 * GIB  # of a model that is converted
COMPLAINTS_BYTES = 2**24  # of a process that writes none but standard error, which is a file too
OF_A_CPU = 256 * 2**20  # address space for the stack and the arena of its threads
PROC = Path("/proc")
# seconds by the clock for one of processor time: a process that is left a tenth of a CPU comes to its end
PATIENCE = 12


class Limits(NamedTuple):
    """The most that a child may take; None bounds nothing. `seconds` are by the clock, and only end what waits: work is
    bounded by `cpu_seconds`, which do not depend on what else this machine does."""

    seconds: float
    cpu_seconds: int | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None
    processes: int | None = None

    @classmethod
    def of_work(cls, cpu_seconds: int, file_bytes: int) -> Self:
        """Those of work on a model from outside that may take what this machine has, but for time and files."""
        return cls(PATIENCE * cpu_seconds, cpu_seconds, memory_of_this_machine(), file_bytes, tasks_of_this_machine())


def memory_of_this_machine() -> int:
    """The bytes of memory that work on a model from outside may have: three quarters of what is here, 16 GiB or more,
    with the address space that threads reserve."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(16 * GIB, physical * 3 // 4) + OF_A_CPU * (os.cpu_count() or 1)


def tasks_of_this_machine() -> int:
    """The processes and threads that such work may start: libraries start some for each processor."""
    return 1024 + 8 * (os.cpu_count() or 1)


def limit(limits: Limits) -> None:
    """Bound this process, and all that it starts; a limit that is lower already stays."""
    bounds = {
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in bounds.items():
        if most is not None:
            _, hard = resource.getrlimit(kind)
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            # a second more until the kernel kills: the signal before tells a limit from a crash
            last = allowed + (kind == resource.RLIMIT_CPU)
            resource.setrlimit(kind, (allowed, last if hard == resource.RLIM_INFINITY else min(last, hard)))
    if limits.processes is not None:
        _limit_tasks(limits.processes + _tasks_of_user())
    with suppress(OSError):
        (PROC / "self" / "oom_score_adj").write_text("1000")


def bound_next(seconds: int) -> None:
    """Let the kernel end this process after so many more seconds of the processor, or, where it waits, of the clock
    with patience; the bound of the whole process stays."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)


def _limit_tasks(most: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    try:
        (thread := Thread(target=int)).start()
        thread.join()
    except RuntimeError:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


def _tasks_of_user() -> int:
    """The processes and threads that the user of this process has, which the kernel counts together."""
    count = 0
    for process in PROC.glob("[0-9]*") if sys.platform == "linux" else ():
        try:
            if process.stat().st_uid == os.getuid():
                count += sum(1 for _ in (process / "task").iterdir())
        except OSError:  # it ended meanwhile, or is not ours to look into
            continue
    return count
