"""A sealed file of tensors is one that any reader of safetensors takes, and shows every flipped bit."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from kdeploy.errors import IntegrityError
from kdeploy.system.sealed_tensors import read_sealed, sealed
from tests.altered import flip

TENSORS = {"a": torch.arange(5.0), "b": torch.zeros(0, 2), "seal": torch.ones(1)}


def _sealed(metadata: dict[str, str]) -> bytes:
    return sealed(partial(save, TENSORS), metadata)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=70), max_size=3))
def test_tensors_and_metadata_come_back(tmp_path_factory, metadata):
    metadata.pop("seal", None)
    path = tmp_path_factory.mktemp("one") / "a"
    path.write_bytes(_sealed(metadata))
    content, found = read_sealed(path, must="", advice="")
    assert found == metadata
    assert {name: value.tolist() for name, value in load(content).items()} == {
        name: value.tolist() for name, value in TENSORS.items()
    }


@pytest.mark.parametrize("place", range(len(_sealed({"step": "3"}))))
def test_each_flipped_bit_is_found(tmp_path: Path, place: int):
    path = tmp_path / "a"
    for bit in (0, 5, 7):
        path.write_bytes(_sealed({"step": "3"}))
        flip(path, place, bit)
        with pytest.raises(IntegrityError, match=r"^.*: must be whole \((sealed|it has no seal)"):
            read_sealed(path, must="must be whole", advice="")


def test_a_file_without_a_seal_is_refused(tmp_path: Path):
    path = tmp_path / "a"
    for content in (save(TENSORS), save(TENSORS, {"step": "1"}), b"", b"no", b"\xff" * 9):
        path.write_bytes(content)
        with pytest.raises(IntegrityError) as caught:
            read_sealed(path, must="must be whole", advice="Again.")
        assert str(caught.value) == f"{path}: must be whole (it has no seal). Again."
