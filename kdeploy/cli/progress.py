"""Progress on stderr: a line a stage, a bar for all over two seconds, and signals that wait for a clean point.

Where stderr is no terminal there are no bars, and a line at least every half minute (`kdeploy.cli.pulse`).
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from kdeploy.cli.pulse import Pulse
from kdeploy.errors import Interrupted
from kdeploy.formatting import numbers
from kdeploy.formatting.untrusted import printable
from kdeploy.system import distributed
from kdeploy.system.progress import Progress

PATIENCE_SECONDS = 2.0


class TerminalProgress(Progress):
    """Bars where stderr is a terminal, and plain lines where it is a file; `doing` is what goes on before a stage.

    A first signal waits for the end of the shield it falls into; a second one ends the process where it is. Libraries
    that catch every exception turn the interruption into an error of their own, or swallow it: such an error becomes
    the interruption again when it leaves `signals`, and a swallowed one is noticed at the next shield.
    """

    def __init__(self, console: Console, doing: str = "kdeploy") -> None:
        self.console = console
        self.pulse = Pulse(self._print, doing)
        self._shields = 0
        self._pending: int | None = None
        self._raised: int | None = None
        self._signals = 0

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        started, bars, bar = time.monotonic(), _bars(self.console), None

        def advance(done: int) -> None:
            nonlocal bar
            count(done)
            if bar is None and time.monotonic() - started > PATIENCE_SECONDS and self.console.is_terminal:
                bars.start()
                bar = bars.add_task(f"  {description}", total=total)
            if bar is not None:
                bars.update(bar, completed=done)

        try:
            with self.pulse.task(description, total) as count:
                yield advance
        finally:
            if bar is not None:  # bars that never started would print an empty line
                bars.stop()
        seconds = time.monotonic() - started
        if seconds > PATIENCE_SECONDS:
            self.say(f"  {description}: {numbers.seconds(seconds)}")

    @contextmanager
    def shield(self) -> Iterator[None]:
        if self._raised is not None:
            raise self._interrupted(self._raised)
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if self._pending is not None and not self._shields:
            number, self._pending = self._pending, None
            raise self._interrupted(number)

    def stage(self, name: str) -> None:
        self.pulse.begin(name)
        self.say(name)

    def say(self, text: str) -> None:
        self._print(text)
        self.pulse.spoke()

    def _print(self, text: str) -> None:
        self.console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into Interrupted while the block runs."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        except Exception as exc:
            # a signal that waits for the end of a shield: other processes got it too, and may be gone
            came = self._raised or self._pending
            if came is None or isinstance(exc, Interrupted):
                raise
            raise self._interrupted(came) from exc
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        if self._signals > 1:
            # somebody means it: no new write, the default way to die
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        if self._shields:
            self._pending = number
            return
        raise self._interrupted(number)

    def _interrupted(self, number: int) -> Interrupted:
        self._raised = number
        return Interrupted("kdeploy", number, advice="Run the same command again to go on.")


def _bars(console: Console) -> Bars:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Bars(*columns, console=console, transient=True)


@contextmanager
def watched() -> Iterator[TerminalProgress]:
    """Progress on stderr, with signals caught."""
    console = Console(stderr=True, quiet=not distributed.is_first())
    progress = TerminalProgress(console, sys.argv[1] if len(sys.argv) > 1 else "kdeploy")
    beating = nullcontext() if console.is_terminal else progress.pulse.beating()
    with beating, progress.signals():
        yield progress
