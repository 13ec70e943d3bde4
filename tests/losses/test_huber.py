from __future__ import annotations

import torch

from kdeploy.losses.huber import huber


def test_it_is_squared_near_0_and_linear_beyond_1():
    assert huber(torch.tensor([[0.5, 0.0], [5.0, 0.0]]), torch.zeros(2, 2)).tolist() == [0.125, 4.5]
