"""What a network without a teacher learns by, for each kind of outputs: the loss on the targets themselves.

    classes   cross-entropy
    labels    sum over the labels of the binary cross-entropy of sigmoid(z)
    values    1/2 sum over the columns of (v - y)^2, both standardised

What nobody knows counts for nothing: a class of -1, a label or a value that is NaN.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from kdeploy.outputs.terms import OutputsName


def target_losses(kind: OutputsName, outputs: Tensor, targets: Tensor) -> Tensor:
    """Each sample's loss on its targets, shape (batch,); 0 where nothing is known of it.

    Args:
        outputs: float (batch, width).
        targets: int64 (batch,) of classes; else float32 (batch, width).
    """
    if kind == "classes":
        return functional.cross_entropy(outputs, targets, ignore_index=-1, reduction="none")
    known = ~targets.isnan()
    filled = targets.nan_to_num()
    if kind == "labels":
        losses = functional.binary_cross_entropy_with_logits(outputs, filled, reduction="none")
    else:
        losses = (outputs - filled).square() / 2
    return (losses * known).sum(1)


def target_loss(kind: OutputsName, outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean over a batch, of samples of which something is known."""
    if kind == "classes":
        return functional.cross_entropy(outputs, targets)
    return target_losses(kind, outputs, targets).mean()


def are_known(targets: Tensor) -> Tensor:
    """Of which samples something is known, bool of shape (batch,)."""
    return targets >= 0 if targets.ndim == 1 else (~targets.isnan()).any(1)
