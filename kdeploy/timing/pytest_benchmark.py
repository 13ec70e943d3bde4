"""A benchmark in the JSON of pytest-benchmark, which `pytest-benchmark compare` reads like its own.

One benchmark an arm, the arms of a comparison in one group. A round is a block and its datum the mean time of the
block's calls in seconds, so a percentile of `data` is not a latency percentile. `extra_info.kdeploy` says from which
replicate each datum comes, and what may be claimed: that tool compares points, without an interval.
"""

from __future__ import annotations

import json
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdeploy.records.bench import Arm, BenchRecord, Comparison
from kdeploy.system.files import commit_bytes
from kdeploy.timing.raw import NAME, Replicate, read_replicates
from kdeploy.timing.request import ModelRole

FILE = "pytest-benchmark.json"
LAYOUT = "5.3.1"  # the version of pytest-benchmark whose layout this is


def export(record: BenchRecord, folder: Path) -> Path:
    """Write the file into the folder of a finished benchmark, next to its raw samples; the path of the file."""
    text = json.dumps(document(record, read_replicates(folder / NAME)), indent=1, allow_nan=False)
    commit_bytes(folder / FILE, f"{text}\n".encode())
    return folder / FILE


def document(record: BenchRecord, replicates: Mapping[int, Sequence[Replicate]]) -> dict[str, Any]:
    """The whole document; an arm of which every block is void has no benchmark."""
    return {
        "machine_info": _machine(record),
        "commit_info": {"id": "unversioned", "project": record.tool.name, "dirty": False},
        "benchmarks": list(_benchmarks(record, replicates)),
        "datetime": record.created,
        "version": LAYOUT,
    }


def stats(data: Sequence[float], iterations: int) -> dict[str, Any]:
    """The statistics that pytest-benchmark computes of at least one datum, quartiles by the methods that it names."""
    mean, spread = statistics.mean(data), statistics.stdev(data) if len(data) > 1 else 0
    ordered, first, third = sorted(data), _quartile(data), -_quartile([-value for value in data])
    fence = (first - 1.5 * (third - first), third + 1.5 * (third - first))
    far, outside = _outside(data, mean - spread, mean + spread), _outside(data, *fence)
    return {
        **{"min": ordered[0], "max": ordered[-1], "mean": mean, "stddev": spread, "rounds": len(data)},
        **{"median": statistics.median(data), "iqr": third - first, "q1": first, "q3": third},
        **{"iqr_outliers": outside, "stddev_outliers": far, "outliers": f"{far};{outside}"},
        "ld15iqr": ordered[bisect_left(ordered, fence[0])],
        "hd15iqr": ordered[bisect_right(ordered, fence[1]) - 1],
        **{"ops": len(data) / sum(data), "total": sum(data), "data": list(data), "iterations": iterations},
    }


def _benchmarks(record: BenchRecord, replicates: Mapping[int, Sequence[Replicate]]) -> Iterator[dict[str, Any]]:
    for number, compared in enumerate(record.comparison):
        roles: dict[ModelRole, str] = {"baseline": compared.baseline, "candidate": compared.candidate}
        for role, name in roles.items():
            blocks = [(one.number, block.ns) for one in replicates.get(number, ()) for block in one.counted(role)]
            if blocks:
                yield _benchmark(compared, record.arm(name), blocks)


def _benchmark(compared: Comparison, arm: Arm, blocks: Sequence[tuple[int, Sequence[int]]]) -> dict[str, Any]:
    """`blocks` are pairs of a replicate's number and the calls of one of its blocks, ns."""
    calls = [len(ns) for _, ns in blocks]
    params = {"model": arm.model, "runtime": compared.runtime, "batch": compared.batch, "threads": compared.threads}
    return {
        "group": f"{compared.runtime}, batch {compared.batch}, threads {compared.threads}",
        "name": arm.name,
        "fullname": f"kdeploy bench::{arm.name}",
        "params": params,
        "param": arm.model,
        "extra_info": {"kdeploy": _provenance(compared, arm, [number for number, _ in blocks], calls)},
        "options": _OPTIONS,
        "stats": stats([sum(ns) / len(ns) / 1e9 for _, ns in blocks], round(statistics.median(calls))),
    }


def _provenance(compared: Comparison, arm: Arm, replicate: list[int], calls: list[int]) -> dict[str, Any]:
    median, ratio = arm.latency_ns.median if arm.latency_ns else None, compared.ratio
    return {
        "schema": BenchRecord.SCHEMA,
        "arm": arm.name,
        "role": arm.role,
        "replicate": replicate,
        "calls": calls,
        "median_ci_ns": median.ci if median else None,
        "ratio_ci": ratio.ci if ratio else None,
        "level": ratio.level if ratio else None,
        "status": compared.claim.status,
    }


_OPTIONS = {
    "disable_gc": True,
    "timer": "perf_counter",
    "min_rounds": 1,
    "max_time": None,
    "min_time": None,
    "precision": None,
    "confidence": None,
    "warmup": True,
}


def _machine(record: BenchRecord) -> dict[str, Any]:
    host = record.host
    return {
        "node": host.id[:16],
        "machine": None,
        "system": host.os,
        "release": host.kernel,
        "python_version": record.software.python,
        "cpu": {"brand_raw": host.cpu_model, "count": host.logical_cpus, "flags": list(host.isa)},
        "runtimes": dict(record.software.runtimes),
    }


def _quartile(data: Sequence[float]) -> float:
    """The first one, by https://en.wikipedia.org/wiki/Quartile: method 2 for an even number of data, else method 3."""
    ordered, place = sorted(data), len(data) // 4
    if len(data) == 1:
        return ordered[0]
    if len(data) % 2 == 0:
        return statistics.median(ordered[: len(data) // 2])
    if len(data) % 4 == 1:
        return 0.25 * ordered[place - 1] + 0.75 * ordered[place]
    return 0.75 * ordered[place] + 0.25 * ordered[place + 1]


def _outside(data: Sequence[float], low: float, high: float) -> int:
    return sum(value < low or value > high for value in data)
