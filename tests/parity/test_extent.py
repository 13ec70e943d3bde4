"""How many rows a verification runs follows what one costs in time and memory."""

from __future__ import annotations

import pytest

from kdeploy.models.signature import signature
from kdeploy.parity.extent import (
    CHEAP,
    FULL,
    LEAST,
    MULTIPLY_ADDS,
    REFERENCE,
    REFERENCE_MULTIPLY_ADDS,
    Cost,
    cost_of,
    words,
)
from tests import made

VGG16 = Cost(17_617_307_648, 29_491_200)


def test_a_cheap_model_is_run_in_full():
    assert (CHEAP.extent(), CHEAP.extent(reference=True)) == (FULL, REFERENCE)


@pytest.mark.parametrize("millions", [1, 300, 1_000, 4_000, 17_600])
def test_what_is_run_stays_affordable(millions):
    cost = Cost(millions * 10**6, millions * 10**4)
    for extent, most in ((cost.extent(), MULTIPLY_ADDS), (cost.extent(reference=True), REFERENCE_MULTIPLY_ADDS)):
        rows = extent.rows
        assert extent == LEAST or rows * cost.multiply_adds <= most
        assert extent.batch == LEAST.batch or extent.batch * cost.activation_bytes <= 2**28
        assert all(least <= length for least, length in zip(LEAST, extent, strict=True))


def test_a_net_for_photographs_is_still_asked_for_batches_and_families():
    extent = VGG16.extent()
    assert extent.rows < 60
    assert extent.batch > 1
    assert extent.inputs >= 4


def test_what_the_reference_evaluator_would_take_minutes_for_is_known():
    assert VGG16.is_too_slow_for_reference
    assert not Cost(1_070_000_000, 2**24).is_too_slow_for_reference


def test_memory_alone_makes_batches_smaller_and_nothing_else():
    assert Cost(1, 2**25).extent() == FULL._replace(batch=8, again=8)


def test_the_cost_of_a_file_is_that_of_one_row(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4), width=8)
    cost = cost_of(path, signature(path))
    assert cost.multiply_adds == 16 * 8 + 8 * 3
    assert 16 * 4 <= cost.activation_bytes <= 16 * 4 * 3


def test_a_time_is_said_in_round_figures():
    assert [words(seconds) for seconds in (11, 90, 91, 240)] == ["15 s", "90 s", "2 min", "4 min"]
