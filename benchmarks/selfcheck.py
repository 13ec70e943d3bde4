"""Is the benchmark to be believed? Its proofs on this machine, each a section of RESULTS.md.

    python benchmarks/selfcheck.py [--only aa] [--runs 60] [--dry]

    aa        a model against itself in quick mode: how many runs find a difference (asked: at most 2 of 60)
    spin      two models that spin on the clock, 3 ms and 1 ms (asked: 3 in the interval, half-width <= 2 %, 5 minutes)
    refusals  everything that must be refused, with the code that it was
    others    models over 1 ms beside openvino's benchmark_app and a bare onnxruntime loop (asked: within 5 %)

On a machine that does nothing else. What is asked stands next to the result; a miss is printed as one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sections
from othertools import beside_others
from plainmodels import dense, inputs_of
from spinning_runtime import SPOILED, SpinningModel, comparison, install, spoiled

from kdeploy.errors import KdeployError
from kdeploy.records.bench import BenchRecord, Comparison
from kdeploy.system import host
from kdeploy.timing.analysis.statistics import relative_half_width
from kdeploy.timing.machine.cpus import bench_cpus
from kdeploy.timing.recompute import recompute
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Request, Settings
from kdeploy.timing.subprocess_run import run_in_fresh_process

MINUTES_5 = 300_000_000_000
MOST_HALF_WIDTH = 0.02
MOST_FALSE = 2 / 60


@dataclass(frozen=True)
class Part:
    """One proof: what it asks for, and how it is found out."""

    asked: str
    lines: Callable[[Path, argparse.Namespace], list[str]]


def measured(request: ComparisonRequest, folder: Path, settings: Settings) -> BenchRecord:
    return run_in_fresh_process(Request(comparisons=(request,), settings=settings), folder)


def against_itself(folder: Path, options: argparse.Namespace) -> list[str]:
    model, inputs = dense(folder / "model.onnx", (784, 300, 10)), inputs_of(folder / "inputs.npz", (784,))
    arm = ArmRequest(model="model", artefact=model, inputs=inputs)
    request = ComparisonRequest(baseline=arm, candidate=arm, runtime="onnxruntime")
    began, results = time.monotonic(), []
    for seed in range(options.runs):
        settings = Settings.quick(Settings(seed=seed, min_effect=0))
        results.append(measured(request, folder / "out", settings).comparison[0])
        tell(f"run {seed + 1} of {options.runs}", results[-1])
    intervals = sum(one.ratio is not None and one.ratio.ci is not None for one in results)
    excluding = sum(excludes_1(one) for one in results)
    claiming = sum(excludes_1(one) and one.claim.status in ("supported", "indicative") for one in results)
    refused = sum(one.claim.status == "refused" for one in results)
    return [
        f"Runs: {options.runs}; intervals: {intervals}; {excluding} exclude 1, {claiming} of these in a claim; runs "
        f"refused: {refused}. "
        f"{time.monotonic() - began:.0f} s, a dense net 784-300-10 on onnxruntime.",
        met(excluding <= MOST_FALSE * options.runs and intervals == options.runs),
    ]


def excludes_1(result: Comparison) -> bool:
    return (
        result.ratio is not None and result.ratio.ci is not None and not result.ratio.ci[0] <= 1 <= result.ratio.ci[1]
    )


def spinning(folder: Path, options: argparse.Namespace) -> list[str]:
    pair = comparison(folder / "pair", *(SpinningModel(ns, spread=0.005) for ns in (3_000_000, 1_000_000)))
    looks = (12, 24, 48) if options.runs >= 12 else (8,)
    record = measured(pair, folder / "out", Settings(looks=looks, limit_ns=MINUTES_5))
    result = record.comparison[0]
    tell("3 ms against 1 ms", result)
    if result.ratio is None or result.ratio.ci is None:
        return [f"No interval: {result.claim.text}.", met(False)]
    (low, high), seconds = result.ratio.ci, record.duration_ns / 1e9
    width = relative_half_width_of(low, high)
    return [
        f"Ratio {result.ratio.value:.4f}, 99 % interval {low:.4f} to {high:.4f}, half-width {width:.2%}, "
        f"{result.ratio.n_pairs} process pairs, {seconds:.0f} s; {result.claim.status}. Every process draws a factor "
        "(sd 0.5 %) for its time.",
        met(low <= 3 <= high and width <= MOST_HALF_WIDTH and seconds <= 300),
    ]


def relative_half_width_of(low: float, high: float) -> float:
    from kdeploy.timing.analysis.statistics import Estimate

    return relative_half_width(Estimate(1.0, low, high)) or 0.0


def refusals(folder: Path, options: argparse.Namespace) -> list[str]:
    settings = Settings.quick(Settings()).model_copy(update={"looks": (min(options.runs, 8),)})
    rows = []
    for kind, (code, _) in SPOILED.items():
        result = measured(spoiled(folder, kind, 900_000), folder / "out", settings).comparison[0]
        rows.append((kind, code, *outcome(result)))
        tell(kind, result)
    with hog():
        pair = comparison(folder / "hog", SpinningModel(900_000), SpinningModel(300_000))
        result = measured(pair, folder / "out", settings).comparison[0]
    rows.append(("a CPU hog beside the arms", "R07", *outcome(result)))
    rows.append(("an edited result", "exit 4", *edited(folder / "out")))
    wrong = [row[0] for row in rows if row[1] not in row[2]]
    return [*sections.table(("what", "asked", "codes", "in words"), rows), met(not wrong)]


def outcome(result: Comparison) -> tuple[str, str]:
    codes = sorted({reason.code for reason in result.claim.reasons})
    return f"{result.claim.status}: {' '.join(codes)}", result.claim.text


def edited(folder: Path) -> tuple[str, str]:
    """The exit code and the message for a refused result that was edited into a supported one."""
    path = folder / "bench.json"
    record = BenchRecord.read(path)
    found = record.comparison[0]
    better = found.model_copy(update={"claim": found.claim.model_copy(update={"status": "supported"})})
    path.write_bytes(record.model_copy(update={"comparison": (better,)}).sealed())
    try:
        recompute(folder)
    except KdeployError as exc:
        return f"exit {exc.exit_code}", str(exc).removeprefix(f"{path}: ")
    return "exit 0", "it was taken"


@contextmanager
def hog() -> Iterator[None]:
    """A process that never rests, on the CPU that is measured."""
    program = f"import os\nos.sched_setaffinity(0, [{cpu()}])\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def cpu() -> int:
    return bench_cpus(host.allowed_cpus(), 1)[0]


def tell(what: str, result: Comparison) -> None:
    print(f"{what}: {result.claim.text}", flush=True)


def met(yes: bool) -> str:
    return "Met." if yes else "NOT MET."


PARTS = {
    "aa": Part(
        "a model against itself in quick mode, quality and least effect off: at most 2 of 60 exclude 1", against_itself
    ),
    "spin": Part("two models of exact ratio 3: the interval contains 3, half-width <= 2 % within 5 minutes", spinning),
    "refusals": Part("each of these is refused with its code", refusals),
    "others": Part(
        "median latency within 5 % of openvino's benchmark_app and of a bare onnxruntime loop, three runs in turns",
        lambda folder, asked: beside_others(folder, cpu(), asked.seconds, asked.repeats),
    ),
}


def section(name: str, part: Part, lines: list[str], load: float) -> list[str]:
    names = host.library_versions(("kdeploy", "onnxruntime", "openvino", "numpy"))
    return [
        f"## selfcheck: {name}",
        "",
        f"- command: `python benchmarks/selfcheck.py --only {name}`",
        f"- machine: {host.cpu_model()}, {host.logical_cpus()} CPUs, load {load:.1f}; {host.os_name()}",
        f"- versions: {sections.versions(names)}",
        "",
        f"Asked: {part.asked}.",
        "",
        *lines,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="The proofs of the benchmark on this machine.")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="a part; repeatable [default: all]")
    parser.add_argument("--runs", type=int, default=60, help="of aa; fewer than 12 make the other parts short as well")
    parser.add_argument("--repeats", type=int, default=3, help="of others, each tool in turn")
    parser.add_argument("--seconds", type=float, default=10, help="that each of the other tools may take")
    parser.add_argument("--dry", action="store_true", help="print, and leave RESULTS.md as it is")
    options = parser.parse_args()
    for name in options.only or PARTS:
        with tempfile.TemporaryDirectory() as place:
            os.environ["PYTHONPATH"] = str(install(Path(place)))
            load = os.getloadavg()[0]
            lines = section(name, PARTS[name], PARTS[name].lines(Path(place), options), load)
        print("\n".join(lines), flush=True)
        if not options.dry:
            sections.replace(f"selfcheck-{name}", lines)


if __name__ == "__main__":
    main()
