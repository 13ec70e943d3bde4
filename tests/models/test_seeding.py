from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.models.seeding import drawn_from


@given(st.integers(0, 2**32))
def test_what_is_drawn_inside_depends_on_the_seed_alone(seed: int):
    with drawn_from(seed):
        one = torch.rand(3)
    torch.rand(1)
    with drawn_from(seed):
        assert torch.equal(torch.rand(3), one)
    with drawn_from(seed + 1):
        assert not torch.equal(torch.rand(3), one)


def test_outside_nothing_was_drawn():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    with drawn_from(0):
        torch.rand(5)
    assert torch.equal(torch.rand(3), expected)
