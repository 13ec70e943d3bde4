"""Work on what came from outside, in a child process within limits: whatever it does there, this process goes on.

    parent                                  child: python -P -m MODULE, in a session of its own
    `ask`: request, limits  --wire-->       `serve`: ends with its parent, sets the limits, then imports and works
    step                    <--wire--       any number of them: what progress there is
    answer, or error        <--wire--       and its end

The session is ended as a whole, and so is what the child started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any

from kdeploy.errors import KdeployError, ResourceError
from kdeploy.formatting.shortage import is_shortage, says_shortage
from kdeploy.system import wire
from kdeploy.system.children import die_with_parent, module_command, own_environment
from kdeploy.system.dependencies import missing_dependency
from kdeploy.system.limits import Limits, limit
from kdeploy.system.os_errors import error_of

LEAN = {"MALLOC_ARENA_MAX": "2"}  # each arena reserves address space
DO_NOT = "Do not run it here."

Work = Callable[[wire.Message, Callable[[wire.Message], None]], Mapping[str, Any]]


def _unheard(_step: wire.Message) -> None:
    pass


def ask(
    module: str,
    request: Mapping[str, Any],
    limits: Limits,
    *,
    where: str,
    doing: str,
    step: Callable[[wire.Message], None] = _unheard,
    environment: Mapping[str, str] = LEAN,
) -> wire.Message:
    """What a module answers to a request, within limits.

    Args:
        where: what messages call the thing from outside.
        doing: the participle of the work on it, "inspected".
        step: called with each step that the child tells of.
        environment: goes over that which a child of kdeploy has.
    Raises: the error that the child reports; ResourceError when it came to a limit, or something ended it.
    """
    with tempfile.TemporaryFile() as complaints, _started(module, complaints, environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + limits.seconds
        envelope = {"parent": os.getpid(), "limits": limits._asdict(), "where": where, "doing": doing}
        try:
            wire.send(process.stdin.fileno(), envelope | {"request": dict(request)})
            while "step" in (message := _next(process.stdout.fileno(), deadline)):
                step(message["step"])
        except wire.TooSlow as exc:
            raise _beyond(where, doing, limits, f"it took more than {limits.seconds:g} s") from exc
        except (wire.Closed, wire.TooLarge, ValueError) as exc:
            raise _ended(_status(process), complaints, where, doing, limits) from exc
    if "error" in message:
        raise wire.error_from_json(message["error"])
    answer: wire.Message = message["answer"]
    return answer


@contextmanager
def _started(module: str, complaints: IO[bytes], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The child; at the end nobody of its session is left."""
    process = subprocess.Popen(
        module_command(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        env=own_environment() | dict(environment),
        start_new_session=True,
        bufsize=0,
    )
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _next(descriptor: int, deadline: float) -> wire.Message:
    return wire.receive(descriptor, patience_s=max(0.0, deadline - time.monotonic()))


def _status(process: subprocess.Popen[bytes]) -> int:
    """How a child ended that speaks no more; one that lives on is ended."""
    try:
        return process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _ended(status: int, complaints: IO[bytes], where: str, doing: str, limits: Limits) -> KdeployError:
    """The error of a child that ended without a word: a signal is a limit, or a crash; anything else our bug."""
    if status == -signal.SIGXCPU:
        return _beyond(where, doing, limits, f"it took more than {limits.cpu_seconds} s of processor time")
    if status < 0:
        return _beyond(where, doing, limits, f"it ended with signal {-status}")
    complaints.seek(0)
    last = complaints.read(2**20).decode(errors="replace").strip().splitlines()[-1:]
    got = "".join(last)[:300]
    if says_shortage(got):
        return _beyond(where, doing, limits, got)
    return KdeployError(where, f"must be {doing} or refused", got=got)


def _beyond(where: str, doing: str, limits: Limits, got: str) -> ResourceError:
    memory = "" if limits.memory_bytes is None else f"{limits.memory_bytes} bytes of memory and "
    cpu = limits.cpu_seconds
    time = f"{limits.seconds:g} s" if cpu is None else f"{cpu} s of processor time"
    return ResourceError(where, f"must be {doing} within {memory}{time}", got=got, advice=DO_NOT)


def serve(work: Work) -> int:
    """Be the child: do the one piece of work that the parent asks for; the exit code.

    Standard input and output belong to the conversation: a library reads nothing, and what it prints goes to standard
    error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    envelope = wire.receive(requests)
    die_with_parent(envelope["parent"])
    limits = Limits(**envelope["limits"])
    limit(limits)
    try:
        answer = work(envelope["request"], lambda step: wire.send(answers, {"step": step}))
    except Exception as exc:
        wire.send(answers, {"error": _error(exc, envelope["where"], envelope["doing"], limits).as_json()})
    else:
        wire.send(answers, {"answer": dict(answer)})
    return 0


def _error(error: Exception, where: str, doing: str, limits: Limits) -> KdeployError:
    """What to tell of an error; one of our own making is raised again, and ends the child."""
    if isinstance(error, KdeployError):
        return error
    if is_shortage(error):
        must = f"must be {doing} within {limits.memory_bytes} bytes of memory"
        return ResourceError(where, must, got=str(error)[:300] or "it needs more")
    known = missing_dependency(error) or error_of(error)
    if known is None:
        raise error
    return known
