"""Nothing private travels: what is in the environment and the paths of this machine is in no file of bundle and report.

A whole run with secrets wherever it could find some; then every byte is looked at, inside archives too.
"""

from __future__ import annotations

import gzip
import io
import os
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from kdeploy.runtimes import installed
from tests import made
from tests.program import REPOSITORY, kdeploy

RECIPE = """\
name: given
data: {{images: pictures}}
views: {{count: 2}}
teacher: [{{onnx: "{folder}/teacher.onnx"}}, {{torch: "users.net:build", weights: "{folder}/weights.safetensors"}}]
student: {{bottleneck: 2, hidden: [16]}}
distill: {{epochs: 2, batch: 32, seeds: 1}}
export: {{formats: [{formats}], preprocess: graph}}
bench: {{replicates: 2, max_seconds: 1}}
"""
CODE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 8), nn.Linear(8, 3)

    def forward(self, batch):
        return self.last(torch.relu(self.first(batch.flatten(1))))


def build():
    torch.manual_seed(1)
    return Net()
"""
FORMATS = ("onnxruntime:int8", "onnxruntime:fp16", "openvino", "ncnn", "ort", "tract", "executorch", "litert")
VARIABLES = {
    "HF_TOKEN": "hf_zebrafinch",
    "AWS_SECRET_ACCESS_KEY": "wombat/secret",
    "KDEPLOY_TOKEN": "lemurkey",
    "OMP_PASSWORD": "walruspass",
    "USER": "pangolin",
    "LOGNAME": "pangolin",
    "MALLOC_CONF": "prof_prefix:/home/hoatzin/prof",
}


class Places(NamedTuple):
    """Where a run with secrets is, and what must not be found."""

    runs: Path
    secrets: tuple[str, ...]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A finished run in a home with a name of its own."""
    home = tmp_path_factory.mktemp("quetzal")
    data, folder, temporary = home / "axolotl", home / "capybara", home / "dugong"
    for one in (data, folder / "users", temporary):
        one.mkdir(parents=True)
    _pictures(data / "pictures")
    made.linear(folder / "teacher.onnx", (1, 8, 8))
    (folder / "users" / "net.py").write_text(CODE)
    _weights(folder / "weights.safetensors")
    here = [name for name in FORMATS if name.partition(":")[0] in installed.available()]
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(folder=folder, formats=", ".join(here)))
    changes = VARIABLES | {"HOME": str(home), "KDEPLOY_DATA": str(data), "TMPDIR": str(temporary)}
    changes["PYTHONPATH"] = str(folder)
    done = kdeploy("run", recipe, "--runs", home / "ibex", "--trust", folder=folder, **changes)
    assert done.code == 0, done.stderr
    words = ("quetzal", "axolotl", "capybara", "ibex", "dugong", "zebrafinch", "wombat", "lemurkey", "walruspass")
    places = (str(REPOSITORY), "/tmp/", "/site-packages/", "pangolin", "hoatzin", socket.gethostname())
    return Places(home / "ibex", (*words, *(place for place in places if len(place) > 4)))


def _pictures(folder: Path) -> None:
    archive = made.images(folder.parent / "all.npz")
    with np.load(archive) as stored:
        for number, (pixels, label) in enumerate(zip(stored["x"], stored["y"], strict=True)):
            path = folder / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    archive.unlink()


def _weights(path: Path) -> None:
    shapes = {"first.weight": (8, 64), "first.bias": (8,), "last.weight": (3, 8), "last.bias": (3,)}
    torch.manual_seed(2)
    save_file({name: torch.rand(shape) / 8 for name, shape in shapes.items()}, path)


def _layers(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Bytes, and those that are packed in them."""
    yield name, content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for inner in archive.namelist():
                yield from _layers(f"{name}!{inner}", archive.read(inner))
    if content.startswith(b"\x1f\x8b"):
        yield from _layers(f"{name}!", gzip.decompress(content))


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from _layers(path.relative_to(folder).as_posix(), path.read_bytes())


@pytest.mark.parametrize("stage", ["bundle", "report"])
def test_no_secret_of_this_machine_travels(places: Places, stage: str):
    found = [
        f"{secret!r} is in {name}"
        for name, content in _files(places.runs / stage)
        for secret in places.secrets
        for encoding in ("utf-8", "utf-16-le")
        if secret.encode(encoding) in content or os.fsencode(secret) in os.fsencode(name)
    ]
    assert found == []


def test_the_search_finds_what_is_hidden(places: Places):
    names = [name for name, _ in _files(places.runs / "bundle")]
    assert any(name.endswith("given.zip!given/student.onnx") for name in names)
    assert any(name.endswith("golden/inputs.npz!model.image.npy") for name in names)
    index = (places.runs / "given.json").read_text()
    assert "axolotl" in index  # what is needed to run again stays
    assert "capybara" in index
