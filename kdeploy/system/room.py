"""Address space and threads, asked for before a library is imported that ends this process where it gets none.

OpenMP and OpenBLAS call `exit(1)`, or send Ctrl-C, where a thread does not start, and nothing can catch it. So the
threads are started here first, and ended; what the system gave once it mostly gives again.
"""

from __future__ import annotations

import mmap
import os
from threading import Event, Thread

from kdeploy.errors import ResourceError

NUMPY_BYTES = 2**27  # with OpenBLAS, on 2 cores
TORCH_BYTES = 5 * 2**27  # on 2 cores
PLACE = "this process"


def must_hold_numpy() -> None:
    """Try whether numpy can be imported, whose OpenBLAS starts a thread for each CPU.

    Raises: ResourceError where it cannot.
    """
    _must_have_room(NUMPY_BYTES, _cpus())


def must_hold_torch(threads: int) -> None:
    """Try whether torch can be imported and use so many threads.

    Raises: ResourceError where it cannot.
    """
    _must_have_room(TORCH_BYTES, threads)


def _cpus() -> int:
    """The CPUs that this process may run on; not by kdeploy.system.host, whose records `--help` does without."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _must_have_room(size_bytes: int, threads: int) -> None:
    _must_have_bytes(size_bytes)
    _must_have_threads(threads - 1)


def _must_have_bytes(count: int) -> None:
    """Reserve so many bytes, and give them back."""
    try:
        mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, MemoryError) as exc:
        advice = "Raise the limit on memory (ulimit -v)."
        must = f"must have {count >> 20} MiB of address space left"
        raise ResourceError(PLACE, must, got="the system refuses them", advice=advice) from exc


def _must_have_threads(count: int) -> None:
    """Start so many threads beside this one, all at once, and end them."""
    over, started = Event(), 0
    try:
        for started in range(count):  # noqa: B007 - said where one fails
            Thread(target=over.wait).start()
    except RuntimeError as exc:
        advice = "Raise the limits on processes and threads (ulimit -u, pids.max of a container) and on memory."
        must = f"must be able to start {count} more threads"
        raise ResourceError(PLACE, must, got=f"{started} started", advice=advice) from exc
    finally:
        over.set()
