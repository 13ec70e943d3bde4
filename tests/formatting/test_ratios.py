from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdeploy.formatting.ratios import high_bound, interval_text, low_bound, ratio_text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.50"), (1.054, "1.05"), (1.999, "2.00"), (6.84, "6.8"), (123.4, "123.4")]
)
def test_a_ratio_has_the_digits_a_reader_can_use(value: float, text: str) -> None:
    assert ratio_text(value) == text


@example(0.9, 0.05)  # 0.9500000000000001
@given(st.floats(0.01, 1000), st.floats(0, 100))
def test_rounded_bounds_never_claim_more_than_was_measured(low: float, width: float) -> None:
    assert float(low_bound(low)) <= low
    assert float(high_bound(low + width)) >= low + width
    ends = interval_text(low, low + width).split(" to ")
    assert ends[0] == low_bound(low)
    assert float(ends[1]) >= low + width
