from __future__ import annotations

import pytest

from kdeploy.training.course import POINTS, Course


@pytest.mark.parametrize("steps", [1, 7, POINTS, POINTS + 1, 1000])
def test_each_point_is_the_mean_of_its_span_and_every_step_is_in_one(steps):
    constant, course = Course(steps), Course(steps)
    for step in range(steps):
        constant.add(step, 0.25)
        course.add(step, float(step))
    assert constant.means() == (0.25,) * min(steps, POINTS)
    means = course.means()
    assert list(means) == sorted(means) and len(means) == min(steps, POINTS)
    assert means[0] >= 0 and means[-1] <= steps - 1


def test_a_point_is_a_mean_over_its_steps():
    course = Course(2 * POINTS)
    for step in range(2 * POINTS):
        course.add(step, 3.0 if step < 2 else 1 / 3)
    assert course.means()[:2] == (3.0, 0.333333)


def test_a_training_that_goes_on_has_the_same_course():
    whole, first = Course(100), Course(100)
    for step in range(100):
        whole.add(step, 1 / (step + 1))
    for step in range(37):
        first.add(step, 1 / (step + 1))
    rest = Course(100, first.sums)
    for step in range(37, 100):
        rest.add(step, 1 / (step + 1))
    assert rest.means() == whole.means()
