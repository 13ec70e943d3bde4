"""What a stage took: seconds, the steps inside of it by the clock, memory, and what it left on the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from kdeploy.system.progress import Progress

Clock = Callable[[], float]


@dataclass
class Task:
    """A task of a stage: how many steps were done at which second."""

    description: str
    began: float
    marks: list[tuple[int, float]] = field(default_factory=list)
    ended: float = 0.0

    @property
    def each(self) -> float:
        """Seconds a step without what came before the first ended: a first step is slower, as memory is new to it."""
        marks = [mark for mark in self.marks if mark[0] > 0] or [(1, self.ended)]
        (first, start), (last, end) = marks[0], marks[-1]
        return (end - start) / (last - first) if last > first else (end - self.began) / last

    @property
    def steps(self) -> int:
        return self.marks[-1][0] if self.marks else 0


class Lap(NamedTuple):
    """One stage, done once."""

    seconds: float
    tasks: tuple[Task, ...]
    memory_bytes: int
    disk_bytes: int

    @property
    def once(self) -> float:
        """Seconds that it takes however many steps there are."""
        return max(0.0, self.seconds - sum(task.steps * task.each for task in self.tasks))

    def each(self, description: str) -> float:
        """Seconds a step of the tasks whose description begins so; 0 where there is none."""
        found = [task.each for task in self.tasks if task.description.startswith(description)]
        return sum(found) / len(found) if found else 0.0


class Stopwatch(Progress):
    """Progress that nobody sees, with the time of each step."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock, self._tasks = clock, list[Task]()

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        del total
        task = Task(description, self._clock())
        try:
            yield lambda done: task.marks.append((done, self._clock()))
        finally:
            task.ended = self._clock()
            self._tasks.append(task)

    def take(self) -> tuple[Task, ...]:
        """The tasks that ended since it was asked last."""
        tasks, self._tasks = tuple(self._tasks), []
        return tasks
