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
from contextlib import suppress
from typing import IO, Protocol

from kdeploy.errors import IntegrityError, KdeployError, ResourceError
from kdeploy.system import wire
from kdeploy.system.children import own_environment
from kdeploy.timing.machine.process_usage import scheduled_ns


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
    """An arm in a fresh process of `kdeploy.timing.run.worker`, or of another program that talks as it does."""

    def __init__(self, name: str, *, patience_s: float, program: str = "kdeploy.timing.run.worker") -> None:
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


def ask(arm: Arm, message: wire.Message) -> wire.Message:
    """Send a command and wait for its answer."""
    arm.tell(message)
    return arm.listen()
