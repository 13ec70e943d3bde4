"""The mixture of a loss on the teacher's outputs with hard labels (Hinton, Vinyals and Dean 2015, section 2).

    L_i = (1 - w_i) soft_i + w_i hard_i        hard_i: the loss on the targets (`targets`), at temperature 1

with w_i the hard weight where sample i has a label, else 0: a sample without one has its soft part whole.
"""

from __future__ import annotations

from torch import Tensor

from kdeploy.losses.targets import are_known, target_losses
from kdeploy.outputs.terms import OutputsName


def mixed_with_labels(
    soft: Tensor, student_logits: Tensor, labels: Tensor, hard_weight: float, kind: OutputsName = "classes"
) -> Tensor:
    """Each sample's weighted sum of its soft part and its label, shape (batch,); its mean is the loss.

    Args:
        soft: soft_i, shape (batch,).
        student_logits: as the student gives them, shape (batch, classes).
        labels: the targets of that kind of outputs; of classes int64 (batch,), -1 where a sample has none.
        hard_weight: from 0 to 1.
    """
    # a sample that is ignored has the value 0 here, and the weight 0 as well
    hard = target_losses(kind, student_logits, labels)
    weights = hard_weight * are_known(labels).to(soft.dtype)
    return (1 - weights) * soft + weights * hard
