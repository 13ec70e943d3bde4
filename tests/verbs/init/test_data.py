"""From data as people keep them to a sample set: `kdeploy init`, then the stage `samples` of its recipe."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from kdeploy import api
from kdeploy.pipeline.samples import SAMPLES
from tests import made
from tests.program import inside

ROWS = 60
Y = np.arange(ROWS) % 3
NAMES = np.array(["ant", "bee", "cat"])
COLOR = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 9, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def keras(root: Path) -> Path:
    own = {"x_test": COLOR[:12] / 255, "y_test": Y[:12, None]}
    np.savez(root / "set.npz", x_train=COLOR / 255, y_train=Y[:, None], **own)
    return root / "set.npz"


def npy(root: Path) -> Path:
    np.save(root / "images.npy", COLOR.astype(np.int64))
    np.save(root / "labels.npy", np.eye(3)[Y])
    return root / "images.npy"


def parquet(root: Path) -> Path:
    columns = {"img": [encoded(one) for one in COLOR], "species": pa.array(NAMES[Y]).dictionary_encode()}
    pq.write_table(pa.table(columns), root / "insects.parquet")
    return root / "insects.parquet"


def folder(root: Path) -> Path:
    for split, rows in (("Training", range(ROWS)), ("TESTING", range(12)), ("valid", range(12, 24))):
        for row in rows:
            place = root / "set" / split / f"{Y[row] + 9}" / f"{row}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(encoded(COLOR[row]))
    return root / "set"


def modes(root: Path) -> Path:
    for row in range(ROWS):
        place = root / "set" / NAMES[Y[row]] / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(COLOR[row], mode=("RGB", "L", "RGBA", "P")[row % 4]))
    (root / "set" / "notes.txt").touch()
    return root / "set"


# how the data are made, the classes, what is assumed, and what the recipe says of the data beside where they are
CASES: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], list[str], str]] = {
    "keras": (
        keras,
        ("0", "1", "2"),
        [
            "x_train, x_test is the input, y_train, y_test the labels",
            "y_train (72, 1) is read as one label a row",
            "x (72, 8, 9, 3) is read with its channels last (NHWC)",
        ],
        "",
    ),
    "npy": (
        npy,
        ("0", "1", "2"),
        ["labels (60, 3) is read as one-hot", "images int64 from 0 to 255 is read as pixels"],
        "",
    ),
    "parquet": (
        parquet,
        tuple(NAMES),
        ["column img is the input, species the labels", "species has the names of 3 classes"],
        "",
    ),
    "folder": (
        folder,
        ("9", "10", "11"),
        ["valid is held out", "classes are in the order of their numbers, 9 to 11"],
        "",
    ),
    "modes": (
        modes,
        tuple(NAMES),
        [
            "1 file left out, no images: notes.txt",
            "15 images of mode L read as RGB",
            "15 images of mode P read as RGB",
            "15 images of mode RGBA read as RGB",
        ],
        ', mode: "RGB"',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_data_become_a_recipe_and_a_sample_set(tmp_path: Path, case: str):
    make, names, assumed, says = CASES[case]
    data, out = make(tmp_path), tmp_path / "recipe.yaml"
    made.linear(tmp_path / "teacher.onnx", (3, 8, 9))
    found = inside("init", "--teacher", tmp_path / "teacher.onnx", "--data", data, "--out", out, "--no-time")
    assert found.code == 0, found.stderr
    lines = [line.removeprefix("assumed: ") for line in found.stdout.splitlines()[1:-1]]
    assert lines == assumed
    text = out.read_text()
    assert [line for line in assumed if f"# Assumed: {line}.\n" not in text] == []
    assert f'"{data.name}"{says}' in text
    job = api.run(out, api.Options(runs=tmp_path / "runs", data_root=tmp_path), upto="samples")
    record = job.read(SAMPLES)
    assert (list(record.assumed), record.class_names, record.shape) == (assumed, names, (3, 8, 9))
    plan = inside("plan", out, "--no-time", "--data-root", tmp_path, "--runs", tmp_path / "runs")
    assert [line for line in assumed if f"assumed: {line}" not in plan.stdout.splitlines()] == []
