"""What `kdeploy bench` takes, and what it says of the rest."""

from __future__ import annotations

import pytest

from kdeploy.cli.bench import _nanoseconds
from tests.program import inside


@pytest.mark.parametrize(("text", "seconds"), [(None, 0), ("90s", 90), ("10m", 600), ("1h", 3600), ("0.5m", 30)])
def test_a_duration_is_a_number_and_its_unit(text: str | None, seconds: int) -> None:
    assert _nanoseconds(text) == seconds * 10**9


@pytest.mark.parametrize("text", ["10", "m", "ten minutes", "-1s"])
def test_another_duration_is_refused(text: str) -> None:
    found = inside("bench", "a.onnx", "b.onnx", f"--sustained={text}")
    assert found.code == 2
    assert "must be a time as 90s, 10m or 1h" in " ".join(found.stderr.split())
