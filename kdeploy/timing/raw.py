"""The raw samples: `raw.jsonl.gz`, from which every number of a record can be computed again.

The first line, of kind `request`, is the request; one of kind `end` says which rule ended a comparison.
A line of kind `block` is one arm's turn: all its calls in ns, its place in the order, and why it does not count, if so.
A line of kind `arm` is one worker: what it reported when loaded, its warm-up, its memory. Of the kinds `cold`, `window`
and `energy` there is a line for each process, stretch and block of what is optional; lines of kind `floor` and
`probe` are what was measured between the arms. The same lines give the same bytes.
"""

from __future__ import annotations

import gzip
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kdeploy.records.bench import RawSamples, Stopped
from kdeploy.runtimes import artefacts
from kdeploy.timing.messages import (
    ColdStartAnswer,
    Counters,
    EnergyBlock,
    Loaded,
    Place,
    WarmUpAnswer,
    WindowAnswer,
)
from kdeploy.timing.request import Request, Role

NAME, RECORD_NAME = "raw.jsonl.gz", "bench.json"  # in the folder of a benchmark
LAYOUT = (
    "kind block: comparison, replicate, block, order (place of this arm in the block), arm (A1 the baseline, A2 the "
    "baseline again, B the candidate), n, inner_loops, ns[], "
    "resume_ns[] (untimed first calls), wrong (sampled outputs that differ), void (reason or empty), idle_cpu_ns, "
    "counters (kdeploy.timing.machine.counters, before and after the timed calls); kind request: request; "
    "kinds cold, window, energy: comparison, arm, seen (kdeploy.timing.run.optional); "
    "kind floor: runtime, threads, ns[] (calls of a graph that does nothing); "
    "kind probe: threads, place, name, size, work, ns[] (kdeploy.timing.run.machine_peaks); "
    "kind end: comparison, stopped; kind arm: comparison, replicate, arm, loaded, warm_up, peak_rss_bytes, "
    "repeated_ns[] (calls with one input)"
)

_WRITTEN: dict[Role, str] = {"baseline": "A1", "control": "A2", "candidate": "B"}
_READ: dict[str, Role] = {written: role for role, written in _WRITTEN.items()}


@dataclass(frozen=True)
class Block:
    """One arm's turn. `idle_cpu_ns` is what the stopped arms consumed meanwhile, None when unreadable."""

    block: int
    order: int
    role: Role
    ns: Sequence[int]
    resume_ns: Sequence[int]
    wrong: int
    void: str
    idle_cpu_ns: int | None
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True)
class WorkerReport:
    """The report of one worker, its samples left out. `repeated_ns` are calls with one input, again and again."""

    loaded: Loaded
    warm_up: WarmUpAnswer
    peak_rss_bytes: int | None
    repeated_ns: Sequence[int] = ()


@dataclass(frozen=True)
class Replicate:
    """One fresh set of workers and all their blocks."""

    number: int
    blocks: Sequence[Block]
    workers: dict[Role, WorkerReport] = field(default_factory=dict)

    def counted(self, role: Role) -> list[Block]:
        """The blocks of an arm, in order, of the turns in which no arm's block is void."""
        void = {block.block for block in self.blocks if block.void}
        return sorted(
            (block for block in self.blocks if block.role == role and block.block not in void),
            key=lambda block: block.block,
        )


@dataclass(frozen=True)
class OptionalSamples:
    """Measurements of one arm alone, where they were requested (kdeploy.timing.run.optional)."""

    cold_starts: list[ColdStartAnswer] = field(default_factory=list)
    windows: list[WindowAnswer] = field(default_factory=list)
    energy: list[EnergyBlock] = field(default_factory=list)


@dataclass(frozen=True)
class FloorSample:
    """The calls of one fresh worker with a graph that does nothing (kdeploy.timing.run.call_overhead)."""

    runtime: str
    threads: int
    ns: Sequence[int]


@dataclass(frozen=True)
class Task:
    """A task of a canary (kdeploy.timing.run.machine_peaks). `size` is n of a product, or the bytes of a kernel."""

    place: Place
    name: str
    size: int


@dataclass(frozen=True)
class Probe:
    """A task and its times; `work` is FLOPs or bytes. No times where the engine is not here."""

    threads: int
    task: Task
    work: int
    ns: Sequence[int]

    @property
    def rate(self) -> float:
        """FLOP/s or bytes/s of the fastest run."""
        return self.work * 1e9 / min(self.ns)


class RawWriter:
    """Writes the file as the replicates come; what is written stays when the run is interrupted."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._packed = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packed.close()
        self._file.close()

    def request(self, request: Request) -> None:
        self._write({"kind": "request", "request": request.model_dump(mode="json")})

    def end(self, comparison: int, stopped: Stopped) -> None:
        self._write({"kind": "end", "comparison": comparison, "stopped": stopped})

    def cold_start(self, comparison: int, role: Role, answer: ColdStartAnswer) -> None:
        self._write({"kind": "cold", "comparison": comparison, "arm": _WRITTEN[role], "seen": answer})

    def window(self, comparison: int, role: Role, answer: WindowAnswer) -> None:
        self._write({"kind": "window", "comparison": comparison, "arm": _WRITTEN[role], "seen": answer})

    def energy(self, comparison: int, role: Role, block: EnergyBlock) -> None:
        self._write({"kind": "energy", "comparison": comparison, "arm": _WRITTEN[role], "seen": block})

    def floor(self, sample: FloorSample) -> None:
        line = {"kind": "floor", "runtime": sample.runtime, "threads": sample.threads}
        self._write(line | {"ns": list(sample.ns)})

    def probe(self, probe: Probe) -> None:
        line = {"kind": "probe", "threads": probe.threads} | asdict(probe.task)
        self._write(line | {"work": probe.work, "ns": list(probe.ns)})

    def block(self, comparison: int, replicate: int, block: Block) -> None:
        line = {"kind": "block", "comparison": comparison, "replicate": replicate, "block": block.block}
        line |= {"order": block.order, "arm": _WRITTEN[block.role], "n": len(block.ns), "inner_loops": 1}
        line |= {"ns": list(block.ns)}
        line |= {"resume_ns": list(block.resume_ns), "wrong": block.wrong, "void": block.void}
        self._write(line | {"idle_cpu_ns": block.idle_cpu_ns, "counters": block.counters})

    def worker(self, comparison: int, replicate: int, role: Role, report: WorkerReport) -> None:
        line = {"kind": "arm", "comparison": comparison, "replicate": replicate, "arm": _WRITTEN[role]}
        line |= {"loaded": report.loaded, "warm_up": report.warm_up, "peak_rss_bytes": report.peak_rss_bytes}
        self._write(line | {"repeated_ns": list(report.repeated_ns)})

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, allow_nan=False, separators=(",", ":"))
        self._packed.write(text.encode() + b"\n")


def described(path: Path) -> RawSamples:
    """The name, digest, size and layout of a finished raw file, for the record next to it."""
    return RawSamples(path=path.name, sha256=artefacts.file_digest(path), bytes=path.stat().st_size, layout=LAYOUT)


def read_replicates(path: Path) -> dict[int, list[Replicate]]:
    """The replicates of every comparison, as they were measured."""
    replicates: dict[tuple[int, int], Replicate] = {}
    for line in _lines(path, "arm", "block"):
        place = (line["comparison"], line["replicate"])
        replicate = replicates.setdefault(place, Replicate(line["replicate"], []))
        if line["kind"] == "arm":
            report = (line["loaded"], line["warm_up"], line["peak_rss_bytes"], line.get("repeated_ns", []))
            replicate.workers[_READ[line["arm"]]] = WorkerReport(*report)
        else:
            assert isinstance(replicate.blocks, list)
            replicate.blocks.append(_block(line))
    comparisons = sorted({comparison for comparison, _ in replicates})
    return {number: [replicates[place] for place in sorted(replicates) if place[0] == number] for number in comparisons}


def read_optional(path: Path) -> dict[int, dict[Role, OptionalSamples]]:
    """The optional samples of each comparison's arms, by role; comparisons without any are not there."""
    samples: dict[int, dict[Role, OptionalSamples]] = {}
    for line in _lines(path, "cold", "window", "energy"):
        arm = samples.setdefault(line["comparison"], {}).setdefault(_READ[line["arm"]], OptionalSamples())
        kinds: dict[str, list[Any]] = {"cold": arm.cold_starts, "window": arm.windows, "energy": arm.energy}
        kinds[line["kind"]].append(line["seen"])
    return samples


def read_request(path: Path) -> Request | None:
    """The request that was measured; None in a file of a kdeploy that did not write it down."""
    line = next(_lines(path, "request"), None)
    return None if line is None else Request.model_validate(line["request"])


def read_ends(path: Path) -> dict[int, Stopped]:
    """The rule that ended each comparison, by its number; one that was interrupted is not there."""
    return {line["comparison"]: line["stopped"] for line in _lines(path, "end")}


def read_floors(path: Path) -> list[FloorSample]:
    """The calls of the graphs that do nothing, in ns, one sample a worker."""
    return [FloorSample(line["runtime"], line["threads"], line["ns"]) for line in _lines(path, "floor")]


def read_probes(path: Path) -> list[Probe]:
    """The probes of the machine's peaks, in the order in which they ran."""
    return [
        Probe(line["threads"], Task(line["place"], line["name"], line["size"]), line["work"], line["ns"])
        for line in _lines(path, "probe")
    ]


def _lines(path: Path, *kinds: str) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (line for line in map(json.loads, lines) if line["kind"] in kinds)


def _block(line: dict[str, Any]) -> Block:
    names = ("block", "order", "resume_ns", "wrong", "void", "idle_cpu_ns", "counters")
    return Block(role=_READ[line["arm"]], ns=array("q", line["ns"]), **{name: line[name] for name in names})
