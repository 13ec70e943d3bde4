from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors
import torch
from torch import nn

from kdeploy.errors import IntegrityError, ModelError, NonFiniteError
from kdeploy.models.weights import load_weights, save_weights
from kdeploy.system.files import hash_file


def test_weights_come_back_bit_for_bit(tmp_path: Path):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    net(torch.rand(4, 1, 5, 5))  # so that the running statistics are not their initial ones
    digest = save_weights(net, tmp_path / "net.safetensors", {})
    again = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    load_weights(again, tmp_path / "net.safetensors")
    assert all(torch.equal(again.state_dict()[name], value) for name, value in net.state_dict().items())
    assert digest == hash_file(tmp_path / "net.safetensors")


def test_channels_last_weights_are_the_same_bytes(tmp_path: Path):
    net = nn.Conv2d(3, 4, 3)
    plain = save_weights(net, tmp_path / "plain.safetensors", {})
    assert save_weights(net.to(memory_format=torch.channels_last), tmp_path / "last.safetensors", {}) == plain


def test_the_file_says_how_the_net_is_built(tmp_path: Path):
    save_weights(nn.Linear(2, 3), tmp_path / "net.safetensors", {"outputs": 3, "inputs": (2,)})
    with safetensors.safe_open(tmp_path / "net.safetensors", framework="pt") as stream:
        assert json.loads(stream.metadata()["arguments"]) == {"outputs": 3, "inputs": [2]}


def test_a_net_with_a_nan_is_not_written(tmp_path: Path):
    net, path = nn.Linear(2, 3), tmp_path / "net.safetensors"
    with torch.no_grad():
        net.weight[1, 0] = torch.nan
    with pytest.raises(NonFiniteError) as caught:
        save_weights(net, path, {})
    assert str(caught.value) == f"{path}: weights must be finite (NaN or infinity in weight)."
    assert not path.exists()


def test_weights_of_another_net_are_refused_and_named(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    save_weights(nn.Linear(2, 3), path, {})
    net = nn.Linear(2, 4)
    before = net.weight.detach().clone()
    with pytest.raises(ModelError) as caught:
        load_weights(net, path)
    assert str(caught.value) == f"{path}: must hold the weights of this network (these differ: bias, weight)."
    assert torch.equal(net.weight, before)


def test_weights_of_another_type_or_of_another_name_are_refused(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    save_weights(nn.Linear(2, 3, bias=False).double(), path, {})
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Linear(2, 3), path)
    assert str(caught.value) == f"{path}: must hold the weights of this network (these differ: bias, weight)."


def test_at_most_ten_differences_are_named(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    save_weights(nn.Sequential(*[nn.Linear(2, 2) for _ in range(6)]), path, {})
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Linear(2, 2), path)
    names = "0.bias, 0.weight, 1.bias, 1.weight, 2.bias, 2.weight, 3.bias, 3.weight, 4.bias, 4.weight"
    assert str(caught.value) == f"{path}: must hold the weights of this network (these differ: {names})."


def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"not a header")
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Linear(2, 2), path)
    assert (
        str(caught.value) == f"{path}: must be a safetensors file (Error while deserializing header: header too large)."
    )


def test_an_absent_file_is_refused(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Linear(2, 2), path)
    assert str(caught.value) == (f"{path}: must be a safetensors file (No such file or directory: {path}).")


class Hostile:
    """A pickle of it runs a command when it is read as pickles are."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this code ran",)


def test_a_pickle_of_tensors_is_read(tmp_path: Path):
    net, again = nn.Linear(2, 3), nn.Linear(2, 3)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    load_weights(again, tmp_path / "net.pt")
    assert torch.equal(again.weight, net.weight)


def test_a_pickle_that_would_run_code_is_refused_and_does_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "net.pt"
    torch.save({"weight": Hostile()}, path)
    with pytest.raises(IntegrityError) as caught:
        load_weights(nn.Linear(2, 2), path)
    assert str(caught.value) == (
        f"{path}: must hold tensors alone, because reading anything else runs code (it asks for print). "
        "Where you trust it, load it and save the module's state_dict() as safetensors."
    )
    assert caught.value.exit_code == 4
    assert "this code ran" not in capfd.readouterr().out


def test_a_whole_module_in_a_pickle_is_refused(tmp_path: Path):
    path = tmp_path / "net.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(IntegrityError) as caught:
        load_weights(nn.Linear(2, 2), path)
    assert caught.value.got == "it asks for torch.nn.modules.linear.Linear"


@pytest.mark.parametrize(("found", "got"), [([1], "list"), ({"epoch": 3}, "dict")])
def test_a_pickle_that_is_no_state_dict_is_refused(tmp_path: Path, found: object, got: str):
    path = tmp_path / "net.pt"
    torch.save(found, path)
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Linear(2, 2), path)
    assert str(caught.value) == (
        f"{path}: must hold a state dict, names to tensors ({got}). "
        "Save it with: torch.save(module.state_dict(), path)."
    )


def test_a_file_that_torch_did_not_write_is_refused(tmp_path: Path):
    path = tmp_path / "net.pt"
    path.write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Linear(2, 2), path)
    assert str(caught.value).startswith(f"{path}: must be a file that torch.save wrote (")
