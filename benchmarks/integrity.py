"""What it costs that nothing altered is gone on from: a run that is done already, and a label store that is opened.

    python benchmarks/integrity.py [--recipe mnist-5k] [--runs runs] [--bytes 1000000000]

The store is opened twice in one process, as it is read in a training, against the same blocks mapped without a look at
their digests; the run is a process of its own, as people start it, after it was done once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from kdeploy.labels.store import BLOCK_ROWS, HEADER, Reader, write
from kdeploy.records.labels import LabelHeader
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.system.progress import Progress

CLASSES = 500
RUN_SECONDS, OPEN_SECONDS = 1.5, 0.1  # asked for


def seconds(work: Callable[[], object]) -> float:
    """The time of one call."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def header(size: int) -> LabelHeader:
    """That of a store of about so many bytes, in one view."""
    spec = Preprocessing(input="image", kind="image", shape=(1, 8, 8), dtype="uint8", scale=1.0)
    return LabelHeader(
        kind="logits",
        dtype="float16",
        teacher="0",
        samples="0",
        preprocessing=spec,
        views={},
        precision="fp32",
        batch=256,
        class_names=tuple(map(str, range(CLASSES))),
        shape=(1, max(1, size // (2 * CLASSES)), CLASSES),
    )


def mapped(folder: Path) -> list[np.ndarray]:
    """The blocks of a store without any comparison."""
    blocks = LabelHeader.read(folder / HEADER).blocks
    return [np.load(folder / block.path, mmap_mode="r", allow_pickle=False) for block in blocks]


def opened(size: int) -> bool:
    """Time a store; whether it is opened as fast as was asked for."""
    block = np.random.default_rng(0).standard_normal((BLOCK_ROWS, CLASSES), np.float32)
    with tempfile.TemporaryDirectory(prefix="kdeploy-integrity-") as place:
        folder, expected = Path(place), header(size)
        write(folder, expected, lambda _view, start, stop: block[: stop - start], Progress())
        first = seconds(lambda: Reader(folder, expected))
        again = median(seconds(lambda: Reader(folder, expected)) for _ in range(5))
        without = median(seconds(lambda: mapped(folder)) for _ in range(5))
    more = again - without
    sys.stdout.write(
        f"label store of {size / 1e9:.2f} GB: opened in {first:.3f} s, again in {again:.3f} s, "
        f"without a look at digests in {without:.3f} s: {more:.3f} s more (asked for: at most {OPEN_SECONDS})\n"
    )
    return more <= OPEN_SECONDS


def run_again(recipe: str, runs: str) -> bool:
    """Time a run that is done; whether it is as fast as was asked for."""
    command = [Path(sys.executable).with_name("kdeploy"), "run", recipe, "--runs", runs]

    def run() -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode not in (0, 5):  # 5: a gate that a busy machine missed
            raise SystemExit(done.stderr)

    run()
    took = [seconds(run) for _ in range(7)]
    sys.stdout.write(
        f"kdeploy run {recipe}, all done: {median(took):.2f} s, {min(took):.2f} to {max(took):.2f} in {len(took)} runs "
        f"(asked for: at most {RUN_SECONDS})\n"
    )
    return median(took) <= RUN_SECONDS


def main() -> int:
    options = argparse.ArgumentParser(description="Time what integrity costs.")
    options.add_argument("--recipe", default="mnist-5k")
    options.add_argument("--runs", default="runs")
    options.add_argument("--bytes", type=int, default=10**9)
    asked = options.parse_args()
    passed = [opened(asked.bytes), run_again(asked.recipe, asked.runs)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
