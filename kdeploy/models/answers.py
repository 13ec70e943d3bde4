"""What a teacher from outside answers, before anybody believes it: logits that are finite, and the same each time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from kdeploy.errors import MeasuredError, ModelError, NonFiniteError
from kdeploy.outputs.terms import OutputsName

SUMS_TO_1 = 1e-4
ROUNDING = 1e-5  # of the largest logit: an accelerator may add in another order when it is asked again


def logits_from(answer: object, rows: int, where: str) -> Tensor:
    """The answer to a batch of so many rows, where it is logits: floats of shape (rows, classes).

    Raises: ModelError when it is anything else.
    """
    if isinstance(answer, Tensor) and answer.is_floating_point() and answer.ndim == 2 and len(answer) == rows:
        return answer
    got = f"{answer.dtype} of shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
    must = f"must answer with logits, one tensor of floats of shape (batch, classes), for {rows} inputs"
    raise ModelError(where, must, got=got.removeprefix("torch."))


def must_be_finite(answer: Tensor, where: str) -> Tensor:
    """The logits or features (rows, width) themselves.

    Raises: NonFiniteError when one is NaN or infinite.
    """
    broken = int((~answer.isfinite()).any(1).sum())
    if broken:
        got = f"NaN or infinity for {broken} of {len(answer)} inputs"
        raise NonFiniteError(where, "must answer with finite numbers", got=got)
    return answer


def must_be_logits(answers: np.ndarray, where: str, outputs: OutputsName = "classes") -> None:
    """Refuse answers (rows, classes) of which every row is probabilities, or the logarithms of some; of several labels
    where every answer is one. Values are no logits.

    Raises: ModelError. That is seen from the numbers: rows of several logits do not sum to 1 by chance, nor do their
        exponentials.
    """
    if outputs == "labels" and answers.min() >= 0 and answers.max() <= 1:
        must, got = "must answer with logits", "all are from 0 to 1, as probabilities"
        raise ModelError(where, must, got=got, advice="Return what goes into its last sigmoid.")
    if outputs != "classes" or answers.shape[1] == 1:
        return
    for said, values in (("probabilities", answers), ("logarithms of probabilities", np.exp(np.minimum(answers, 1)))):
        if values.min() >= 0 and values.max() <= 1 + SUMS_TO_1 and np.abs(values.sum(1) - 1).max() <= SUMS_TO_1:
            must, got = "must answer with logits", f"the rows are {said}, which sum to 1"
            raise ModelError(where, must, got=got, advice="Return what goes into its last softmax.")


def must_repeat(
    asked: Callable[[Tensor], Tensor], again: Callable[[Tensor], Tensor], batch: Tensor, where: str
) -> None:
    """Ask twice about one batch, of some rows.

    Raises: MeasuredError when the answers differ.
    """
    # copies: a network may write into what it is given
    first, second = asked(batch.clone()), again(batch.clone())
    if first.shape != second.shape:
        got = f"{tuple(first.shape)}, and then {tuple(second.shape)}"
    elif (error := float((first - second).abs().max())) > ROUNDING * float(first.abs().max()):
        got = f"its logits differ by up to {error:.3g}"
    else:
        return
    raise MeasuredError(
        where,
        "must answer the same when it is asked twice in evaluation mode",
        got=got,
        advice="Take out what is random or counts its calls, and make what it computes with parameters or buffers.",
    )
