from __future__ import annotations

import itertools
import random

import pytest

from kdeploy.timing.request import ROLES
from kdeploy.timing.run.replicate import largest_rise, orders


def test_every_order_of_the_arms_comes_equally_often() -> None:
    found = orders(ROLES, 12, random.Random(3))
    assert sorted(found) == sorted([*itertools.permutations(ROLES)] * 2)
    assert found[:6] != found[6:]


@pytest.mark.parametrize(("before", "after", "rise"), [([5, 7], [6, 9], 2), ([5], [5], 0), ([5, None], [6, 9], None)])
def test_the_largest_rise_is_unknown_where_one_reading_is(
    before: list[int | None], after: list[int | None], rise: int | None
) -> None:
    assert largest_rise(before, after) == rise
