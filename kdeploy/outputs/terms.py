"""What a recipe may say of each kind of outputs; without NumPy, which reading a recipe does without."""

from __future__ import annotations

from typing import Literal, NamedTuple

OutputsName = Literal["classes", "labels", "values"]


class Terms(NamedTuple):
    """The terms of one kind.

    Args:
        losses: what a student of it learns by; the first is the default.
        stores: the `labels.kind` that its teacher's rows may be stored as.
        unsuited: the keys of `distill` that have no meaning for it.
        standardizes: are its outputs numbers in a unit, which a network learns as multiples of their spread?
    """

    losses: tuple[str, ...]
    stores: tuple[str, ...] = ("logits", "features")
    unsuited: tuple[str, ...] = ("weighting", "mixture", "selection", "match_prior")
    standardizes: bool = False


TERMS: dict[OutputsName, Terms] = {
    "classes": Terms(
        ("logit-mse", "probability-mse", "soft-targets", "decoupled", "correlation"),
        ("logits", "probabilities", "topk", "features"),
        (),
    ),
    "labels": Terms(("logit-mse", "binary")),
    "values": Terms(
        ("squared", "huber"),
        unsuited=("weighting", "mixture", "selection", "match_prior", "standardize", "noise"),
        standardizes=True,
    ),
}
