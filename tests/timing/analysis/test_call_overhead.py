"""The call floor as a figure, and who is near it."""

from __future__ import annotations

import pytest

from kdeploy.timing.analysis.call_overhead import call_floors, note
from kdeploy.timing.raw import FloorSample


@pytest.mark.parametrize(("latency_ns", "near"), [(11_999, True), (12_000, False)])
def test_near_is_less_than_twice(latency_ns: int, near: bool) -> None:
    assert bool(note("student", "onnxruntime", latency_ns, 6000)) == near


def test_every_runtime_and_number_of_threads_has_its_own() -> None:
    samples = [
        FloorSample("a", 1, [3, 1, 2]),
        FloorSample("a", 2, [9]),
        FloorSample("b", 1, [5]),
        FloorSample("a", 1, [4]),
    ]
    found = {(floor.runtime, floor.threads): floor.call_floor_ns.value for floor in call_floors(samples, 0.99)}
    assert found == {("a", 1): 3, ("a", 2): 9, ("b", 1): 5}
