from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.throughput import throughputs
from kdeploy.timing.raw import Block, Replicate
from tests.timing.scripted import request


def setting(folder: Path, void: str = "") -> MeasuredComparison:
    """Two processes a model at batch 16; a call of number r takes 1000 and 200 times r + 1 ns."""
    replicates = [
        Replicate(
            number,
            [
                Block(0, 0, "baseline", [1000 * (number + 1)] * 4, [], 0, void, 0),
                Block(0, 1, "candidate", [200 * (number + 1)] * 4, [], 0, "", 0),
            ],
        )
        for number in range(2)
    ]
    asked = request(folder).comparisons[0].model_copy(update={"batch": 16})
    return MeasuredComparison(asked, replicates, "replicates")


def test_both_models_have_samples_a_second_the_median_over_processes(tmp_path: Path) -> None:
    baseline, candidate = throughputs([setting(tmp_path)])
    assert (baseline.model, baseline.role, baseline.batch, baseline.processes) == ("teacher", "baseline", 16, 2)
    assert baseline.value == pytest.approx((16e9 / 1000 + 16e9 / 2000) / 2)
    assert candidate.value == pytest.approx(5 * baseline.value)


def test_a_setting_whose_blocks_are_all_void_is_not_there(tmp_path: Path) -> None:
    assert throughputs([setting(tmp_path, void="it was disturbed")]) == ()
