from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from torch import nn

from kdeploy.errors import IntegrityError, ModelError, NonFiniteError
from kdeploy.models.weights import _check_finite, load_weights, save_weights
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
    assert str(caught.value) == f"{path}: weights must be finite (NaN or infinity: 1 of 6 in weight)."
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


@pytest.mark.parametrize(("found", "got"), [([1], "list"), ({"epoch": 3}, "dict"), ({3: torch.zeros(1)}, "dict")])
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


def safetensors_file(path: Path, header: str, data: bytes = bytes(24)) -> Path:
    text = header.encode("utf-8", "surrogatepass")
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


ENTRY = '{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'
TWICE = "must have each key of its header once"
NAMES = "must name each tensor with at most 200 letters, digits, '_', '.' and '-'"
ALONE = "tensor 'weight' must have a dtype, a shape and data_offsets, and nothing else"
AGAIN = "Get the file again from where it came, or save the weights anew."
HEADERS = {
    f'{{"weight":{ENTRY},"weight":{ENTRY}}}': f"{TWICE} ('weight' comes 2 times)",
    f'{{"weight":{ENTRY},"\\u0077eight":{ENTRY}}}': f"{TWICE} ('weight' comes 2 times)",
    f'{{"weight":{ENTRY},"__metadata__":{{"a":"1","a":"2"}}}}': f"{TWICE} ('a' comes 2 times)",
    f'{{"__metadata__":{{}},"weight":{ENTRY},"__metadata__":{{}}}}': f"{TWICE} ('__metadata__' comes 2 times)",
    '{"weight":{"dtype":"F32","dtype":"F16","shape":[2,3],"data_offsets":[0,24]}}': f"{TWICE} ('dtype' comes 2 times)",
    f'{{"../../x":{ENTRY}}}': f"{NAMES} ('../../x')",
    f'{{"":{ENTRY}}}': f"{NAMES} ('')",
    f'{{"we\\u001b[31might":{ENTRY}}}': f"{NAMES} ('we\\x1b[31might')",
    f'{{"wei\u202eght":{ENTRY}}}': f"{NAMES} ('wei\\u202eght')",
    f'{{"weight\\u0000":{ENTRY}}}': f"{NAMES} ('weight\\x00')",
    f'{{"{"w" * 201}":{ENTRY}}}': f"{NAMES} ('{'w' * 80}')",
    '{"weight":["F32",[2,3],[0,24]]}': f"{ALONE} (['F32', [2, 3], [0, 24]])",
    '{"weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24],"loader":"os:system"}}': (
        f"{ALONE} ({{'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24], 'loader': 'os:system')"
    ),
}


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_header_that_two_readers_may_take_differently_is_refused(tmp_path: Path, header: str):
    path = safetensors_file(tmp_path / "net.safetensors", header)
    with pytest.raises(IntegrityError) as caught:
        load_weights(nn.Linear(3, 2, bias=False), path)
    assert str(caught.value) == f"{path}: {HEADERS[header]}. {AGAIN}"


@pytest.mark.parametrize(
    "header",
    ["[]", "7", "{", f'{{"weight":{ENTRY},"__metadata__":{{"a":1}}}}', '{"weight":{"dtype":"F32"}}', "[" * 100_000],
    ids=range(6),
)
def test_a_header_that_is_none_is_bad_input(tmp_path: Path, header: str):
    path = safetensors_file(tmp_path / "net.safetensors", header)
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Linear(3, 2, bias=False), path)
    assert str(caught.value).startswith(f"{path}: must be a safetensors file (Error while deserializing header: ")


def test_a_plain_header_by_hand_is_read(tmp_path: Path):
    path = safetensors_file(tmp_path / "net.safetensors", f'{{"weight":{ENTRY},"__metadata__":{{"a":"1"}}}}  ')
    net = nn.Linear(3, 2, bias=False)
    load_weights(net, path)
    assert not net.weight.any()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_that_are_no_numbers_are_refused_named_and_counted(tmp_path: Path, suffix: str):
    net, path = nn.Linear(2, 3), tmp_path / f"net{suffix}"
    before = net.weight.detach().clone()
    state = {"weight": torch.full((3, 2), torch.nan), "bias": torch.tensor([0.0, torch.inf, 1.0])}
    if suffix == ".pt":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    with pytest.raises(NonFiniteError) as caught:
        load_weights(net, path)
    assert str(caught.value) in (
        f"{path}: weights must be finite (NaN or infinity: 6 of 6 in weight, 1 of 3 in bias).",
        f"{path}: weights must be finite (NaN or infinity: 1 of 3 in bias, 6 of 6 in weight).",
    )
    assert torch.equal(net.weight, before)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e5m2, torch.complex64])
def test_every_type_of_float_is_looked_at(tmp_path: Path, kind: torch.dtype):
    state = {"a": torch.tensor([1, torch.nan]).to(kind), "b": torch.ones(2, dtype=torch.int64)}
    with pytest.raises(NonFiniteError) as caught:
        _check_finite(state, tmp_path)
    assert caught.value.got == "NaN or infinity: 1 of 2 in a"


def test_a_pickle_with_an_odd_name_is_refused(tmp_path: Path):
    path = tmp_path / "net.pt"
    torch.save({"../../x": torch.zeros(1)}, path)
    with pytest.raises(IntegrityError) as caught:
        load_weights(nn.Linear(2, 3), path)
    assert str(caught.value) == f"{path}: {NAMES} ('../../x'). {AGAIN}"


def test_a_net_whose_weights_could_not_be_read_again_is_not_written(tmp_path: Path):
    net, path = nn.ModuleDict({"a/b": nn.Linear(2, 3)}), tmp_path / "net.safetensors"
    with pytest.raises(ModelError) as caught:
        save_weights(net, path, {})
    assert str(caught.value) == f"{path}: {NAMES} ('a/b.weight'). Rename that layer."
    assert not path.exists()
