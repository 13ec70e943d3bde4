"""The same model through kdeploy, openvino's benchmark_app and a bare onnxruntime loop, in turns, on one CPU.

benchmark_app: `-api sync -hint none -nthreads 1 -infer_precision f32`. The bare loop is `run` between two readings of
the clock, one thread, warmed up for a fifth of its time. Of each tool the median of its runs counts.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import sections
from plainmodels import convolutions, dense, inputs_of

from kdeploy.runtimes.installed import convert
from kdeploy.runtimes.protocol import Source
from kdeploy.timing.request import ArmRequest, ComparisonRequest, NoiseLimits, Request, Settings
from kdeploy.timing.subprocess_run import run_in_fresh_process

MOST = 0.05
PINNED = "import os, sys; os.sched_setaffinity(0, {cpu}); os.execvp(sys.argv[1], sys.argv[1:])"
BARE = """
import sys, time, statistics, numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
inputs = [{"x": row[None]} for row in np.load(sys.argv[2])["x"]]
took, began, seconds = [], time.perf_counter(), float(sys.argv[3])
while time.perf_counter() - began < 1.2 * seconds:
    feed = inputs[len(took) % len(inputs)]
    before = time.perf_counter_ns()
    session.run(None, feed)
    took.append((time.perf_counter() - began, time.perf_counter_ns() - before))
print(statistics.median(ns for at, ns in took if at > 0.2 * seconds))
"""

Row = tuple[str, str, str, float, float]


def beside_others(folder: Path, cpu: int, seconds: float, repeats: int) -> list[str]:
    """The table, and whether every row is as asked."""
    models = {
        "8 convolutions of 64 channels": (convolutions(folder / "conv64.onnx", 64, 8), (3, 32, 32)),
        "8 convolutions of 128 channels": (convolutions(folder / "conv128.onnx", 128, 8), (3, 32, 32)),
        "dense 2048-4096-4096-10": (dense(folder / "dense.onnx", (2048, 4096, 4096, 10)), (2048,)),
    }
    rows: list[Row] = []
    for name, (model, shape) in models.items():
        inputs = inputs_of(folder / f"{model.stem}.npz", shape)
        rows += [
            compared(name, "openvino", "benchmark_app", model, inputs, repeats, lambda m, _: app_ms(m, cpu, seconds)),
            compared(
                name, "onnxruntime", "bare loop", model, inputs, repeats, lambda m, i: bare_ms(m, i, cpu, seconds)
            ),
        ]
    within = all(abs(ours / theirs - 1) <= MOST for *_, ours, theirs in rows)
    cells = (
        (name, runtime, f"{ours:.3f}", tool, f"{theirs:.3f}", f"{100 * (ours / theirs - 1):+.1f} %")
        for name, runtime, tool, ours, theirs in rows
    )
    table = sections.table(("model", "runtime", "kdeploy, ms", "other", "other, ms", "kdeploy is longer by"), cells)
    return [*table, "Met." if within else "NOT MET."]


def compared(
    name: str, runtime: str, tool: str, model: Path, inputs: Path, repeats: int, other: Callable[[Path, Path], float]
) -> Row:
    """A row of the table: both tools in turns, the first one alternating."""
    ours, theirs = [], []
    for repeat in range(repeats):
        for which in (0, 1) if repeat % 2 == 0 else (1, 0):
            if which == 0:
                ours.append(kdeploy_ms(model, inputs, runtime))
            else:
                theirs.append(other(model, inputs))
    row = (name, runtime, tool, median(ours), median(theirs))
    print(f"{name}, {runtime}: kdeploy {ours}, {tool} {theirs}", flush=True)
    return row


def kdeploy_ms(model: Path, inputs: Path, runtime: str) -> float:
    """Quick mode, of the model against itself; every block counts, as the other tools leave none out."""
    import numpy as np

    folder = model.parent / f"{model.stem}-{runtime}"
    folder.mkdir(exist_ok=True)
    example = {"x": np.load(inputs)["x"][:1]}
    arm = ArmRequest(model="m", artefact=convert(runtime, Source(model, None, example, None), folder), inputs=inputs)
    asked = ComparisonRequest(baseline=arm, candidate=arm, runtime=runtime)
    record = run_in_fresh_process(
        Request(comparisons=(asked,), settings=Settings.quick(Settings(limits=NoiseLimits(voids=False)))),
        folder / "out",
    )
    assert record.arms[0].latency_ns is not None, record.comparison[0].claim.text
    return record.arms[0].latency_ns.median.value / 1e6


def app_ms(model: Path, cpu: int, seconds: float) -> float:
    """The median of benchmark_app, ms.

    Raises: RuntimeError when it says none.
    """
    tool = Path(sys.executable).with_name("benchmark_app")
    words = ["-m", str(model), "-api", "sync", "-hint", "none", "-nthreads", "1", "-infer_precision", "f32"]
    said = pinned(cpu, str(tool), *words, "-t", str(max(1, round(seconds))))
    found = re.search(r"Median:\s+([\d.]+) ms", said)
    if found is None:
        raise RuntimeError(f"benchmark_app said no median:\n{said[-2000:]}")
    return float(found[1])


def bare_ms(model: Path, inputs: Path, cpu: int, seconds: float) -> float:
    return float(pinned(cpu, sys.executable, "-c", BARE, str(model), str(inputs), str(seconds))) / 1e6


def pinned(cpu: int, *command: str) -> str:
    """What a command prints that runs on one CPU alone."""
    program = PINNED.format(cpu=[cpu])
    done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=True)
    return done.stdout
