"""Three hooks that follow how unsure a network is: H = -sum_c p_c log p_c, the entropy of its outputs at temperature 1.

    weight       w_i = H(student_i) / log C              Li et al. 2021, "Dynamic Knowledge Distillation for Pre-trained
    selection    the share of a batch with the           Language Models" (arXiv 2109.11295), sections 4 and 5
                 largest H(student_i)
    mixture      w_im = softmax_m(-H(member_im))         after Kwon et al. 2020, "Adaptive Knowledge Distillation Based
                                                         on Entropy" (ICASSP 2020)

Selection is also that of UNIX (Xu et al. 2020, arXiv 2012.09413), which mixes the other samples where this leaves them
out. Kwon et al. weigh a teacher by 1 / H, which gives all to the surest of several sure ones; exp(-H), one over the
number of classes a teacher hesitates between, is at most C times as much for one as for another.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.hooks import Context


def entropy(logits: Tensor) -> Tensor:
    """H of each row in nats: shape (..., classes) to (...)."""
    outputs = functional.log_softmax(logits, dim=-1)
    return -(outputs.exp() * outputs).sum(dim=-1)


@torch.no_grad()
def weight_by_entropy(context: Context) -> Tensor:
    """Each sample's weight, from 0 for a student that is sure to 1 for one that knows nothing; shape (batch,)."""
    return entropy(context.student) / math.log(context.student.shape[1])


@torch.no_grad()
def select_uncertain(context: Context, share: float) -> Tensor:
    """A mask of the share of the batch of which the student is least sure, at least one sample; bool (batch,)."""
    count = max(1, round(share * len(context.student)))
    order = entropy(context.student).argsort(descending=True, stable=True)
    return torch.zeros_like(order, dtype=torch.bool).index_fill(0, order[:count], True)


@torch.no_grad()
def mix_by_certainty(context: Context) -> Tensor:
    """Weights of the members, which the context must have; they add up to 1 for each sample, shape (batch, members)."""
    assert context.members is not None
    return functional.softmax(-entropy(context.members), dim=0).T
