from __future__ import annotations

import pytest

from kdeploy.verbs.estimate.laps import Lap, Stopwatch, Task


def test_a_step_is_timed_without_the_first_and_the_rest_is_what_it_takes_once():
    clock = iter([10.0, 15.0, 16.0, 17.5, 18.0, 20.0])
    watch = Stopwatch(lambda: next(clock))
    with watch.task("student 1 of 1", 3) as done:
        for step in range(4):
            done(step)
    [task] = watch.take()
    assert (task.steps, task.each) == (3, pytest.approx((18 - 16) / 2))
    assert watch.take() == ()
    lap = Lap(12.0, (task,), 0, 0)
    assert lap.once == pytest.approx(12 - 3 * 1.0)
    assert (lap.each("student"), lap.each("teacher")) == (pytest.approx(1.0), 0.0)


def test_a_single_step_is_timed_whole():
    task = Task("labels", began=5.0, marks=[(256, 7.0)], ended=8.0)
    assert task.each == pytest.approx(2 / 256)
    assert Task("empty", began=5.0, ended=7.0).each == pytest.approx(2.0)


def test_a_task_that_fails_is_ended_all_the_same():
    clock = iter([1.0, 4.0])
    watch = Stopwatch(lambda: next(clock))
    with pytest.raises(KeyError), watch.task("labels", 3):
        raise KeyError
    assert [(task.began, task.ended) for task in watch.take()] == [(1.0, 4.0)]
