"""One comparison as it was measured, and what is read off its raw samples directly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kdeploy.records.bench import Latency, Stopped
from kdeploy.system.wire import Message
from kdeploy.timing.analysis.latency import latency
from kdeploy.timing.analysis.roofline import Bounds
from kdeploy.timing.analysis.statistics import Estimate, block_value, ratio_estimate, replicate_log_ratio
from kdeploy.timing.raw import CANDIDATE, FIRST, Replicate, WorkerReport
from kdeploy.timing.request import ArmRequest, ComparisonRequest

Role = Literal["baseline", "candidate"]

ROLES: tuple[Role, Role] = ("baseline", "candidate")


@dataclass(frozen=True)
class Measured:
    """One comparison, measured."""

    request: ComparisonRequest
    replicates: Sequence[Replicate]
    stopped: Stopped
    extras: Mapping[tuple[str, str], Sequence[Message]] = field(default_factory=dict)  # by kind and arm
    bounds: Bounds = field(default_factory=Bounds)

    def log_ratios(self, against: str) -> list[float]:
        """d_r of every replicate that has a block left, of A1 against another arm."""
        pairs = ((block_values(found, FIRST), block_values(found, against)) for found in self.replicates)
        return [replicate_log_ratio(baseline, other) for baseline, other in pairs if baseline and other]

    def estimate(self, against: str, level: float) -> Estimate | None:
        logs = self.log_ratios(against)
        return ratio_estimate(logs, level) if logs else None

    def workers(self, arm: str) -> list[WorkerReport]:
        return [replicate.workers[arm] for replicate in self.replicates if arm in replicate.workers]

    def samples(self, arm: str) -> list[list[int]]:
        """The calls that count, a list for each replicate that has any."""
        found = ([ns for block in replicate.counted(arm) for ns in block.ns] for replicate in self.replicates)
        return [calls for calls in found if calls]

    def block_values(self, arm: str) -> list[list[float]]:
        """The median call of every block that counts, a list for each replicate."""
        return [block_values(replicate, arm) for replicate in self.replicates]

    def wrong_outputs(self, arms: Sequence[str]) -> int:
        return sum(block.wrong for found in self.replicates for block in found.blocks if block.arm in arms)

    def void_blocks(self) -> list[str]:
        """The reason of every block that is void."""
        return [block.void for found in self.replicates for block in found.blocks if block.void]


def block_values(replicate: Replicate, arm: str) -> list[float]:
    return [block_value(block.ns) for block in replicate.counted(arm)]


def asked_of(measured: Measured, role: Role) -> ArmRequest:
    return measured.request.baseline if role == "baseline" else measured.request.candidate


def key_of(role: Role) -> str:
    return FIRST if role == "baseline" else CANDIDATE


def latency_of(measured: Measured, role: Role, level: float) -> Latency | None:
    samples = measured.samples(key_of(role))
    return latency(measured.block_values(key_of(role)), samples, level) if samples else None
