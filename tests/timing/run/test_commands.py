from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.timing.request import PAIR, Settings
from kdeploy.timing.run.commands import calls_per_block, specs
from tests.timing.scripted import request


@pytest.mark.parametrize(
    ("median_ns", "calls"), [(0, 5000), (1000, 5000), (100_000, 300), (4_000_000, 10), (10**9, 10)]
)
def test_a_block_lasts_about_30_ms_within_bounds(median_ns: int, calls: int) -> None:
    assert calls_per_block(median_ns, Settings()) == calls


def test_the_control_loads_what_the_baseline_does_and_the_candidate_another_model(tmp_path: Path) -> None:
    comparison = request(tmp_path).comparisons[0]
    models = specs(comparison, (3,))
    assert list(models) == ["baseline", "control", "candidate"]
    assert models["control"] == models["baseline"] != models["candidate"]
    assert (models["candidate"]["artefact"], models["candidate"]["cpus"]) == (str(tmp_path / "student.onnx"), (3,))
    assert list(specs(comparison, (3,), PAIR)) == ["baseline", "candidate"]
