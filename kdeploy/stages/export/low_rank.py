"""The student at a lower rank: which rank, and what it costs on real inputs.

    tolerance t: the least r with  max |z_r - z| <= t max |z|,    z and z_r the logits of the trained network and at
    rank r

both in float64 on held-out inputs. Every rank is tried from below, for an error on inputs need not fall with the
rank, as that of the weights does. One rank more adds one column: y_r = y_(r-1) + p_r s_r (q_r x).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.records.export import LowRank
from kdeploy.transforms.rank import Decomposition, at_rank, decompose, lower_rank

INPUTS = 1000  # the most that are measured


@dataclass(frozen=True)
class Rank:
    """What the recipe asks for: `rank`, or a `tolerance` of the relative logit error; one of them is None."""

    rank: int | None = None
    tolerance: float | None = None

    def __str__(self) -> str:
        return f"{{rank: {self.rank}}}" if self.rank is not None else f"{{tolerance: {self.tolerance:g}}}"


class Reduced(NamedTuple):
    """The chain at a lower rank, the same in float64 and never rounded, and what it costs; D and H of the map."""

    layers: nn.Sequential
    exact: nn.Sequential
    cost: LowRank
    inputs: int
    outputs: int


@torch.no_grad()  # not inference mode: its tensors could not be counted with gradients, as torch wants it
def reduce(chain: nn.Sequential, request: Rank, inputs: np.ndarray, kind: Kind = CLASSES) -> Reduced | str:
    """The trained chain at a lower rank; a reason when no rank that saves anything is within the tolerance.

    Args:
        inputs: held out, preprocessed, float32 (inputs, *shape); the first 1,000 are measured.
        kind: of the outputs.
    Raises: ModelError for a rank that the network cannot have, or that would save nothing.
    """
    double, batch = copy.deepcopy(chain).double().eval(), torch.from_numpy(inputs[:INPUTS]).double()
    decomposition, logits = decompose(double), double(batch)
    rank = request.rank
    if rank is None and decomposition is not None:
        assert request.tolerance is not None
        rank = least_rank(double, decomposition, request.tolerance, batch, logits)
        if rank is None:
            below = f"{_full_rank(decomposition)} of {decomposition.called}"
            return f"no rank below {below} is within the tolerance {request.tolerance:g}"
    outcome = lower_rank(chain, rank or 1)
    if not outcome.done:
        advice = "Ask for a lower rank." if decomposition is not None else "Set it to auto."
        raise ModelError("export.bottleneck", f"cannot be {request}", got=outcome.reason, advice=advice)
    assert decomposition is not None
    assert rank is not None
    exact = at_rank(double, decomposition, rank)
    cost = _cost(decomposition, rank, logits, exact(batch), kind)
    return Reduced(outcome.layers, exact, cost, decomposition.right.shape[1], len(decomposition.left))


def least_rank(
    chain: nn.Sequential, decomposition: Decomposition, tolerance: float, batch: Tensor, logits: Tensor
) -> int | None:
    """The least rank whose relative logit error is within the tolerance, and which saves multiply-adds; or None.

    Args:
        batch: float64 (inputs, *shape).
        logits: the chain's own on them, float64 (inputs, classes).
    """
    before, behind = (
        chain[: decomposition.place],
        chain[decomposition.place + (1 if decomposition.width is None else 2) :],
    )
    scores = before(batch) @ decomposition.right.T * decomposition.values  # (inputs, ..., n)
    outputs = decomposition.bias.expand(*scores.shape[:-1], -1)
    limit = tolerance * float(logits.abs().max())
    for rank in range(1, _full_rank(decomposition)):
        outputs = outputs + scores[..., rank - 1 : rank] * decomposition.left[:, rank - 1]
        if float((behind(outputs) - logits).abs().max()) <= limit:
            return rank
    return None


def _full_rank(decomposition: Decomposition) -> int:
    """The least rank that saves nothing: that of a pair's own map, or the break-even of a single layer."""
    return decomposition.most if decomposition.width is not None else decomposition.most + 1


def _cost(decomposition: Decomposition, rank: int, logits: Tensor, cut: Tensor, kind: Kind) -> LowRank:
    off = (cut - logits).abs()
    following = float(decomposition.values[rank]) if rank < len(decomposition.values) else 0.0
    return LowRank(
        rank=rank,
        full_rank=len(decomposition.values),
        inputs=len(logits),
        max_abs_error=float(off.max()),
        mean_abs_error=float(off.mean()),
        relative_error=float(off.max() / logits.abs().max()),
        spectral_error=following / float(decomposition.values[0]),
        agreement=kind.agreement(cut.numpy(), logits.numpy()),
    )


def in_words(cost: LowRank) -> str:
    """A cost in words: `rank 21 of 64, logits off by at most 0.0123 (0.1 % of the largest), mean 0.0011, ...`."""
    return (
        f"rank {cost.rank} of {cost.full_rank}, logits off by at most {cost.max_abs_error:.3g} "
        f"({100 * cost.relative_error:.2g} % of the largest), {cost.mean_abs_error:.2g} on average, "
        f"agreement {100 * cost.agreement:.2f} % with the trained network on {cost.inputs} held-out inputs"
    )
