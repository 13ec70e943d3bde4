"""What the benchmarks of the training core work on: digits, a label store with made-up logits, clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rounds import Clock

from kdeploy.labels import store
from kdeploy.records.labels import LabelHeader
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.progress import Progress

DIGIT = Preprocessing(input="image", kind="image", shape=(1, 28, 28), dtype="uint8", scale=1 / 255)


class Stopwatch(Progress):
    """The seconds of the steps of one task, the first few of which do not count."""

    def __init__(self, task: str, skip: int, clock: Clock) -> None:
        self.name, self.skip, self.clock, self.seconds = task, skip, clock, 0.0

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        started = 0.0

        def advance(done: int) -> None:
            nonlocal started
            if description == self.name and done == self.skip:
                started = self.clock()
            if description == self.name and done == total:
                self.seconds = self.clock() - started

        yield advance


def made_up_samples(count: int, shape: tuple[int, ...], folder: Path | None = None) -> SampleSet:
    """Noise as images, of which 100 more are held out and 100 are the test; from memory, or mapped from a folder."""
    draws = np.random.default_rng(0)
    total = count + 200
    samples = SampleSet(
        inputs={"image": draws.integers(0, 256, (total, *shape), dtype=np.uint8)},
        labels=np.where(np.arange(total) < count // 2, -1, draws.integers(0, 10, total)),
        parts={
            "unlabeled": np.arange(count // 2),
            "labeled": np.arange(count // 2, count),
            "held_out": np.arange(count, count + 100),
            "test": np.arange(count + 100, total),
        },
        class_names=tuple("0123456789"),
        kinds={"image": "image"},
    )
    if folder is None:
        return samples
    samples.save(folder)
    return SampleSet.open(folder)


def header(samples: SampleSet, preprocessing: Preprocessing, views: int) -> LabelHeader:
    """The header of a store for shifted views."""
    return LabelHeader(
        kind="logits",
        dtype="float16",
        teacher="benchmark",
        samples=samples.sample_hash,
        preprocessing=preprocessing,
        views={"seed": 0, "shift": 2, "count": views},
        precision="bf16",
        batch=256,
        class_names=samples.class_names,
        shape=(views, len(samples.transfer), len(samples.class_names)),
    )


def made_up_labels(folder: Path, header: LabelHeader) -> store.Reader:
    """A filled store; its logits are random numbers."""

    def label(view: int, start: int, stop: int) -> np.ndarray:
        return np.random.default_rng((view, start)).standard_normal((stop - start, header.shape[2])).astype(np.float32)

    store.write(folder, header, label, Progress())
    return store.Reader(folder, header)
