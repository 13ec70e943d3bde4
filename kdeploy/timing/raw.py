"""The raw samples: `raw.jsonl.gz`, from which every number of a record can be computed again.

The first line, of kind `request`, is what was asked; one of kind `end` says which rule ended a comparison.
A line of kind `block` is one arm's turn: all its calls in ns, its place in the order, and why it does not count, if so.
A line of kind `arm` is one worker: what it reported when loaded, its warm-up, its memory. Of the kinds `cold`, `window`
and `energy` there is a line for each process, stretch and block of what was asked beside; lines of kind `floor` and
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
from typing import Any, Literal, Self

from kdeploy.records.bench import Raw, Stopped
from kdeploy.runtimes import artefacts
from kdeploy.system.wire import Message
from kdeploy.timing.request import Request

NAME = "raw.jsonl.gz"
LAYOUT = (
    "kind block: comparison, replicate, block, order (place of this arm in the block), arm, n, inner_loops, ns[], "
    "resume_ns[] (untimed first calls), wrong (sampled outputs that differ), void (reason or empty), idle_cpu_ns, "
    "counters (kdeploy.timing.machine.counters, before and after the timed calls); kind request: request; "
    "kinds cold, window, energy: comparison, arm, seen (kdeploy.timing.run.optional); "
    "kind floor: runtime, threads, ns[] (calls of a graph that does nothing); "
    "kind probe: threads, place, name, size, work, ns[] (kdeploy.timing.run.machine_peaks); "
    "kind end: comparison, stopped; kind arm: comparison, replicate, arm, loaded, warm_up, peak_rss_bytes, "
    "repeated_ns[] (calls with one input)"
)

FIRST, AGAIN, CANDIDATE = "A1", "A2", "B"
ARMS = (FIRST, AGAIN, CANDIDATE)
Place = Literal["product", "cache", "memory"]  # what a probe measures: the CPU, its caches, the memory


@dataclass(frozen=True)
class Block:
    """One arm's turn. `idle_cpu_ns` is what the stopped arms consumed meanwhile, null when unreadable.

    `counters` are `at_ns`, `elapsed_ns`, the number of `cpus`, and the readings `before` and `after`.
    """

    block: int
    order: int
    arm: str
    ns: Sequence[int]
    resume_ns: Sequence[int]
    wrong: int
    void: str
    idle_cpu_ns: int | None
    counters: Message = field(default_factory=dict)


@dataclass(frozen=True)
class WorkerReport:
    """What one worker said beside its samples. `repeated_ns` are calls with one input, again and again."""

    loaded: Message
    warm_up: Message
    peak_rss_bytes: int | None
    repeated_ns: Sequence[int] = ()


@dataclass(frozen=True)
class Replicate:
    """One fresh set of workers and all their blocks."""

    number: int
    blocks: Sequence[Block]
    workers: dict[str, WorkerReport] = field(default_factory=dict)

    def counted(self, arm: str) -> list[Block]:
        """The blocks of an arm, in order, of the turns in which no arm's block is void."""
        void = {block.block for block in self.blocks if block.void}
        return sorted(
            (block for block in self.blocks if block.arm == arm and block.block not in void),
            key=lambda block: block.block,
        )


@dataclass(frozen=True)
class FloorSample:
    """The calls of one fresh worker with a graph that does nothing (kdeploy.timing.run.call_overhead)."""

    runtime: str
    threads: int
    ns: Sequence[int]


@dataclass(frozen=True)
class Task:
    """What a canary runs (kdeploy.timing.run.machine_peaks). `size` is n of a product, or the bytes of a kernel."""

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
        self._path = path
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

    def beside(self, comparison: int, kind: str, arm: str, seen: Message) -> None:
        self._write({"kind": kind, "comparison": comparison, "arm": arm, "seen": seen})

    def floor(self, sample: FloorSample) -> None:
        line = {"kind": "floor", "runtime": sample.runtime, "threads": sample.threads}
        self._write(line | {"ns": list(sample.ns)})

    def probe(self, probe: Probe) -> None:
        line = {"kind": "probe", "threads": probe.threads} | asdict(probe.task)
        self._write(line | {"work": probe.work, "ns": list(probe.ns)})

    def block(self, comparison: int, replicate: int, block: Block) -> None:
        line = {"kind": "block", "comparison": comparison, "replicate": replicate, "block": block.block}
        line |= {"order": block.order, "arm": block.arm, "n": len(block.ns), "inner_loops": 1, "ns": list(block.ns)}
        line |= {"resume_ns": list(block.resume_ns), "wrong": block.wrong, "void": block.void}
        self._write(line | {"idle_cpu_ns": block.idle_cpu_ns, "counters": block.counters})

    def worker(self, comparison: int, replicate: int, arm: str, report: WorkerReport) -> None:
        line = {"kind": "arm", "comparison": comparison, "replicate": replicate, "arm": arm, "loaded": report.loaded}
        line |= {"warm_up": report.warm_up, "peak_rss_bytes": report.peak_rss_bytes}
        self._write(line | {"repeated_ns": list(report.repeated_ns)})

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, allow_nan=False, separators=(",", ":"))
        self._packed.write(text.encode() + b"\n")


def described(path: Path) -> Raw:
    """What a record says of a finished raw file beside it."""
    return Raw(path=path.name, sha256=artefacts.file_digest(path), bytes=path.stat().st_size, layout=LAYOUT)


def read_replicates(path: Path) -> dict[int, list[Replicate]]:
    """The replicates of every comparison, as they were measured."""
    found: dict[tuple[int, int], Replicate] = {}
    for line in _lines(path, "arm", "block"):
        place = (line["comparison"], line["replicate"])
        replicate = found.setdefault(place, Replicate(line["replicate"], []))
        if line["kind"] == "arm":
            told = (line["loaded"], line["warm_up"], line["peak_rss_bytes"], line.get("repeated_ns", []))
            replicate.workers[line["arm"]] = WorkerReport(*told)
        else:
            assert isinstance(replicate.blocks, list)
            replicate.blocks.append(_block(line))
    comparisons = sorted({comparison for comparison, _ in found})
    return {number: [found[place] for place in sorted(found) if place[0] == number] for number in comparisons}


def read_extras(path: Path) -> dict[int, dict[tuple[str, str], list[Message]]]:
    """What was seen beside each comparison, by kind and arm."""
    found: dict[int, dict[tuple[str, str], list[Message]]] = {}
    for line in _lines(path, "cold", "window", "energy"):
        found.setdefault(line["comparison"], {}).setdefault((line["kind"], line["arm"]), []).append(line["seen"])
    return found


def read_question(path: Path) -> Request | None:
    """What was asked; None in a file of a kdeploy that did not write it down."""
    found = next(_lines(path, "request"), None)
    return None if found is None else Request.model_validate(found["request"])


def read_ends(path: Path) -> dict[int, Stopped]:
    """Which rule ended each comparison; one that was interrupted is not there."""
    return {line["comparison"]: line["stopped"] for line in _lines(path, "end")}


def read_floors(path: Path) -> list[FloorSample]:
    return [FloorSample(line["runtime"], line["threads"], line["ns"]) for line in _lines(path, "floor")]


def read_probes(path: Path) -> list[Probe]:
    return [
        Probe(line["threads"], Task(line["place"], line["name"], line["size"]), line["work"], line["ns"])
        for line in _lines(path, "probe")
    ]


def _lines(path: Path, *kinds: str) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (line for line in map(json.loads, lines) if line["kind"] in kinds)


def _block(line: dict[str, Any]) -> Block:
    names = ("block", "order", "arm", "resume_ns", "wrong", "void", "idle_cpu_ns", "counters")
    return Block(ns=array("q", line["ns"]), **{name: line[name] for name in names})
