from __future__ import annotations

import pytest
import torch

from kdeploy.errors import ModelError
from kdeploy.models import user_network
from tests.models import user_code


def test_a_users_module_has_its_own_first_weights():
    built = user_network.build("tests.models.user_code:build", {})
    assert torch.equal(built[2].weight, user_code.build()[2].weight)  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("tests.models.no_such_code:build", "No module named 'tests.models.no_such_code'"),
        ("tests.models.user_code:missing", "module 'tests.models.user_code' has no attribute 'missing'"),
    ],
)
def test_code_that_cannot_be_found_is_an_error(name: str, got: str):
    with pytest.raises(ModelError) as caught:
        user_network.build(name, {})
    assert str(caught.value) == f"{name}: must be an importable package.module:function ({got}). Look at PYTHONPATH."


def test_code_that_builds_no_module_is_an_error():
    with pytest.raises(ModelError) as caught:
        user_network.build("tests.models.user_code:build_a_number", {})
    assert str(caught.value) == "tests.models.user_code:build_a_number: must return a torch.nn.Module (int)."


def test_arguments_are_those_of_the_call():
    net = user_network.build("torch.nn:Linear", {"in_features": 3, "out_features": 2})
    assert net.weight.shape == (2, 3)


def test_an_argument_that_the_function_has_not_is_its_callers_fault():
    with pytest.raises(ModelError) as caught:
        user_network.build("tests.models.user_code:build", {"width": 3})
    got = "build() got an unexpected keyword argument 'width'"
    assert str(caught.value) == f"tests.models.user_code:build: must build a network ({got})."
