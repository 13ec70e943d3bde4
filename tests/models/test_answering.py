from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.models.answering import answering_layer, must_end_linear

BATCH = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))


def test_the_last_linear_layer_answers_where_nothing_stands_behind_it():
    net = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3)).train()
    found = answering_layer(net, BATCH)
    assert found is not None
    assert (found.name, found.layer is net[4]) == ("4", True)
    assert net.training
    assert all(layer.training for layer in net)
    assert int(net[1].num_batches_tracked) == 0
    assert not any(layer._forward_hooks for layer in net)


def test_what_a_softmax_gives_is_no_layers_answer():
    assert answering_layer(nn.Sequential(nn.Linear(6, 3), nn.Softmax(1)), BATCH) is None


def test_a_network_without_linear_layers_has_none():
    assert answering_layer(nn.Conv1d(6, 3, 1), BATCH[:, :, None]) is None


class Twice(nn.Module):
    """Two heads, of which the second one registered is called first."""

    def __init__(self) -> None:
        super().__init__()
        self.answers, self.asked = nn.Linear(3, 3), nn.Linear(6, 3)

    def forward(self, batch: Tensor) -> Tensor:
        return self.answers(self.asked(batch))


def test_the_last_one_called_counts_and_not_the_last_one_registered():
    found = answering_layer(Twice(), BATCH)
    assert found is not None
    assert found.name == "answers"


@pytest.mark.parametrize(
    ("net", "got"),
    [
        (nn.Sequential(nn.Linear(6, 3), nn.Softmax(1)), "its outputs come from elsewhere"),
        (nn.Sequential(nn.Linear(6, 3, bias=False)), "layer '0' has none"),
    ],
)
def test_a_last_layer_that_is_to_be_changed_has_a_bias(net: nn.Module, got: str):
    with pytest.raises(ModelError) as caught:
        must_end_linear(net, BATCH, "mine")
    assert str(caught.value) == (
        f"mine: must end in a linear layer with a bias, for values or distill.match_prior ({got}). "
        "Put such a layer at its end."
    )
