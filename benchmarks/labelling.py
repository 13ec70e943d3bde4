"""Labelling in the product against a bare forward loop over tensors that lie ready.

    KDEPLOY_DATA=../shared/data taskset -c 1 python benchmarks/labelling.py

Product: the stage `labels` (rows, views, preprocessing, teacher, fp16 blocks with their hashes, agreement). Bare: the
same teacher in the same precision over the same batches. The ONNX teacher is read from `../teachers` beside the data.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from material import DIGIT, header, made_up_samples
from rounds import CLOCKS, Arm, Clock, compare, head, options, shown
from torch import Tensor

from kdeploy.models import deep
from kdeploy.models.classifier import Classifier, ModuleClassifier, OnnxClassifier
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes import installed
from kdeploy.samples.feed import Feed
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.views.views import Views
from kdeploy.stages import labels
from kdeploy.system import host
from kdeploy.system.progress import Progress
from kdeploy.training.loop import software

BATCH = 256
VIEWS = 2
CPU = torch.device("cpu")
PRECISION = "bf16" if host.has_bf16() else "fp32"


def product(classifier: Classifier, feed: Feed, samples: SampleSet, clock: Clock) -> Arm:
    """Fill a store; the seconds of the whole stage."""
    store_header = header(samples, feed.preprocessing, VIEWS)

    def arm() -> float:
        with tempfile.TemporaryDirectory() as folder:
            started = clock()
            labels.run(
                Path(folder),
                header=store_header,
                classifier=classifier,
                feed=feed,
                samples=samples,
                software=software(CPU, PRECISION),
                progress=Progress(),
            )
            return clock() - started

    return arm


def bare(forward: Callable[[Tensor], object], ready: list[Tensor], clock: Clock) -> Arm:
    """The teacher alone, over every batch of every view."""

    def arm() -> float:
        started = clock()
        for _ in range(VIEWS):
            for batch in ready:
                forward(batch)
        return clock() - started

    return arm


def deep_cnn(count: int) -> tuple[str, Classifier, Callable[[Tensor], object], Feed, SampleSet]:
    """The teacher of recipes/mnist-5k.yaml, untrained: it is as fast."""
    network = deep.seeded(0, shape=(1, 28, 28), classes=10, mean=(0.13,), std=(0.31,)).eval()
    classifier = ModuleClassifier(network, device=CPU, precision=PRECISION)

    @torch.inference_mode()
    def forward(batch: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=PRECISION == "bf16"):
            return network(batch)

    samples = made_up_samples(count, (1, 28, 28))
    return "deep-cnn", classifier, forward, Feed(samples.inputs["image"], Views(0, shift=2), DIGIT), samples


def onnx_cnn(path: Path, count: int) -> tuple[str, Classifier, Callable[[Tensor], object], Feed, SampleSet]:
    """A convolutional teacher for 32 x 32 colour images."""
    classifier = OnnxClassifier(path, threads=torch.get_num_threads())
    session = installed.find("onnxruntime").load(path, threads=torch.get_num_threads())
    spec = Preprocessing(input="image", kind="image", shape=(3, 32, 32), dtype="uint8", scale=1 / 255)
    samples = made_up_samples(count, (3, 32, 32))
    feed = Feed(samples.inputs["image"], Views(0, shift=2), spec)
    return path.name, classifier, lambda batch: session.run({classifier.signature.input: batch.numpy()}), feed, samples


def main() -> None:
    parser = options("Labelling in the product against a bare forward loop.", rounds=8)
    parser.add_argument("--samples", type=int, default=1024, help="of the transfer set, a multiple of 256")
    flags = parser.parse_args()
    print(head())
    teachers = [deep_cnn(flags.samples)]
    path = Path(os.environ.get("KDEPLOY_DATA") or "../shared/data").parent / "teachers" / "cifar10-cnn-a.onnx"
    if path.is_file():
        teachers.append(onnx_cnn(path, flags.samples))
    for name, classifier, forward, feed, samples in teachers:
        rows = samples.transfer
        ready = [feed.view(rows[start : start + BATCH], 0) for start in range(0, len(rows), BATCH)]
        clock = CLOCKS[flags.clock]
        estimate = compare(product(classifier, feed, samples, clock), bare(forward, ready, clock), flags.rounds)
        print(shown(f"labelling, {name}", estimate, flags.rounds, at_least=0.9), flush=True)


if __name__ == "__main__":
    main()
