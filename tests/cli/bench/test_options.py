"""What the subcommands of kdeploy bench take."""

from __future__ import annotations

import pytest

from kdeploy.cli.bench.options import _seconds
from tests.program import inside


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h", 3600), ("0.5m", 30)])
def test_a_duration_is_a_number_and_its_unit(text: str, seconds: int) -> None:
    assert _seconds(text) == seconds


@pytest.mark.parametrize("text", ["10", "m", "ten minutes", "-1s"])
def test_another_duration_is_refused(text: str) -> None:
    found = inside("bench", "a.onnx", "b.onnx", f"--sustained={text}")
    assert (found.code, found.stderr) == (
        2,
        "Invalid value for '--sustained': must be a time as 90s, 10m or 1h\nTry: kdeploy --help\n",
    )


def test_a_format_that_nobody_reads_is_a_usage_error() -> None:
    found = inside("bench", "a.onnx", "b.onnx", "--export", "xml")
    assert (found.code, found.stderr) == (
        2,
        "Invalid value for '--export': must be pytest-benchmark (got 'xml')\nTry: kdeploy --help\n",
    )
