"""Families of made inputs, each with the truth about it: what a model must answer to hard inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kdeploy.parity import hard_inputs
from kdeploy.parity.oracle import Oracle
from kdeploy.parity.truth import Truth

TIED = 32  # real inputs among which near ties are looked for


class MadeFamily(NamedTuple):
    """A family of made inputs, float32 (inputs, *shape), and the truth about them."""

    name: str
    inputs: np.ndarray
    oracle: Oracle


def made_families(
    truth: Truth,
    inputs: np.ndarray,
    oracle: Oracle,
    each: int = hard_inputs.EACH,
    advance: Callable[[int], None] = lambda _done: None,
    *,
    ties: bool = True,
) -> list[MadeFamily]:
    """Every family that a model has finite answers to.

    Args:
        inputs: real ones, float32 (inputs, *shape), of which `oracle` is.
        each: inputs of a family, at most.
        advance: called with the number of families that are done.
        ties: are near ties among them, for which the truth is asked in float32, by ONNX Runtime?
    """
    arrays = {name: array[:each] for name, array in hard_inputs.families(hard_inputs.spec_of(inputs)).items()}
    if ties:
        spread = np.linspace(0, len(inputs) - 1, min(TIED, len(inputs))).astype(int)
        tied = hard_inputs.near_ties(truth.logits, np.ascontiguousarray(inputs[spread]), each)
        arrays |= {"near ties": tied} if len(tied) else {}
    families = []
    for done, (name, array) in enumerate(arrays.items(), 1):
        families.append(with_truth(name, array, truth, oracle))
        advance(done)
    return [family for family in families if family is not None]


def with_truth(name: str, inputs: np.ndarray, truth: Truth, real: Oracle) -> MadeFamily | None:
    """A family with the truth about it, without the inputs for which that is not finite: a network that divides by the
    spread of an image has no answer to a constant one."""
    oracle = truth.oracle(inputs)
    finite = np.isfinite(oracle.logits).all(axis=1)  # (inputs,)
    if not finite.all():
        inputs = inputs[finite]
        oracle = truth.oracle(inputs) if len(inputs) else oracle
    if not (len(inputs) and np.isfinite(oracle.float32_error)):
        return None
    return MadeFamily(name, inputs, with_noise(oracle, real))


def with_noise(oracle: Oracle, real: Oracle) -> Oracle:
    """An oracle of few inputs, where float32 may be right by luck: its noise is at least that on real inputs, and more
    where the logits are larger. Smaller logits, as of a near tie, are sums of numbers as large as ever."""
    scale, real_scale = (float(np.abs(one.logits).max()) for one in (oracle, real))
    least = real.float32_error * max(scale / real_scale if real_scale else 1.0, 1.0)
    return oracle._replace(float32_error=max(oracle.float32_error, least))
