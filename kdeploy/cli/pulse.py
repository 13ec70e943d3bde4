"""A line at least every half minute where no terminal shows bars: the stage, how far it is, and the time that is left.

student, seed 2: 45 %, about 3 min left        while a task counts its steps
export: 1 min 30 s so far                      while nothing counts
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kdeploy.formatting import numbers

EVERY_SECONDS = 30.0


@dataclass
class Task:
    """Work that counts its steps; `first` are those that were done when it told of them for the first time."""

    description: str
    total: int
    began: float
    first: int | None = None
    done: int = 0

    def words(self, now: float) -> str:
        """`student, seed 2: 45 %, about 3 min left`; the time so far while no other is known."""
        share = numbers.whole_percent(self.done / max(1, self.total))
        gained = self.done - (self.first or 0)
        if gained <= 0 or self.done >= self.total:
            return f"{self.description}: {share}, {numbers.duration(now - self.began)} so far"
        left = (now - self.began) * (self.total - self.done) / gained
        return f"{self.description}: {share}, about {numbers.duration(left)} left"


@dataclass
class Pulse:
    """What goes on, and a thread that says it when nothing was said for half a minute.

    Args:
        say: takes a line.
        doing: what goes on where no task counts: a stage, or a verb.
    """

    say: Callable[[str], None]
    doing: str
    every: float = EVERY_SECONDS
    clock: Callable[[], float] = time.monotonic
    tasks: list[Task] = field(default_factory=list)
    _spoke: float = field(init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._spoke = self._began = self.clock()

    def begin(self, doing: str) -> None:
        """Something else goes on from here, such as the next stage."""
        self.doing, self._began = doing, self.clock()

    def spoke(self) -> None:
        """Somebody said a line, whatever it was: half a minute begins anew."""
        self._spoke = self.clock()

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        """A task, for as long as the block runs; the value takes the number of its steps that are done."""
        task = Task(description, total, self.clock())
        self.tasks.append(task)

        def advance(done: int) -> None:
            task.first = done if task.first is None else task.first
            task.done = done

        try:
            yield advance
        finally:
            self.tasks.remove(task)

    def line(self) -> str:
        """What goes on, in words."""
        now, tasks = self.clock(), [*self.tasks]
        if not tasks:
            return f"  {self.doing}: {numbers.duration(now - self._began)} so far"
        words = tasks[-1].words(now)
        return f"  {words}" if words.startswith(self.doing) else f"  {self.doing}, {words}"

    def due(self) -> float:
        """The seconds until a line is due."""
        return self.every - (self.clock() - self._spoke)

    def beat(self) -> None:
        """Say what goes on, if that is due."""
        if self.due() <= 0:
            self.say(self.line())
            self.spoke()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """While the block runs, a line is said whenever one is due."""
        over = threading.Event()
        thread = threading.Thread(target=self._until, args=[over], daemon=True, name="pulse")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _until(self, over: threading.Event) -> None:
        while not over.wait(max(0.05, self.due())):
            self.beat()
