"""A warm interpreter, `python -m tests.fuzz.warm`: it has imported kdeploy, and forks for each command that it runs.

    campaign  --{"words", "folder", "said"}-->  this process  --fork-->  kdeploy WORDS, in a session of its own
              <--{"code", "seconds", "peak_bytes", "said"}--

Two things differ from a cold start, and nothing else: what is imported already, and that kdeploy's bounded children
are forked here too, where kdeploy starts `python -P -m MODULE`. They get the same pipes, session and limits; that of
address space is raised by what the imports have reserved here. Libraries that start threads when they are imported
(ONNX Runtime, OpenVINO, pyarrow) are left to the children: only a process of one thread may be forked safely.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

PATIENCE = 60.0  # seconds; twice what a case may take, so that one which takes too long is seen to
SAID_BYTES = 2_000
WARM = {"reserved": 0, "resident": 0}  # bytes of this process once all is imported
IMPORTED = """kdeploy.cli.application kdeploy.cli.main kdeploy.cli.verify.parity kdeploy.api kdeploy.verbs.plan
    kdeploy.verbs.external_models kdeploy.verbs.export_model kdeploy.graphs.inspector.contents kdeploy.bundles.verify
    kdeploy.stages.export.external kdeploy.samples.sources onnx.reference.ops PIL.Image rich.progress
    torch._dynamo torch._inductor.test_operators numpy.ma kdeploy.runtimes.onnxruntime kdeploy.runtimes.openvino
    kdeploy.runtimes.ncnn kdeploy.runtimes.tract kdeploy.runtimes.reference kdeploy.cli.progress"""


def main() -> None:
    for module in IMPORTED.split():
        importlib.import_module(module)
    gc.freeze()  # a collection in a child would copy every page of it
    WARM.update(reserved=_memory(0), resident=_memory(1))
    _fork_bounded_children()
    alone = len(list(Path("/proc/self/task").iterdir())) == 1
    _answer({"ready": alone})
    for line in sys.stdin:
        _answer(_run(json.loads(line)))


def _answer(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Run one command to its end, or to that of patience."""
    start, said = time.monotonic(), Path(request["said"])
    peak_read, peak_write = os.pipe()
    child = os.fork()
    if child == 0:
        _be_the_command(request, peak_write)
    os.close(peak_write)
    code = _code(child)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with os.fdopen(peak_read, "rb") as stream:
        os.set_blocking(peak_read, False)
        peak = int(stream.read() or 0)
    words = said.read_bytes()[-SAID_BYTES:].decode(errors="replace")
    return {"code": code, "seconds": time.monotonic() - start, "peak_bytes": peak, "said": words}


def _code(child: int) -> int:
    """The exit code of a child, negative for the signal that ended it."""
    descriptor = os.pidfd_open(child)
    try:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            os.killpg(child, signal.SIGKILL)
    finally:
        os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _be_the_command(request: dict[str, Any], peak: int) -> NoReturn:
    code = 70  # as of a failure of this harness, which no command of kdeploy ends with
    try:
        os.setsid()
        os.chdir(request["folder"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        os.dup2(1, 2)
        program, *words = request["words"]
        code = _ended_with(lambda: _kdeploy(words) if program == "kdeploy" else _program(program, words))
        os.write(peak, str(_peak_bytes()).encode())
    finally:
        _leave(code)


def _kdeploy(words: list[str]) -> None:
    from kdeploy.cli.main import main as kdeploy

    kdeploy(words)


def _program(path: str, words: list[str]) -> None:
    sys.argv = [path, *words]
    runpy.run_path(path, run_name="__main__")


def _ended_with(call: Any) -> int:
    try:
        call()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def _peak_bytes() -> int:
    """The most memory of this process and of the largest below it; what they share with the warm one counts once."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    below = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return own + max(0, below - WARM["resident"])


def _leave(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _memory(page: int) -> int:
    """The pages of this process, in bytes: 0 those of address space, 1 those in memory."""
    return int(Path("/proc/self/statm").read_text().split()[page]) * resource.getpagesize()


class Forked:
    """A bounded child that was forked, as much of `subprocess.Popen` as `kdeploy.system.bounded` uses."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._status: int | None = None

    def wait(self, timeout: float = PATIENCE) -> int:
        if self._status is None:
            descriptor = os.pidfd_open(self.pid)
            is_over = select.select([descriptor], [], [], timeout)[0]
            os.close(descriptor)
            if not is_over:
                raise subprocess.TimeoutExpired("a forked child", timeout)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _fork_bounded_children() -> None:
    from kdeploy.system import bounded

    def raised(limits: Any, limit: Any = bounded.limit) -> None:
        memory = limits.memory_bytes
        limit(limits._replace(memory_bytes=None if memory is None else memory + WARM["reserved"]))

    bounded.limit = raised
    bounded._started = _started


@contextmanager
def _started(module: str, complaints: IO[bytes], environment: Mapping[str, str]) -> Iterator[Forked]:
    requests, ours = os.pipe()
    answers, theirs = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.close(answers)
        _be_the_module(module, environment, requests, theirs, complaints.fileno())
    os.close(requests)
    os.close(theirs)
    with os.fdopen(ours, "wb", buffering=0) as stdin, os.fdopen(answers, "rb", buffering=0) as stdout:
        process = Forked(pid, stdin, stdout)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            process.wait()


def _be_the_module(
    module: str, environment: Mapping[str, str], requests: int, answers: int, complaints: int
) -> NoReturn:
    code = 70
    try:
        os.setsid()
        for descriptor, place in ((requests, 0), (answers, 1), (complaints, 2)):
            os.dup2(descriptor, place)
        os.environ.update(environment)
        sys.argv = [module]
        code = _ended_with(lambda: runpy.run_module(module, run_name="__main__"))
    finally:
        _leave(code)


if __name__ == "__main__":
    main()
