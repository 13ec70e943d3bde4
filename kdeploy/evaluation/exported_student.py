"""The network whose file ships: the trained student, or what a lower rank made of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from kdeploy.models import shallow
from kdeploy.models.weights import load_weights
from kdeploy.parity.module_truth import module_oracle
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import Bottleneck
from kdeploy.transforms.rank import lower_rank


class ExportedStudent(NamedTuple):
    """A network in float32; `exact` is what it stands for in float64, None for the trained network, which is that
    itself."""

    module: nn.Module
    exact: nn.Module | None


def exported_student(folder: Path, distilled: DistillRecord, bottleneck: Bottleneck) -> ExportedStudent:
    """The network that `student.onnx` must agree with.

    Args:
        folder, distilled: of the distillation.
        bottleneck: which form shipped.
    """
    trained = shallow.seeded(0, **distilled.student)
    load_weights(trained, folder / distilled.chosen.file)
    trained.eval()
    if bottleneck.shipped != "low-rank":
        return ExportedStudent(trained, None)
    assert bottleneck.width is not None
    rank, chain = bottleneck.width, trained.chain()
    return ExportedStudent(lower_rank(chain, rank).layers, lower_rank(copy.deepcopy(chain).double(), rank).layers)


def exported_logits(folder: Path, distilled: DistillRecord, bottleneck: Bottleneck, inputs: np.ndarray) -> np.ndarray:
    """What `student.onnx` must answer to all test inputs, float32 (inputs, classes): as the training recorded it, where
    it did.

    Args:
        folder, distilled, bottleneck: as of `exported_student`.
        inputs: preprocessed, float32 (inputs, *shape).
    """
    net = exported_student(folder, distilled, bottleneck)
    if net.exact is None:
        logits: np.ndarray = np.load(folder / distilled.chosen.logits, allow_pickle=False)
        return logits
    return module_oracle(net.module, inputs, net.exact).logits.astype(np.float32)
