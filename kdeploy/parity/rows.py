"""What every answer of a classifier must be before it is compared: a row for each input, of finite numbers."""

from __future__ import annotations

import numpy as np

from kdeploy.errors import NonFiniteError, ParityError


def check_rows(logits: np.ndarray, count: int, where: str) -> None:
    """Refuse logits that are not (count, classes).

    Raises: ParityError.
    """
    if logits.ndim != 2 or len(logits) != count:
        must, got = f"must answer {count} inputs with a row of logits each", f"logits of shape {logits.shape}"
        advice = "Its batch is lost or baked in on the way: export it again with a dynamic one."
        raise ParityError(where, must, got=got, advice=advice)


def check_finite(logits: np.ndarray, where: str, first: str = "") -> None:
    """Refuse logits (inputs, classes) of which some are NaN or infinite, on inputs that it must be able to answer.

    Args:
        first: where that begins, as ", first at node 'log' (Log)".
    Raises: NonFiniteError.
    """
    broken = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
    if broken:
        got = f"{broken} of {len(logits)} inputs have NaN or infinity among theirs{first}"
        advice = "Nothing can be compared with those: look at how it was trained or exported."
        raise NonFiniteError(where, "must answer with finite logits", got=got, advice=advice)
