"""What is read off the raw samples of one comparison: worked examples of three replicates."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.raw import Block, Replicate
from kdeploy.timing.request import ROLES
from tests.timing.scripted import request

NS = {"baseline": 600, "control": 500, "candidate": 200}


@pytest.fixture
def measured(tmp_path: Path) -> MeasuredComparison:
    """Three replicates of two turns; in the last replicate the control is void in both."""
    replicates = [
        Replicate(
            number,
            [
                Block(turn, 0, role, [NS[role], NS[role] + 2], [], turn, _void(number, role), 0)
                for turn in range(2)
                for role in ROLES
            ],
        )
        for number in range(3)
    ]
    return MeasuredComparison(request(tmp_path).comparisons[0], replicates, "replicates")


def _void(number: int, role: str) -> str:
    return "it was disturbed" if (number, role) == (2, "control") else ""


def test_a_ratio_is_of_the_baseline_over_another_arm(measured: MeasuredComparison) -> None:
    ratio, null = measured.ratio("candidate", 0.99), measured.ratio("control", 0.99)
    assert ratio is not None
    assert null is not None
    assert ratio.value == pytest.approx(601 / 201)
    assert null.value == pytest.approx(601 / 501)
    assert len(measured.log_ratios("candidate")) == 2  # a turn in which one arm is void counts for none


def test_samples_and_block_values_are_those_that_count(measured: MeasuredComparison) -> None:
    assert measured.samples("candidate") == [[200, 202, 200, 202]] * 2
    assert measured.block_values("candidate") == [[201, 201], [201, 201], []]
    assert measured.void_blocks() == ["it was disturbed"] * 2


def test_wrong_outputs_are_counted_in_void_blocks_as_well(measured: MeasuredComparison) -> None:
    assert measured.wrong_outputs(("baseline", "control")) == 6
    assert measured.wrong_outputs(("candidate",)) == 3


def test_without_a_block_that_counts_there_is_no_ratio(measured: MeasuredComparison) -> None:
    last = MeasuredComparison(measured.request, measured.replicates[2:], "time")
    assert (last.ratio("candidate", 0.99), last.samples("baseline")) == (None, [])
