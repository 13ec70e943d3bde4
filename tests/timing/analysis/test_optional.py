"""Figures of what was measured of one arm alone."""

from __future__ import annotations

from kdeploy.records.bench import Energy
from kdeploy.timing.analysis import optional


def test_a_process_that_never_becomes_steady_is_said() -> None:
    wild = {"import_ns": 1, "load_ns": 1, "ns": [100, 300] * 30}
    assert optional.steady_ns(wild) is None
    found = optional.cold_start([wild], 0.99)
    assert found is not None
    assert found.to_steady is None


def test_idle_power_is_taken_off() -> None:
    block = {"energy_uj": 3_000_000, "elapsed_ns": 1_000_000_000, "calls": 1000, "idle_uw": 1_000_000}
    assert optional.energy([block] * 3) == Energy(
        per_inference=3000.0, idle_subtracted=2000.0, domain="rapl-package", blocks=3
    )
    assert optional.energy([]) is None
