from __future__ import annotations

import numpy as np
import pytest

from kdeploy.verbs.init.order import other_order

NUMBERS = tuple(str(number) for number in range(12))


def answers(trained: list[str], names: tuple[str, ...], labels: np.ndarray) -> np.ndarray:
    """The logits of who is right, with its classes in an order of its own."""
    return np.eye(len(names))[[trained.index(names[label]) for label in labels]]


@pytest.mark.parametrize("names", [NUMBERS, tuple(sorted(f"c{number}" for number in range(12)))])
def test_the_order_in_which_a_teacher_is_right_is_found(names: tuple[str, ...]):
    labels = np.arange(48) % 12
    trained = sorted(names) if names == NUMBERS else sorted(names, key=lambda name: int(name[1:]))
    found = other_order(names, labels, [np.ones((48, 12)), answers(trained, names, labels)])
    assert found == (tuple(trained), 1, 1.0)


def test_a_teacher_that_is_right_as_it_is_needs_no_other():
    labels = np.arange(48) % 12
    assert other_order(NUMBERS, labels, [answers([*NUMBERS], NUMBERS, labels)]) is None


def test_a_teacher_that_guesses_in_every_order_has_none():
    assert other_order(NUMBERS, np.arange(48) % 12, [np.eye(12)[np.full(48, 3)]]) is None
