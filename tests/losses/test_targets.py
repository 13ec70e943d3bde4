from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from kdeploy.losses.targets import are_known, target_loss, target_losses

NAN = float("nan")


def test_of_classes_it_is_cross_entropy_and_one_that_is_unknown_counts_for_nothing():
    logits, labels = torch.randn(4, 3), torch.tensor([2, -1, 0, 1])
    losses = target_losses("classes", logits, labels)
    assert losses[1] == 0
    assert losses[0] == pytest.approx(functional.cross_entropy(logits[:1], labels[:1]).item())
    assert are_known(labels).tolist() == [True, False, True, True]


def test_of_values_it_is_half_the_squared_distance_of_the_known_ones():
    losses = target_losses("values", torch.tensor([[3.0, 1.0], [2.0, 2.0]]), torch.tensor([[1.0, NAN], [NAN, NAN]]))
    assert losses.tolist() == [2.0, 0.0]
    assert are_known(torch.tensor([[1.0, NAN], [NAN, NAN]])).tolist() == [True, False]
    assert target_loss("values", torch.tensor([[3.0]]), torch.tensor([[1.0]])) == 2.0


def test_of_labels_it_is_the_sum_of_binary_cross_entropies_of_the_known_ones():
    logits, targets = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([[1.0, NAN, 0.0]])
    expected = functional.softplus(torch.tensor([-2.0, 0.5])).sum()
    assert target_losses("labels", logits, targets)[0] == pytest.approx(expected.item())


def test_unknown_targets_give_no_gradient():
    for kind in ("values", "labels"):
        outputs = torch.randn(2, 2, requires_grad=True)
        target_loss(kind, outputs, torch.tensor([[1.0, NAN], [NAN, 0.0]])).backward()
        assert (outputs.grad != 0).tolist() == [[True, False], [False, True]]
