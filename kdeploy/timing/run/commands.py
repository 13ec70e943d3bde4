"""The commands to workers, built from a request; the types of the messages are in kdeploy.timing.messages."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

from kdeploy.timing.messages import ModelSpec, RunCommand, WarmUpCommand
from kdeploy.timing.request import ROLES, ComparisonRequest, FloorRequest, Role, Settings


def specs(comparison: ComparisonRequest, cpus: Sequence[int], roles: Sequence[Role] = ROLES) -> dict[Role, ModelSpec]:
    """The model that each worker of a comparison is to load, by role."""
    return {role: arm_spec(comparison, role, cpus) for role in roles}


def arm_spec(comparison: ComparisonRequest, role: Role, cpus: Sequence[int]) -> ModelSpec:
    """The model of a comparison in one role, and how it is to be run."""
    arm = comparison.arm(role)
    return {
        "parent": os.getpid(),
        "cpus": cpus,
        "runtime": comparison.runtime,
        "threads": comparison.threads,
        "batch": comparison.batch,
        "artefact": str(arm.artefact),
        "sha256": arm.sha256,
        "inputs": str(arm.inputs),
        "expected": None if arm.expected is None else str(arm.expected),
        "tolerance": arm.tolerance,
    }


def floor_spec(floor: FloorRequest, cpus: Sequence[int]) -> ModelSpec:
    """The graph that does nothing, and how it is to be run; nothing is promised of its outputs."""
    return {
        "parent": os.getpid(),
        "cpus": cpus,
        "runtime": floor.runtime,
        "threads": floor.threads,
        "batch": 1,
        "artefact": str(floor.artefact),
        "sha256": None,
        "inputs": str(floor.inputs),
        "expected": None,
        "tolerance": None,
    }


def calls_per_block(median_ns: int, settings: Settings) -> int:
    """The number of calls that last about as long as a block should."""
    return min(settings.most_calls, max(settings.least_calls, settings.block_ns // max(1, median_ns)))


def run_command(calls: int, settings: Settings, *, rotate: bool = True) -> RunCommand:
    """The command to time so many calls, over rotating inputs or over one alone."""
    return {"do": "run", "calls": calls, "resume_calls": settings.resume_calls, "rotate": rotate}


def warm_up_command(settings: Settings) -> WarmUpCommand:
    """The command to warm up as the settings say."""
    return {
        "do": "warm_up",
        "least_calls": settings.warm_up_calls,
        "least_ns": settings.warm_up_ns,
        "most_ns": settings.warm_up_limit_ns,
    }


def generator_of_turns(seed: str) -> random.Random:
    """The generator that draws the order of turns, the same for the same seed."""
    return random.Random(seed)  # noqa: S311 (an order of turns, not a secret)
