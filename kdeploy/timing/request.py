"""The request: what is to be measured, and how, as the document that `python -m kdeploy.timing` reads.

Inputs are one `.npz` a model, one array an input of the model, samples along the first axis; a worker cuts batches from
them. Expected outputs, where there are any, are an `.npz` of the same samples in the same order, one array an output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from kdeploy.errors import InputError
from kdeploy.records.base import Part
from kdeploy.records.bench import Compute, Quality
from kdeploy.runtimes import regular_file

COLD_STARTS = 10  # processes an arm, where they are requested

Count = Annotated[int, Field(ge=1)]

ModelRole = Literal["baseline", "candidate"]
Role = Literal[ModelRole, "control"]  # the control is the baseline once more: its difference from it is made up
PAIR: tuple[ModelRole, ModelRole] = ("baseline", "candidate")
ROLES: tuple[Role, Role, Role] = ("baseline", "control", "candidate")


class ArmRequest(Part):
    """One model as it is deployed. `quality` and `compute` are the caller's and go into the record as they are.

    `sha256` is the promised digest of the artefact (`kdeploy.runtimes.artefacts.digest`); null promises nothing.
    `tolerance` bounds the absolute difference from the expected outputs; null is 1e-4 x the largest of them.
    """

    model: str
    artefact: Path
    inputs: Path
    sha256: str | None = None
    expected: Path | None = None
    tolerance: float | None = None
    quality: Quality | None = None
    compute: Compute | None = None


class ComparisonRequest(Part):
    """Candidate against baseline, through one runtime, on the provider named (`CPUExecutionProvider` is `CPU`)."""

    baseline: ArmRequest
    candidate: ArmRequest
    runtime: str
    threads: Count = 1
    batch: Count = 1
    provider: str = "CPU"

    def arm(self, role: Role) -> ArmRequest:
        """The model in a role."""
        return self.candidate if role == "candidate" else self.baseline


class FloorRequest(Part):
    """A graph that does nothing, for one runtime and number of threads, and an `.npz` of its inputs."""

    runtime: str
    threads: Count
    artefact: Path
    inputs: Path


class NoiseLimits(Part):
    """Limits on what may disturb a measurement; `kdeploy.timing.analysis.noise` and `.gates` say what each bounds.

    `block_` limits void a block, `run_` limits refuse a claim. Shares are of the time in blocks, per CPU of the arm.
    Without `voids` every block counts: for a choice that has to be made, however busy the machine is.
    """

    voids: bool = True

    block_steal: float = 0.05
    run_steal: float = 0.02
    block_wait: float = 0.20
    run_wait: float = 0.10
    block_switches_per_s: float = 50.0
    block_frequency: float = 0.05
    block_idle_ns: int = 1_000_000
    run_faults: float = 0.01  # of the blocks
    run_void: float = 0.15  # of the blocks
    run_unsteady: float = 0.15  # of the warm-ups
    run_drift: float = 0.03
    run_memory: float = 1.2  # rotating inputs over one alone
    timer_steps: int = 1000  # of the clock, in a block
    timer_pairs: int = 10  # readings of the clock that a call must outlast


class Settings(Part):
    """The settings of a measurement; the defaults are the rules of a claim. Times are ns.

    `looks` are the numbers of replicates after which the interval is looked at. A comparison that would pass `limit_ns`
    before its next look ends; the first look is always reached, unless `hard_factor` times the limit has passed.
    """

    seed: int = 0
    looks: tuple[Count, ...] = (12, 24, 48)
    blocks: Count = 6  # one of each order of the three arms
    block_ns: Count = 30_000_000
    least_calls: Count = 10
    most_calls: Count = 5000
    resume_calls: int = 3
    warm_up_calls: Count = 50
    warm_up_ns: int = 300_000_000
    warm_up_limit_ns: int = 2_000_000_000
    level: Annotated[float, Field(gt=0, lt=1)] = 0.99
    target_half_width: float = 0.02
    min_effect: float = 0.03
    null: bool = True  # the baseline against itself; without it a claim is an indication at most
    limit_ns: Count = 150_000_000_000
    hard_factor: Count = 3
    wait_ns: int = 0  # for quiet, of the whole measurement
    throughput_ns: int = 20_000_000_000  # for all throughputs of one runtime
    cold_starts: int = 0  # fresh processes an arm
    sustained_ns: int = 0  # of one arm called without a pause
    energy: bool = False
    patience_s: float = 120.0  # how long a worker may be silent
    peak_share: Annotated[float, Field(ge=0, le=1)] = 0.0  # of the time, for the machine's peaks; 0 measures none
    limits: NoiseLimits = NoiseLimits()

    def brief(self) -> Settings:
        """2 processes an arm with a few calls each: what a throughput takes that carries no claim."""
        few = {"looks": (2,), "blocks": 2, "least_calls": 2, "resume_calls": 1, "null": False}
        none = {"cold_starts": 0, "sustained_ns": 0, "energy": False, "peak_share": 0.0}
        warm_up = {"warm_up_calls": 2, "warm_up_ns": 100_000_000, "warm_up_limit_ns": 1_000_000_000}
        return self.model_copy(update=few | none | warm_up)

    @classmethod
    def quick(cls, settings: Settings | None = None) -> Settings:
        """8 replicates, about 20 s a runtime; at most an indication."""
        return (settings or cls()).model_copy(update={"looks": (8,), "warm_up_ns": 200_000_000})


class Request(Part):
    """`throughput` are settings of which only the throughput is measured, briefly, after the comparisons."""

    comparisons: Annotated[tuple[ComparisonRequest, ...], Field(min_length=1)]
    throughput: tuple[ComparisonRequest, ...] = ()
    floors: tuple[FloorRequest, ...] = ()
    settings: Settings = Settings()
    command: tuple[str, ...] = ()


def read_request(path: Path) -> Request:
    """The request in a file.

    Raises: InputError when the file is not a request.
    """
    try:
        return Request.model_validate_json(regular_file.read(path))
    except OSError as exc:
        raise InputError(str(path), "must be a file that can be read", got=str(exc.strerror)) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise InputError(str(path), "must be a request for a benchmark", got=f"{place}: {first['msg']}") from exc
