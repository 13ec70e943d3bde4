from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from kdeploy.losses.hints import hint_loss
from tests.losses.logits import pairs


def test_the_loss_is_the_mean_square_of_each_samples_distance():
    projected, features = torch.tensor([[1.0, 2.0], [0.0, 5.0]]), torch.tensor([[0.0, 4.0], [3.0, 1.0]])
    # squares 1 and 4 in the first row, 9 and 16 in the second
    assert hint_loss(projected, features).tolist() == [2.5, 12.5]


@settings(deadline=None)
@given(pair=pairs(classes=1))
def test_the_gradient_is_twice_the_difference_over_batch_and_width(pair: tuple[Tensor, Tensor]):
    projected, features = pair
    projected.requires_grad_()
    hint_loss(projected, features).mean().backward()
    expected = 2 * (projected.detach() - features) / features.numel()
    torch.testing.assert_close(projected.grad, expected, rtol=1e-12, atol=1e-15)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError) as caught:
        hint_loss(torch.zeros(2, 3), torch.zeros(2, 1))
    assert str(caught.value) == "a hint must have the shape of the student's projection (got (2, 3) and (2, 1))"
