from __future__ import annotations

import pytest
import torch
from torch import nn

from kdeploy.models import shallow
from kdeploy.training.optimizers import optimizers
from kdeploy.training.options import Optimizer, TrainingOptions

STUDENT = {"shape": (1, 8, 8), "classes": 3, "convolutions": [(4, 3, 2)], "bottleneck": 5, "hidden": [6]}


def student() -> shallow.ShallowStudent:
    return shallow.seeded(0, **STUDENT, mean=(0.5,), std=(0.3,), batch_norm=True)


def moved_by(kind: Optimizer, net: nn.Module) -> dict[str, set[str]]:
    """The names of the parameters that each optimizer moves."""
    made = optimizers(net, TrainingOptions(lr=0.1, weight_decay=0.01, optimizer=kind))
    names = {id(value): name for name, value in net.named_parameters()}
    return {
        type(one).__name__: {names[id(value)] for group in one.param_groups for value in group["params"]}
        for one in made
    }


@pytest.mark.parametrize("kind", ["adamw", "sgd", "muon"])
def test_together_they_move_everything_that_is_trained_once(kind: Optimizer):
    net = student()
    moved = list(moved_by(kind, net).values())
    assert set().union(*moved) == {name for name, value in net.named_parameters() if value.requires_grad}
    assert sum(map(len, moved)) == len(set().union(*moved))


def test_muon_moves_the_matrices_but_that_of_the_logits():
    found = moved_by("muon", student())
    assert found["Muon"] == {"bottleneck.weight", "hidden.0.weight"}
    assert {"features.0.weight", "logits.weight", "logits.bias"} < found["AdamW"]


def test_a_net_without_matrices_has_one_optimizer():
    assert list(moved_by("muon", nn.Sequential(nn.Conv2d(1, 2, 3)))) == ["AdamW"]


def test_a_net_of_one_matrix_has_one_optimizer():
    assert list(moved_by("muon", nn.Linear(2, 3, bias=False))) == ["Muon"]


def test_a_step_of_muon_has_the_size_that_adamw_would_give_it():
    layer = nn.Linear(300, 100, bias=False)
    before = layer.weight.detach().clone()
    optimizer = optimizers(layer, TrainingOptions(lr=0.1, optimizer="muon"))[0]
    layer(torch.randn(400, 300, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    optimizer.step()
    # 0.2 of AdamW's first step, in which every weight moves by the learning rate; Newton and Schulz are rough
    moved = (layer.weight.detach() - before).square().mean().sqrt().item()
    assert moved == pytest.approx(0.2 * 0.1, rel=0.3)


def test_sgd_has_nesterovs_momentum_and_decays_in_the_gradient():
    group = optimizers(student(), TrainingOptions(lr=0.1, weight_decay=0.01, optimizer="sgd"))[0].param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"], group["weight_decay"]) == (0.1, 0.9, True, 0.01)
