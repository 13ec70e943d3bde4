"""What `kdeploy bench` takes, and what it says of the rest."""

from __future__ import annotations

import pytest

from kdeploy.cli.bench import _nanoseconds, _overrides
from kdeploy.recipe.load import load
from tests.program import TINY, inside


@pytest.mark.parametrize(("text", "seconds"), [(None, 0), ("90s", 90), ("10m", 600), ("1h", 3600), ("0.5m", 30)])
def test_a_duration_is_a_number_and_its_unit(text: str | None, seconds: int) -> None:
    assert _nanoseconds(text) == seconds * 10**9


def test_options_that_a_run_takes_are_settings_of_its_recipe() -> None:
    plain = {"cold_starts": 0, "sustained_ns": 0, "energy": False}
    assert list(_overrides(False, plain)) == []
    asked = {"cold_starts": 10, "sustained_ns": 90 * 10**9, "energy": True}
    settings = list(_overrides(True, asked))
    assert settings == [
        *("bench.replicates=8", "bench.throughput=[]", "bench.cold_start=true", "bench.sustained=90"),
        "bench.energy=true",
    ]
    bench = load(TINY, settings).recipe.bench
    assert (bench.replicates, bench.throughput, bench.cold_start) == (8, (), True)
    assert (bench.sustained, bench.energy) == (90, True)


@pytest.mark.parametrize("text", ["10", "m", "ten minutes", "-1s"])
def test_another_duration_is_refused(text: str) -> None:
    found = inside("bench", "a.onnx", "b.onnx", f"--sustained={text}")
    assert found.code == 2
    assert "must be a time as 90s, 10m or 1h" in " ".join(found.stderr.split())
