"""Optimizers by name: AdamW, SGD with Nesterov momentum, Muon.

    adamw    Loshchilov and Hutter 2019
    sgd      with Nesterov momentum 0.9; weight decay is a part of the gradient
    muon     Jordan 2024: the momentum of a matrix, made orthogonal; of every matrix but that of the logits.
             AdamW moves the rest: convolutions, biases, the logits

Muon's steps are as long as AdamW's usually are, 0.2 sqrt(larger side) of an orthogonal matrix (Liu et al. 2025, "Muon
is scalable for LLM training", arXiv 2502.16982), so that one learning rate serves both.
"""

from __future__ import annotations

import torch
from torch import nn

from kdeploy.training.options import TrainingOptions

MOMENTUM = 0.9  # of sgd


def optimizers(module: nn.Module, options: TrainingOptions) -> tuple[torch.optim.Optimizer, ...]:
    """The optimizers of a training: one or two, which together move every parameter that is trained."""
    rate, decay, kind = options.lr, options.weight_decay, options.optimizer
    trained = {name: value for name, value in module.named_parameters() if value.requires_grad}
    if kind == "sgd":
        values = trained.values()
        return (torch.optim.SGD(values, rate, MOMENTUM, weight_decay=decay, nesterov=True, fused=True),)
    matrices = {name: value for name, value in trained.items() if kind == "muon" and _is_inner(name, value)}
    rest = [value for name, value in trained.items() if name not in matrices]
    instances: list[torch.optim.Optimizer] = []
    if rest:
        instances.append(torch.optim.AdamW(rest, lr=rate, weight_decay=decay, fused=True))
    if matrices:
        instances.append(
            torch.optim.Muon(matrices.values(), lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        )
    return tuple(instances)


def _is_inner(name: str, value: nn.Parameter) -> bool:
    """Is it a matrix, and not that of the logits? Our networks call their last layer so."""
    return value.ndim == 2 and not name.endswith("logits.weight")
