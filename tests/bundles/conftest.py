"""A small real bundle: one convolution and one linear layer on 1x28x28 grey images."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.verify import verify
from kdeploy.bundles.write import Golden, write
from kdeploy.errors import KdeployError
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.preprocessing_numpy import apply_numpy

NAME = "tiny-digits"
SPEC = Preprocessing(input="image", kind="image", shape=(1, 28, 28), dtype="uint8", scale=1 / 255)
LABELS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VERSIONS = {"kdeploy": "0.1.0", "onnxruntime": onnxruntime.__version__}
FILES = (
    "README.md",
    "bundle_core.py",
    "evidence/parity.json",
    "formats/openvino/model.bin",
    "formats/openvino/model.xml",
    "golden/inputs.npz",
    "golden/outputs.npz",
    "labels.json",
    "predict.py",
    "preprocessing.json",
    "student.onnx",
    "verify.py",
)


class Outcome(NamedTuple):
    """What a check said: exit code, and the sentence (empty when it passed)."""

    code: int
    message: str


def write_model(path: Path, batch: int | str = "n", *, external: bool = False) -> Path:
    draws = np.random.default_rng(3)
    kernel = draws.standard_normal((4, 1, 5, 5)).astype(np.float32)
    linear = draws.standard_normal((10, 4 * 12 * 12)).astype(np.float32) / 10
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["maps"], strides=[2, 2]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("Flatten", ["active"], ["flat"]),
        helper.make_node("Gemm", ["flat", "linear"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(linear, "linear")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path, save_as_external_data=external, size_threshold=0)
    return path


def pixels(count: int = 5) -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)


def direct_logits(model: Path, canonical: np.ndarray[Any, Any], rows: int | None = None) -> np.ndarray[Any, Any]:
    """The logits, by ONNX Runtime itself."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    prepared = apply_numpy(SPEC, canonical)
    steps = range(0, len(prepared), rows or len(prepared))
    parts = [session.run(["logits"], {"x": prepared[at : at + (rows or len(prepared))]})[0] for at in steps]
    return np.concatenate(parts)


def arguments(folder: Path, **changes: Any) -> dict[str, Any]:
    """All that `write` takes but the place, from files made in `folder`."""
    model = write_model(folder / "student.onnx")
    (folder / "model.xml").write_text("<net/>")
    (folder / "model.bin").write_bytes(bytes(64))
    return {
        "name": NAME,
        "model": model,
        "formats": {"openvino": folder / "model.xml"},
        "preprocessing": [SPEC],
        "class_names": LABELS,
        "golden": Golden({"image": pixels()}, direct_logits(model, pixels()), 1e-4),
        "evidence": {"evidence/parity.json": b'{"schema": "kdeploy.parity/1"}\n'},
        "versions": VERSIONS,
        **changes,
    }


def build(folder: Path, **changes: Any) -> BundleRecord:
    """Write the bundle into `folder/out`."""
    (folder / "out").mkdir(exist_ok=True)
    return write(folder / "out", **arguments(folder, **changes))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bundle/` and the zip; not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder / "out"


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(built / "bundle", tmp_path / "bundle"))


def run_program(folder: Path, program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """One of the bundle's programs, in an interpreter that ignores environment and working folder."""
    command = [sys.executable, "-I", str(folder / program), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder.parent)


def by_kdeploy(path: Path) -> Outcome:
    try:
        verify(path)
    except KdeployError as exc:
        return Outcome(exc.exit_code, str(exc))
    return Outcome(0, "")


def by_itself(path: Path) -> Outcome:
    done = run_program(path, "verify.py")
    return Outcome(done.returncode, done.stderr.strip())


@pytest.fixture(params=[by_kdeploy, by_itself], ids=["kdeploy", "standalone"])
def check(request: pytest.FixtureRequest) -> Callable[[Path], Outcome]:
    """Both ways to check a folder; they must say the same."""
    return request.param  # type: ignore[no-any-return]


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and seal it again, as someone does who knows how."""
    path = folder / "manifest.json"
    found = json.loads(path.read_bytes())
    del found["seal"]
    change(found)
    path.write_bytes(core.sealed(found))


def replace(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replace files and correct the manifest, as someone does who wants the hashes to hold."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    promises = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in contents.items()
    }
    edit_manifest(folder, lambda found: found["files"].update(promises))


@pytest.fixture
def float_bundle(tmp_path: Path) -> Path:
    """A bundle whose canonical samples are float32 arrays, not images."""
    folder = tmp_path / "float"
    folder.mkdir()
    spec = Preprocessing(input="image", kind="array", shape=(1, 28, 28), dtype="float32")
    given = arguments(folder)
    samples = pixels().astype(np.float32) * np.float32(1 / 255)
    build(folder, preprocessing=[spec], golden=given["golden"]._replace(inputs={"image": samples}))
    return folder / "out" / "bundle"


@pytest.fixture
def pair_bundle(tmp_path: Path) -> Path:
    """A bundle whose model adds two inputs of three numbers each, named out of order."""
    folder = tmp_path / "pair"
    folder.mkdir()
    shape = ["n", 3]
    graph = helper.make_graph(
        [helper.make_node("Sub", ["sound", "image"], ["logits"])],
        "pair",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("sound", "image")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "pair.onnx"
    )
    specs = [Preprocessing(input=name, kind="array", shape=(3,), dtype="float32") for name in ("image", "sound")]
    image, sound = np.eye(3, dtype=np.float32), np.full((3, 3), 2, np.float32)
    golden = Golden({"image": image, "sound": sound}, sound - image, 1e-6)
    build(folder, model=folder / "pair.onnx", preprocessing=specs, golden=golden, class_names=("a", "b", "c"))
    return folder / "out" / "bundle"
