"""A set that is larger than what is kept in memory: its decoding, and how soon it is open again.

    python benchmarks/large_set.py [--count 60000] [--side 224] [--folder TMPDIR]

Makes a folder of JPEG pictures, decodes it as the stage `samples` of a run does, in a process of its own whose
anonymous memory (RssAnon) is read every 50 ms, and opens it in a second process, whose clock starts before the data
are looked for. Asked for: under 1 GiB, and under 2 s. All of it is removed at the end.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

MEMORY_BYTES, OPEN_SECONDS = 1 << 30, 2.0  # asked for
CLASSES = 10
RUN = """
import sys
from pathlib import Path
from kdeploy import api
from kdeploy.verbs.prepare import Options
api.run(sys.argv[1], Options(runs=Path(sys.argv[2]), data_root=Path(sys.argv[3])), upto="samples")
"""
OPEN = """
import sys, time
from pathlib import Path
from kdeploy.pipeline import order
from kdeploy.verbs.prepare import Options, prepare
from kdeploy.samples import sampleset
began, spent = time.monotonic(), time.process_time()
job, _ = prepare(sys.argv[1], Options(runs=Path(sys.argv[2]), data_root=Path(sys.argv[3])))
job.prints = order.fingerprints(job)
count = len(job.samples())
print(time.monotonic() - began, time.process_time() - spent, count)
"""


def make(folder: Path, count: int, side: int) -> None:
    """Pictures of random colours on a coarse grid, all different."""
    draws = np.random.default_rng(0)
    for name in range(CLASSES):
        (folder / f"{name}").mkdir(parents=True)
    for row in range(count):
        coarse = Image.fromarray(draws.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((side, side), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=75)
        (folder / f"{row % CLASSES}" / f"{row:06d}.jpg").write_bytes(buffer.getvalue())


def anonymous_bytes(pid: int) -> int:
    """The anonymous memory of a process now; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon")), 0)


def decoded(recipe: Path, runs: Path, data: Path) -> tuple[float, int]:
    """Seconds and the most anonymous memory of the stage `samples`."""
    began, most = time.monotonic(), 0
    with subprocess.Popen([sys.executable, "-c", RUN, str(recipe), str(runs), str(data)]) as child:
        while child.poll() is None:
            most = max(most, anonymous_bytes(child.pid))
            time.sleep(0.05)
    if child.returncode:
        raise SystemExit(child.returncode)
    return time.monotonic() - began, most


def opened(recipe: Path, runs: Path, data: Path) -> tuple[float, float, int]:
    """Seconds until the set is open in another process, those of the processor, and its samples."""
    command = [sys.executable, "-c", OPEN, str(recipe), str(runs), str(data)]
    seconds, spent, count = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(spent), int(count)


def main(count: int, side: int, place: Path | None) -> bool:
    """Is what was asked for met?"""
    with tempfile.TemporaryDirectory(prefix="kdeploy-large-", dir=place) as name:
        folder = Path(name)
        began = time.monotonic()
        make(folder / "data" / "pictures", count, side)
        print(f"made {count} pictures in {time.monotonic() - began:.0f} s")
        recipe = folder / "large.yaml"
        recipe.write_text(
            "name: large\ndata: {images: pictures}\nteacher: [{model: mlp, hidden: [64]}]\n", encoding="utf-8"
        )
        seconds, most = decoded(recipe, folder / "runs", folder / "data")
        size = count * side * side * 3
        print(f"samples: {size / 1e9:.2f} GB decoded in {seconds:.0f} s, RssAnon at most {most / 2**20:.0f} MiB")
        again, spent, samples = opened(recipe, folder / "runs", folder / "data")
        print(f"open again: {samples} samples in {again:.2f} s, of the processor {spent:.2f} s")
    return most < MEMORY_BYTES and again < OPEN_SECONDS


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    sys.exit(0 if main(arguments.count, arguments.side, arguments.folder) else 1)
