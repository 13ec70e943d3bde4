"""`kdeploy.bench/3`: what a benchmark measured, on what, and what may be claimed from it.

Times are integer nanoseconds, sizes bytes, energies microjoules, ratios floats. A field that was not measured is null
and has an entry in `unavailable`. One record holds any number of comparisons; each names its two arms.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from kdeploy.records.base import Part, Record, Unavailable
from kdeploy.records.circumstances import Host, Software, Timer, Tool
from kdeploy.records.table import Row, Table

Status = Literal["supported", "indicative", "no_difference_shown", "refused"]
Stopped = Literal["target", "replicates", "time", "hard limit"]


class Artifact(Part):
    """The model that ran. `path` is its name alone; `sha256` and `bytes` cover every file it is made of."""

    path: str
    sha256: str
    bytes: int
    format: str


class RuntimeUse(Part):
    """The runtime as it reported itself. `options` holds all its effective settings, in its own words."""

    name: str
    version: str
    provider_requested: tuple[str, ...] | None = None
    provider_effective: tuple[str, ...] | None = None
    precision_effective: str | None = None
    threads: int
    optimization: str | None = None
    allow_spinning: bool | None = None
    options: dict[str, str]


class Workload(Part):
    scenario: Literal["single_stream", "batch"]
    batch: int
    input_set_sha256: str
    n_distinct_inputs: int
    input_shapes: dict[str, tuple[int, ...]]


class ParityEvidence(Part):
    """Outputs of the timed model against the expected ones; `evidence_sha256` is the hash of those."""

    evidence_sha256: str
    passed: bool
    max_abs_err: float | None  # null when an output is not finite


class Quality(Part):
    """How good a model's answers are. `value` and `ci` are fractions of 1 where the metric is one."""

    metric: str
    value: float
    ci: tuple[float, float] | None = None
    level: float | None = None
    n: int
    dataset_sha256: str


class TimeEstimate(Part):
    """A time in ns; `ci` is null when there are too few replicates for the level."""

    value: int
    ci: tuple[int, int] | None = None
    level: float | None = None
    method: str | None = None


class Latency(Part):
    n_calls: int
    n_replicates: int
    mean: int
    median: TimeEstimate
    p90: TimeEstimate | None
    p95: TimeEstimate | None
    p99: TimeEstimate | None
    p999: TimeEstimate | None
    min: int
    max: int
    mad: int
    mlperf_upper: dict[str, Any] | None = None


class Throughput(Part):
    unit: Literal["samples/s"] = "samples/s"
    value: float
    ci: tuple[float, float] | None


class BatchThroughput(Part):
    """Samples a second of one model in one setting, apart from the comparisons: median of a few processes, no claim."""

    model: str
    role: Literal["baseline", "candidate"]
    runtime: str
    batch: int
    threads: int
    value: float
    processes: int


class ColdStart(Part):
    """A cold start, from a fresh process to steady answers, each phase in ns over `n` processes.

    `to_steady` ends with the first call within 10 % of the steady median that 19 like it follow. `page_cache` is `cold`
    where the model's files were dropped from it and found gone; `unverified` where that could not be seen.
    """

    n: int
    imports: TimeEstimate
    session: TimeEstimate
    first_inference: TimeEstimate
    to_steady: TimeEstimate | None  # null when a process never became steady
    page_cache: Literal["warm", "cold", "unverified"]


class Window(Part):
    """The calls of one stretch of a sustained run; `at_ns` is its beginning, from the beginning of the run."""

    at_ns: int
    calls: int
    median_ns: int


class Sustained(Part):
    """One arm called without a pause: what a device does once it is warm.

    `drift` is relative: the median of the last tenth of the windows over that of the first, minus 1.
    """

    duration_ns: int
    windows: tuple[Window, ...]
    drift: float


class Energy(Part):
    """Energy of the whole processor package, in microjoules a call; others that run there are in it.

    `idle_subtracted` is less the idle power measured before and after; `domain` is what the counter covers.
    """

    per_inference: float
    idle_subtracted: float
    domain: str
    blocks: int


class Fraction(Part):
    """A share of a limit, with the interval of the latency it comes from."""

    value: float
    ci: tuple[float, float] | None


class Roofline(Part):
    """The least time that a call can take on this machine, and which part of it is the reason.

        limit_ns = max(flops / peak_flops, bytes_min / bandwidth_bytes_s) + call_floor_ns

    `peak_flops` (FLOP/s) and `bandwidth_bytes_s` were measured between the replicates, at the arm's threads, in fp32;
    `bytes_min` are the weights and the inputs. `fraction_of_limit` = limit_ns / latency.
    """

    peak_flops: float
    peak_engine: str
    bandwidth_bytes_s: float
    bandwidth_of: Literal["cache", "memory"]
    bytes_min: int
    call_floor_ns: int
    limit_ns: int
    fraction_of_limit: Fraction
    bound: Literal["compute", "memory", "overhead"]


class CallFloor(Part):
    """What a runtime takes for a graph that does nothing: the floor under every latency it can reach."""

    runtime: str
    threads: int
    call_floor_ns: TimeEstimate


class WarmUps(Part):
    """Warm-ups of one arm, medians over replicates; `unsteady` of them ended at the time limit."""

    calls: int
    duration_ns: int
    unsteady: int


class Memory(Part):
    """Resident memory of a worker process, medians over replicates."""

    peak_rss: int
    import_baseline: int
    model_increment: int
    method: str = "VmHWM+clear_refs"


class LayerCost(Part):
    """A node of the graph that multiplies or has parameters."""

    name: str
    op_type: str
    output_shape: tuple[int, ...]
    multiply_adds: int
    parameters: int


class Compute(Part):
    """Counted over the exported graph at the batch of the arm; 1 multiply-add = 2 FLOPs.

    Where `coverage` is below 1, `multiply_adds` is a lower bound. `cross_check` holds what other counters say.
    """

    multiply_adds: int
    flops: int
    convention: str = "1 MAC = 2 FLOP"
    coverage: float | None = None
    uncounted_ops: dict[str, int] = Field(default_factory=dict)
    params: int | None = None
    weights_bytes: int | None = None
    layers: tuple[LayerCost, ...] = ()
    cross_check: dict[str, int] = Field(default_factory=dict)


class Arm(Part):
    """One model in one comparison. `name` is its own among all arms, `model` what a person calls it."""

    name: str
    model: str
    role: Literal["baseline", "candidate"]
    artifact: Artifact
    runtime: RuntimeUse
    workload: Workload
    parity: ParityEvidence | None
    quality: Quality | None
    latency_ns: Latency | None  # null when no replicate could be used
    throughput: Throughput | None
    warm_up: WarmUps
    cold_start_ns: ColdStart | None = None
    sustained: Sustained | None = None
    memory_bytes: Memory | None
    energy_uj: Energy | None = None
    compute: Compute | None
    roofline: Roofline | None = None


class Ratio(Part):
    """baseline / candidate: above 1 the candidate is faster. `ci` is null with fewer than 8 pairs at 99 %."""

    value: float
    ci: tuple[float, float] | None
    level: float
    method: str = "median of process-pair log-ratios, order-statistic interval"
    n_pairs: int


class Reason(Part):
    """Why a claim is weaker than supported: a code of the benchmark's rules, and a sentence."""

    code: str
    text: str


class Claim(Part):
    status: Status
    text: str
    reasons: tuple[Reason, ...] = ()


class Seen(Part):
    """The medians over all blocks, void ones too, and their ratio: what was seen, of which nothing may be claimed."""

    baseline_ns: int
    candidate_ns: int
    ratio: float


class Comparison(Part):
    """Candidate against baseline. `stopped` says which rule ended the measurement."""

    baseline: str
    candidate: str
    runtime: str
    batch: int
    threads: int
    quantity: str = "latency.median"
    ratio: Ratio | None  # null when no replicate could be used
    aa_null: Ratio | None
    seen: Seen | None = None  # null when no block was measured to its end
    stopped: Stopped
    claim: Claim
    notes: tuple[str, ...] = ()  # what a reader of the ratio should know, and weakens no claim

    def row(self) -> dict[str, str | int | float | None]:
        """The comparison as a plain dict, as `--json` prints it."""
        low, high = self.ratio.ci if self.ratio and self.ratio.ci else (None, None)
        return {
            "runtime": self.runtime,
            "batch": self.batch,
            "threads": self.threads,
            "ratio": self.ratio.value if self.ratio else None,
            "low": low,
            "high": high,
            "pairs": self.ratio.n_pairs if self.ratio else 0,
            "status": self.claim.status,
        }


class Noise(Part):
    """What disturbed the run. A signal that could not be read in every block stands in `unobserved`.

    `steal_fraction` and `cpu_wait_fraction` are of the time in blocks, for the CPUs and threads of the arms alone;
    `psi_cpu_some` is of the whole system. `trend_per_hour` is relative: 0.03 is 3 % slower an hour later.
    """

    steal_fraction: float | None = None
    cpu_wait_fraction: float | None = None
    psi_cpu_some: float | None = None
    throttled_ns: int | None = None
    blocks_total: int
    blocks_void: int
    void_reasons: dict[str, int]
    trend_per_hour: float | None = None
    unobserved: tuple[str, ...]


class RawSamples(Part):
    """The file every number can be recomputed from; `path` is relative to the record."""

    path: str
    sha256: str
    bytes: int
    layout: str


class BenchRecord(Table, Record):
    SCHEMA: ClassVar[str] = "kdeploy.bench/3"

    id: str
    created: str
    tool: Tool
    command: tuple[str, ...]
    seed: int
    duration_ns: int
    host: Host
    software: Software
    timer: Timer
    arms: tuple[Arm, ...]
    null_sut: tuple[CallFloor, ...] | None = None
    comparison: tuple[Comparison, ...]
    throughput: tuple[BatchThroughput, ...] = ()
    noise: Noise
    unavailable: tuple[Unavailable, ...]
    raw: RawSamples

    def arm(self, name: str) -> Arm:
        """The arm of a name, which a comparison gives."""
        return next(arm for arm in self.arms if arm.name == name)

    def to_rows(self) -> list[Row]:
        """A row for each comparison, with the medians of its two arms in ns."""
        return [self._row(comparison) for comparison in self.comparison]

    def _row(self, comparison: Comparison) -> Row:
        baseline, candidate = self.arm(comparison.baseline), self.arm(comparison.candidate)
        medians = (arm.latency_ns.median.value if arm.latency_ns else None for arm in (baseline, candidate))
        times = dict(zip(("baseline_ns", "candidate_ns"), medians, strict=True))
        return {"baseline": baseline.model, "candidate": candidate.model, **comparison.row(), **times}
