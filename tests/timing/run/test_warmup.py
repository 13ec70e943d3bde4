from __future__ import annotations

from dataclasses import replace

from kdeploy.timing.messages import WarmUpAnswer
from kdeploy.timing.run.warmup import WarmUpRule, warm_up

RULE = WarmUpRule(least_calls=50, least_ns=300, window_ns=100, tolerance=0.02, most_ns=2000)


def warmed(latencies: dict[int, int], *, usual: int, rule: WarmUpRule = RULE) -> WarmUpAnswer:
    """Warm up a model that takes `usual` ns, and other times for some call numbers, on a clock of its own."""
    now = [0]

    def call(number: int) -> None:
        now[0] += latencies.get(number, usual)

    return warm_up(call, rule, lambda: now[0])


def test_a_steady_model_is_warm_after_the_least_time_and_calls() -> None:
    found = warmed({}, usual=1)
    assert (found["calls"], found["duration_ns"], found["steady"], found["median_ns"]) == (300, 300, True, 1)


def test_a_slow_model_is_called_often_enough() -> None:
    assert warmed({}, usual=10)["calls"] == 50


def test_a_warm_up_goes_on_until_two_windows_agree() -> None:
    found = warmed({0: 500, 1: 400, 2: 300}, usual=200, rule=replace(RULE, least_calls=1))
    assert found["steady"]
    assert (found["calls"], found["duration_ns"], found["median_ns"]) == (5, 1600, 200)


def test_a_warm_up_ends_at_its_limit_and_says_that_it_was_not_steady() -> None:
    found = warmed({number: 1 + number for number in range(1000)}, usual=1)
    assert not found["steady"]
    assert found["duration_ns"] >= RULE.most_ns


def test_a_model_slower_than_the_limit_is_called_once() -> None:
    found = warmed({}, usual=5000)
    assert (found["calls"], found["steady"], found["median_ns"]) == (1, False, 5000)


def test_the_first_calls_are_kept() -> None:
    assert warmed({0: 90}, usual=1)["first_ns"] == [90, *[1] * 9]


def test_a_clock_that_stands_still_does_not_divide_by_zero() -> None:
    readings = iter(range(10**6))
    found = warm_up(lambda _: None, RULE, lambda: next(readings) // 4)
    assert found["calls"] > 0
