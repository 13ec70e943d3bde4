"""How two external models are timed, in the units of a person: seconds, and yes or no."""

from __future__ import annotations

from kdeploy.timing.request import COLD_STARTS, Settings


def model_settings(
    *,
    seed: int,
    min_effect: float,
    null: bool,
    max_seconds: float,
    cold_start: bool,
    sustained_seconds: float,
    energy: bool,
    wait_seconds: float,
) -> Settings:
    """The settings of a benchmark, in nanoseconds and counts, from those of a person."""
    return Settings(
        seed=seed,
        min_effect=min_effect,
        null=null,
        limit_ns=round(max_seconds * 1e9),
        cold_starts=COLD_STARTS * cold_start,
        sustained_ns=round(sustained_seconds * 1e9),
        energy=energy,
        wait_ns=round(wait_seconds * 1e9),
    )
