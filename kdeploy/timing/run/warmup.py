"""One warm-up rule for every arm: when is a model as fast as it is going to be?

A warm-up lasts at least `least_calls` calls and `least_ns`, and goes on until the medians of its last two windows of
`window_ns` differ by less than `tolerance`. At `most_ns` it ends as it is, and says that it was not steady.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from kdeploy.timing.messages import WarmUpAnswer


@dataclass(frozen=True)
class WarmUpRule:
    """When a warm-up ends; times in ns."""

    least_calls: int = 50
    least_ns: int = 300_000_000
    window_ns: int = 100_000_000
    tolerance: float = 0.02
    most_ns: int = 2_000_000_000


def warm_up(call: Callable[[int], object], rule: WarmUpRule, clock: Callable[[], int]) -> WarmUpAnswer:
    """Call until the rule is met; `call` takes the number of the call.

    A window ends with the first call that ends after `window_ns`, so each holds at least one call.
    """
    began = window_began = clock()
    calls: list[int] = []
    windows: list[float] = []
    window_start, steady, elapsed = 0, False, 0
    while elapsed < rule.most_ns and not (steady and len(calls) >= rule.least_calls and elapsed >= rule.least_ns):
        before = clock()
        call(len(calls))
        after = clock()
        calls.append(after - before)
        elapsed = after - began
        if after - window_began >= rule.window_ns:
            windows.append(median(calls[window_start:]))
            window_start, window_began = len(calls), after
            steady = _steady(windows, rule.tolerance)
    last = windows[-1] if windows else median(calls)
    return WarmUpAnswer(
        calls=len(calls), duration_ns=elapsed, steady=steady, first_ns=calls[:10], median_ns=round(last)
    )


def _steady(windows: list[float], tolerance: float) -> bool:
    if len(windows) < 2:
        return False
    before, last = windows[-2:]
    return abs(last - before) < tolerance * before
