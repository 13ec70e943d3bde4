"""A runtime that does what a test says: answers from a script, and time from a clock that only it moves.

Left alone it is honest: it answers as ONNX's reference evaluator, keeps the contract, and takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from kdeploy.runtimes.protocol import Arrays, Processors, Session, Source
from kdeploy.runtimes.reference import Reference

Answers = dict[str, np.ndarray]
Script = Callable[[Session, Arrays], Answers]  # the honest session, and the inputs of this call


def honest(session: Session, inputs: Arrays) -> Answers:
    return session.run(inputs)


def replay(answers: Sequence[Answers]) -> Script:
    """These answers in turn, again and again, whatever is asked."""
    turns = cycle(answers)
    return lambda _session, _inputs: next(turns)


class ScriptedClock:
    """Called like `time.perf_counter_ns`; stands still until a scripted session runs, or a test advances it."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, duration_ns: int) -> None:
        self.now_ns += duration_ns


class ScriptedRuntime:
    """Each call of any of its sessions takes the next of `costs_ns` on the clock, round and round."""

    def __init__(
        self,
        script: Script = honest,
        *,
        clock: ScriptedClock | None = None,
        costs_ns: Sequence[int] = (0,),
        settings: Mapping[str, str] | None = None,
        name: str = "scripted",
        missing: str | None = None,
    ) -> None:
        self.name = name
        self.clock = clock or ScriptedClock()
        self._script = script
        self._costs_ns = cycle(costs_ns)
        self._settings = settings
        self._missing = missing

    def missing(self) -> str | None:
        return self._missing

    def version(self) -> str:
        return "1.0"

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        return Reference().convert(source, folder, precision=precision)

    def processors(self, precision: str) -> Processors:
        return Processors(None, "it follows a script")

    def load(self, artefact: Path, *, threads: int) -> ScriptedSession:
        inner = Reference().load(artefact, threads=threads)
        settings = {"precision": "fp32", "threads": str(threads)} if self._settings is None else self._settings
        return ScriptedSession(inner, self._script, self.clock, self._costs_ns, settings)


class ScriptedSession:
    """`calls` counts the runs."""

    def __init__(
        self, inner: Session, script: Script, clock: ScriptedClock, costs_ns: Iterator[int], settings: Mapping[str, str]
    ) -> None:
        self.settings = settings
        self.calls = 0
        self._inner, self._script, self._clock, self._costs_ns = inner, script, clock, costs_ns

    def run(self, inputs: Arrays) -> Answers:
        self.calls += 1
        self._clock.advance(next(self._costs_ns))
        return self._script(self._inner, inputs)

    def close(self) -> None:
        self._inner.close()
