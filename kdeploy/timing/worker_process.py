"""One arm as a process: start it bare, stop and continue it, see what it consumed, and never leave it behind.

    start -> load -> (continue, ask, stop)* -> close

Linux gives all of it. Every arm is a direct child, dies with its parent (PR_SET_PDEATHSIG) and is killed by `close`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from kdeploy.errors import IntegrityError, KdeployError, ResourceError
from kdeploy.system import wire
from kdeploy.system.children import own_environment


class Arm(Protocol):
    """What the loop needs of an arm; a test brings a scripted one."""

    def tell(self, message: wire.Message) -> None:
        """Send a command."""

    def listen(self) -> wire.Message:
        """Wait for the answer.

        Raises: the error that the worker reported, or ResourceError when it died or fell silent.
        """

    def pause(self) -> None:
        """Stop the process; returns once it stands still."""

    def resume(self) -> None: ...

    def cpu_ns(self) -> int | None:
        """CPU time the process has consumed, or None when that cannot be read."""

    def close(self) -> None:
        """End the process, whatever its state."""


class WorkerProcess:
    """An arm in a fresh process of `kdeploy.timing.worker`, or of another program that talks as it does."""

    def __init__(self, name: str, *, patience_s: float, program: str = "kdeploy.timing.worker") -> None:
        self._name, self._patience_s = name, patience_s
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=own_environment(),
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout

    def tell(self, message: wire.Message) -> None:
        try:
            wire.send(self._to.fileno(), message)
        except wire.Closed as exc:
            raise self._lost() from exc

    def listen(self) -> wire.Message:
        try:
            answer = wire.receive(self._from.fileno(), patience_s=self._patience_s)
        except wire.Closed as exc:
            raise self._lost() from exc
        except wire.TooSlow as exc:
            raise self._silent() from exc
        except (wire.TooLarge, ValueError) as exc:
            raise IntegrityError(f"bench worker {self._name}", "must answer in the form agreed on") from exc
        if "error" in answer:
            raise wire.error_from_json(answer["error"])
        return answer

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        with suppress(ChildProcessError):  # it ended before: nothing is left to wait for
            # WNOWAIT leaves a death to Popen; WEXITED makes the wait end for one.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def cpu_ns(self) -> int | None:
        return scheduled_ns(self._process.pid)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for file in (self._to, self._from, self._complaints):
            file.close()

    def _lost(self) -> KdeployError:
        status = self._process.wait()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return ResourceError(
            f"bench worker {self._name}",
            "must answer until it is told to end",
            got=f"it ended with {how}",
            advice=self._last_words(),
        )

    def _silent(self) -> KdeployError:
        return ResourceError(
            f"bench worker {self._name}",
            f"must answer within {self._patience_s:g} s",
            got="it did not",
            advice="Measure a smaller model or batch.",
        )

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read(2**20).decode(errors="replace").strip().splitlines()
        return f"Its last line was: {lines[-1][:300]}" if lines else "It said nothing; it may have run out of memory."


def pin(cpus: tuple[int, ...]) -> tuple[int, ...]:
    """Run on these CPUs only; the CPUs in effect, empty where the system has no affinity."""
    if not hasattr(os, "sched_setaffinity"):
        return ()
    os.sched_setaffinity(0, cpus)
    return tuple(sorted(os.sched_getaffinity(0)))


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


def ask(arm: Arm, message: wire.Message) -> wire.Message:
    """Send a command and wait for its answer."""
    arm.tell(message)
    return arm.listen()


def bench_cpus(allowed: tuple[int, ...], threads: int) -> tuple[int, ...]:
    """The last CPUs that are allowed, one a thread: the first ones serve most interrupts."""
    return allowed[-threads:]


@contextmanager
def housekeeping(allowed: tuple[int, ...], busy: tuple[int, ...]) -> Iterator[None]:
    """Stay off the CPUs that are measured, where there are others."""
    others = tuple(cpu for cpu in allowed if cpu not in busy)
    if not others:
        yield
        return
    pin(others)
    try:
        yield
    finally:
        pin(allowed)
