"""The most anonymous memory of labelling and distilling, for more views and for more samples.

    python benchmarks/memory.py

Each setting runs in a process of its own on a sample set that is mapped from disk; RssAnon of /proc/self/status is read
every 10 ms. What is mapped is not counted: the kernel takes it back when it needs it. Asked for: within 10 %.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import torch
from material import header, made_up_samples

from kdeploy.labels.store import Reader
from kdeploy.losses.options import LossOptions
from kdeploy.models import shallow
from kdeploy.models.classifier import ModuleClassifier
from kdeploy.models.students import StudentOptions
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.feed import Feed
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.views.views import Views
from kdeploy.stages import distill, labels
from kdeploy.system.progress import Progress
from kdeploy.training.loop import software
from kdeploy.training.options import TrainingOptions

SHAPE = (3, 32, 32)
COLOURED = Preprocessing(input="image", kind="image", shape=SHAPE, dtype="uint8", scale=1 / 255)


class Sampler:
    """The largest RssAnon while the block runs, in bytes."""

    def __enter__(self) -> Sampler:
        self.most, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.ended.wait(0.01):
            match = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
            self.most = max(self.most, 1024 * int(match[1])) if match else self.most


def work(samples: SampleSet, views: int, place: Path) -> None:
    """Label every view and learn from every view once, with networks so small that the data decides."""
    feed = Feed(samples.inputs["image"], Views(0, shift=2), COLOURED)
    sizes = {"bottleneck": None, "hidden": [16]}
    arguments = {"shape": SHAPE, "classes": 10, "mean": (0.5,) * 3, "std": (0.3,) * 3}
    teacher = ModuleClassifier(shallow.seeded(0, **arguments, **sizes), device=torch.device("cpu"), precision="fp32")
    store_header, versions = header(samples, COLOURED, views), software(torch.device("cpu"), "fp32")
    (place / "labels").mkdir()
    (place / "distill").mkdir()
    labels.run(
        place / "labels",
        header=store_header,
        classifier=teacher,
        feed=feed,
        samples=samples,
        software=versions,
        progress=Progress(),
    )
    logits = np.zeros((100, 10), np.float32)
    distill.run(
        place / "distill",
        student=StudentOptions("shallow", sizes),
        feed=feed,
        samples=samples,
        teacher=distill.StoredTeacher(Reader(place / "labels", store_header), logits, logits),
        options=distill.DistillOptions(
            views, TrainingOptions(batch=256), LossOptions(), seeds=1, baseline=False, device="cpu"
        ),
        progress=Progress(),
    )


def measure(count: int, views: int) -> int:
    """The peak of one setting, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, __file__, "--make", place, "--samples", str(count)], check=True)
        command = [sys.executable, __file__, "--work", place, "--views", str(views)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description="The most anonymous memory of labelling and distilling.")
    parser.add_argument("--samples", type=int, default=10_000, help="of the small set; the large one: 5 times")
    parser.add_argument("--views", type=int, default=4, help="the few; the many are 10 times as many")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        made_up_samples(options.samples, SHAPE, options.make / "samples")
    elif options.work:
        with Sampler() as sampler:
            work(SampleSet.open(options.work / "samples"), options.views, options.work)
        print(sampler.most)
    else:
        table(options.samples, options.views)


def table(samples: int, views: int) -> None:
    """Three settings, and the ratios."""
    base = measure(samples, views)
    print(f"{samples} samples, {views} views: {base / 1e6:.1f} MB", flush=True)
    for count, times in ((samples, 10 * views), (5 * samples, views)):
        found = measure(count, times)
        print(f"{count} samples, {times} views: {found / 1e6:.1f} MB, ratio {found / base:.3f}", flush=True)


if __name__ == "__main__":
    main()
