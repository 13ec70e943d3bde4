"""A worker as a process: it is started bare, stopped and continued, read for what it consumed, and never left behind.

    start -> load -> (continue, ask, stop)* -> close

Linux gives all of it. Every worker is a direct child, dies with its parent (PR_SET_PDEATHSIG) and is killed by `close`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Protocol, overload

from kdeploy.errors import IntegrityError, KdeployError, ResourceError
from kdeploy.system import wire
from kdeploy.system.children import module_command, own_environment
from kdeploy.timing.machine.process_usage import scheduled_ns
from kdeploy.timing.messages import (
    ColdStartAnswer,
    ColdStartCommand,
    Command,
    FinishAnswer,
    FinishCommand,
    LoadCommand,
    Loaded,
    PinAnswer,
    PinCommand,
    ProbeAnswer,
    ProbeCommand,
    RunAnswer,
    RunCommand,
    WarmUpAnswer,
    WarmUpCommand,
    WindowAnswer,
    WindowCommand,
)

ARM_PROGRAM = "kdeploy.timing.run.worker"


class Worker(Protocol):
    """A process that carries out commands, an arm or one of the canary; a test brings a scripted one."""

    def tell(self, command: Mapping[str, object]) -> None:
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
    """A fresh process of a program that answers commands; `patience_s` is how long it may be silent, in seconds."""

    def __init__(self, name: str, *, patience_s: float, program: str = ARM_PROGRAM) -> None:
        self._name, self._patience_s = name, patience_s
        with ExitStack() as files:
            self._complaints = files.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(
                module_command(program),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=own_environment(),
                bufsize=0,
            )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._to, self._from = files.enter_context(self._process.stdin), files.enter_context(self._process.stdout)
            self._files = files.pop_all()

    def tell(self, command: Mapping[str, object]) -> None:
        try:
            wire.send(self._to.fileno(), command)
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
        self._files.close()

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


StartWorker = Callable[[str], Worker]  # from its name


@overload
def ask(worker: Worker, command: LoadCommand) -> Loaded: ...
@overload
def ask(worker: Worker, command: ColdStartCommand) -> ColdStartAnswer: ...
@overload
def ask(worker: Worker, command: WarmUpCommand) -> WarmUpAnswer: ...
@overload
def ask(worker: Worker, command: RunCommand) -> RunAnswer: ...
@overload
def ask(worker: Worker, command: WindowCommand) -> WindowAnswer: ...
@overload
def ask(worker: Worker, command: FinishCommand) -> FinishAnswer: ...
@overload
def ask(worker: Worker, command: PinCommand) -> PinAnswer: ...
@overload
def ask(worker: Worker, command: ProbeCommand) -> ProbeAnswer: ...
def ask(worker: Worker, command: Command) -> object:
    """Send a command and wait for its answer.

    Raises: what `listen` of the worker raises.
    """
    worker.tell(command)
    return worker.listen()
