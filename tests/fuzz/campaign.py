"""A campaign: numbered cases, each some commands on some files, and the table of how they ended.

    case number --generator--> files and commands --warm interpreter--> exit code, seconds, peak memory

A generator is a function of the number alone, so that whatever a case finds is made again by its number. No command may
end with 1, which is our own bug, or by a signal, take more than 30 s, or more than 1.5 GiB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.program import REPOSITORY, environment

GIB = 2**30
MOST_SECONDS, MOST_BYTES = 30.0, 3 * GIB // 2
# one thread each: a fork of a process with more is not safe, and the cases are small
WARM = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "KDEPLOY_DATA": "", "HF_HUB_OFFLINE": "1"}

Words = list[str]  # a program, `kdeploy` or the path of one in Python, and its arguments
Generator = Callable[[int, Path], Sequence[Words]]  # writes the files of a case into a folder


class Ending(NamedTuple):
    """How one command of a case ended."""

    case: int
    words: Words
    code: int
    seconds: float
    peak_bytes: int
    said: str

    @property
    def fault(self) -> str | None:
        """What it did that no command may do."""
        if self.code == 1 or not 0 <= self.code < 128:
            return f"ended with {self.code}"
        if self.seconds > MOST_SECONDS:
            return f"took {self.seconds:.1f} s"
        return f"took {self.peak_bytes / GIB:.2f} GiB" if self.peak_bytes > MOST_BYTES else None

    @property
    def told(self) -> str:
        last = (self.said.strip().splitlines() or [""])[-1]
        return f"case {self.case}, {' '.join(self.words)}: {self.fault or self.code}: {last[:300]}"


class Warm:
    """A warm interpreter, in a process of its own; see `tests.fuzz.warm`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self._answer() == {"ready": True}

    def run(self, words: Words, folder: Path, said: Path) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"words": words, "folder": str(folder), "said": str(said)}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the warm interpreter died"
        return dict(json.loads(line))


@contextmanager
def warm() -> Iterator[Warm]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.warm"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=environment(**WARM),
    )
    with process:
        yield Warm(process)
        assert process.stdin is not None
        process.stdin.close()


def endings(generator: Generator, numbers: Iterable[int]) -> Iterator[Ending]:
    """Run the commands of some cases, each case in a folder of its own that is gone afterwards."""
    with warm() as interpreter:
        for number in numbers:
            with tempfile.TemporaryDirectory(prefix="kdeploy-fuzz-") as name:
                folder = Path(name, "case")
                folder.mkdir()
                for words in generator(number, folder):
                    ending = Ending(number, words, **interpreter.run(words, folder, Path(name, "said")))
                    _note(ending)
                    yield ending


def _note(ending: Ending) -> None:
    """Append how a command ended to the file that KDEPLOY_FUZZ_LOG names, to look at while a campaign runs."""
    if file := os.environ.get("KDEPLOY_FUZZ_LOG"):
        with Path(file).open("a", encoding="utf-8") as log:
            log.write(json.dumps(ending._asdict()) + "\n")


class Result(NamedTuple):
    """A campaign that ran."""

    name: str
    endings: list[Ending]
    seconds: float

    @property
    def faults(self) -> list[str]:
        return [ending.told for ending in self.endings if ending.fault]

    def share(self, code: int) -> float:
        """The part of the commands that ended with a code."""
        return sum(ending.code == code for ending in self.endings) / len(self.endings)

    @property
    def table(self) -> str:
        """Lines, one a verb: how many commands ended with which code, the slowest and the largest."""
        lines = [f"{self.name}: {len({one.case for one in self.endings})} cases, {self.seconds:.0f} s"]
        verbs = dict.fromkeys(_verb(one) for one in self.endings)
        for verb in verbs:
            some = [one for one in self.endings if _verb(one) == verb]
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(Counter(one.code for one in some).items()))
            slowest, largest = max(some, key=lambda one: one.seconds), max(some, key=lambda one: one.peak_bytes)
            lines.append(
                f"  {verb:10} {len(some):5} ended {{{codes}}}; exit 1: {sum(one.code == 1 for one in some)}; slowest "
                f"{slowest.seconds:.1f} s (case {slowest.case}), largest {largest.peak_bytes / GIB:.2f} GiB "
                f"(case {largest.case})"
            )
        return "\n".join(lines)


def _verb(ending: Ending) -> str:
    return ending.words[1] if ending.words[0] == "kdeploy" else Path(ending.words[0]).name


def campaign(name: str, generator: Generator, numbers: Iterable[int]) -> Result:
    """Run a campaign, and print its table."""
    start = time.monotonic()
    result = Result(name, list(endings(generator, numbers)), time.monotonic() - start)
    sys.stdout.write("\n".join([result.table, *result.faults, ""]))  # pytest -s shows it while the next one runs
    return result
