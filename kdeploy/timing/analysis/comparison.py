"""One comparison as it was measured, and what is read off its raw samples directly.

The calls of the control serve the A/A null alone: they are in no number of the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from kdeploy.records.bench import Seen, Stopped
from kdeploy.timing.analysis.statistics import Estimate, block_value, ratio_estimate, replicate_log_ratio
from kdeploy.timing.raw import Block, OptionalSamples, Replicate, WorkerReport
from kdeploy.timing.request import PAIR, ComparisonRequest, Role


@dataclass(frozen=True)
class MeasuredComparison:
    """The replicates of a comparison, which rule ended it, and what was measured of its arms alone."""

    request: ComparisonRequest
    replicates: Sequence[Replicate]
    stopped: Stopped
    optional: Mapping[Role, OptionalSamples] = field(default_factory=dict)

    def log_ratios(self, role: Role) -> list[float]:
        """d_r of every replicate that has a block left, of the baseline against another arm."""
        pairs = ((block_values(one, "baseline"), block_values(one, role)) for one in self.replicates)
        return [replicate_log_ratio(baseline, other) for baseline, other in pairs if baseline and other]

    def ratio(self, role: Role, level: float) -> Estimate | None:
        """The latency of the baseline over that of another arm; None when every block is void."""
        logs = self.log_ratios(role)
        return ratio_estimate(logs, level) if logs else None

    def workers(self, role: Role) -> list[WorkerReport]:
        """What the workers of an arm reported, one a replicate."""
        return [replicate.workers[role] for replicate in self.replicates if role in replicate.workers]

    def samples(self, role: Role) -> list[list[int]]:
        """The calls that count in ns, a list for each replicate that has any."""
        calls = ([ns for block in replicate.counted(role) for ns in block.ns] for replicate in self.replicates)
        return [of_replicate for of_replicate in calls if of_replicate]

    def block_values(self, role: Role) -> list[list[float]]:
        """The median call of every block that counts in ns, a list for each replicate."""
        return [block_values(replicate, role) for replicate in self.replicates]

    def seen(self) -> Seen | None:
        """The medians over all blocks, void or not; None where an arm has none."""
        values = {role: [block_value(block.ns) for block in self.blocks() if block.role == role] for role in PAIR}
        if not all(values.values()):
            return None
        baseline, candidate = (median(values[role]) for role in PAIR)
        return Seen(baseline_ns=round(baseline), candidate_ns=round(candidate), ratio=baseline / candidate)

    def blocks(self) -> list[Block]:
        """Every block, void or not, in the order of the replicates."""
        return [block for replicate in self.replicates for block in replicate.blocks]

    def wrong_outputs(self, roles: Sequence[Role]) -> int:
        """How many of the sampled outputs of these arms differ from those they must give."""
        return sum(block.wrong for block in self.blocks() if block.role in roles)

    def void_blocks(self) -> list[str]:
        """The reason of every block that is void."""
        return [block.void for block in self.blocks() if block.void]


def block_values(replicate: Replicate, role: Role) -> list[float]:
    """The median call of each block of an arm that counts, in ns."""
    return [block_value(block.ns) for block in replicate.counted(role)]
