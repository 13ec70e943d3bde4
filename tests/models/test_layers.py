from __future__ import annotations

import pytest
import torch
from torch import nn

from kdeploy.errors import ModelError
from kdeploy.models.layers import last_linear_call, named_layer, nearest

NET = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3), nn.Softmax(1))


def test_the_last_call_of_a_linear_layer_is_kept_with_what_it_read_and_gave():
    batch = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), last_linear_call(NET) as calls:
        assert calls == []
        NET(batch)
        NET(batch)
    [call] = calls
    assert (call.name, call.layer is NET[2]) == ("2", True)
    assert torch.equal(call.read, NET[:2](batch))
    assert torch.equal(call.gave, NET[:3](batch))
    assert not any(layer._forward_hooks for layer in NET)


def test_a_layer_is_found_by_its_name_and_the_network_has_none():
    assert named_layer(NET, "2", "net", "must name a layer") is NET[2]
    with pytest.raises(ModelError) as caught:
        named_layer(NET, "", "net", "must name a layer")
    assert str(caught.value) == "net: must name a layer. The last are: 0, 1, 2, 3."


def test_the_nearest_name_is_advised_where_one_is_near():
    assert nearest("heads.fc", ["body", "head.fc"]) == "Did you mean 'head.fc'?"
