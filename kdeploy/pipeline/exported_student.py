"""The net whose file ships: the trained student, or what a lower rank made of it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple

from kdeploy.pipeline.job import Job

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class Shipped(NamedTuple):
    """A net in float32; `exact` is what it stands for in float64, None for the trained net, which is that itself."""

    module: nn.Module
    exact: nn.Module | None


def logits(job: Job, inputs: np.ndarray) -> np.ndarray:
    """What `student.onnx` must answer to all test inputs, preprocessed: as the training recorded it, where it did."""
    import numpy as np

    from kdeploy.parity.oracle import module_oracle

    distill, net = job.read("distill"), student(job)
    if net.exact is None:
        found: np.ndarray = np.load(job.folder("distill") / distill.chosen.logits, allow_pickle=False)
        return found
    return module_oracle(net.module, inputs, net.exact).logits.astype(np.float32)


def lost(job: Job) -> float:
    """How much accuracy on the test inputs a lower rank took from the exported student; 0 without one, or untimed."""
    bench, export = job.find("bench"), job.read("export")
    if bench is None or export.bottleneck.shipped != "refactored":
        return 0.0
    quality = next(arm.quality for arm in bench.arms if arm.role == "candidate")
    return float(job.read("distill").chosen.test_accuracy - quality.value)


def student(job: Job) -> Shipped:
    """The net that `student.onnx` must agree with."""
    from kdeploy.models import shallow
    from kdeploy.models.weights import load_weights
    from kdeploy.transforms.rank import refactor

    distill, export = job.read("distill"), job.read("export")
    trained = shallow.seeded(0, **distill.student)
    load_weights(trained, job.folder("distill") / distill.chosen.file)
    trained.eval()
    if export.bottleneck.shipped != "refactored":
        return Shipped(trained, None)
    rank, chain = export.bottleneck.width, trained.chain()
    return Shipped(refactor(chain, rank).layers, refactor(copy.deepcopy(chain).double(), rank).layers)
