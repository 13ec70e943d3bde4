from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.training.options import ScheduleName, TrainingOptions
from kdeploy.training.schedules import Schedule


def test_the_rate_rises_over_the_first_steps_and_falls_to_nothing():
    schedule = Schedule(100, TrainingOptions(lr=0.4))
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.4 / 15, rel=1e-12)
    assert rates[14] == rates[15] == 0.4
    assert rates[15 + 85 // 2] == pytest.approx(0.2, rel=0.02)
    assert rates[100] == pytest.approx(0, abs=1e-12)
    assert all(one < other for one, other in pairwise(rates[:15]))
    assert all(one > other for one, other in pairwise(rates[15:]))


@given(
    steps=st.integers(1, 200),
    kind=st.sampled_from(get_args(ScheduleName)),
    warm_up=st.none() | st.floats(0, 0.9),
)
def test_every_step_of_every_schedule_moves_and_none_above_the_rate(
    steps: int, kind: ScheduleName, warm_up: float | None
):
    schedule = Schedule(steps, TrainingOptions(lr=0.1, schedule=kind, lr_warm_up=warm_up))
    rates = [schedule.rate(step) for step in range(steps)]
    assert max(rates) == pytest.approx(0.1, rel=1e-12)
    assert min(rates) > 0


@pytest.mark.parametrize(
    ("kind", "rates"),
    [
        ("cosine", [0.4, 0.2 + 0.1 * 2**0.5, 0.2, 0.2 - 0.1 * 2**0.5]),
        ("linear", [0.4, 0.3, 0.2, 0.1]),
        ("constant", [0.4, 0.4, 0.4, 0.4]),
    ],
)
def test_a_schedule_without_warm_up_begins_at_the_rate(kind: ScheduleName, rates: list[float]):
    schedule = Schedule(4, TrainingOptions(lr=0.4, schedule=kind))
    assert [schedule.rate(step) for step in range(4)] == pytest.approx(rates, rel=1e-12)


def test_a_warm_up_is_a_part_of_the_steps():
    schedule = Schedule(8, TrainingOptions(lr=0.4, schedule="constant", lr_warm_up=0.5))
    assert [schedule.rate(step) for step in range(8)] == pytest.approx([0.1, 0.2, 0.3, *[0.4] * 5], rel=1e-12)


def test_one_cycle_is_the_cosine_with_a_warm_up_of_15_percent():
    cycle, cosine = (
        Schedule(40, options)
        for options in (TrainingOptions(lr=0.1), TrainingOptions(lr=0.1, schedule="cosine", lr_warm_up=0.15))
    )
    assert [cycle.rate(step) for step in range(40)] == [cosine.rate(step) for step in range(40)]
