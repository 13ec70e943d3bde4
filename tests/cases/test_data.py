"""Data as they lie about, which once were read wrongly or refused without a reason, at the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import helper
from PIL import Image

from kdeploy.recipe.load import load
from tests import made
from tests.program import Outcome, inside
from tests.samples.test_meanings_of_folders import filled


def drafted(folder: Path, data: Path, shape: tuple[int, ...], classes: int) -> Outcome:
    """`kdeploy init` with a teacher of so many classes for samples of that shape."""
    teacher = made.linear(folder / "teacher.onnx", shape, classes=classes)
    return inside("init", "--teacher", teacher, "--data", data, "--out", folder / "r.yaml", "--no-time")


def assumed(found: Outcome) -> list[str]:
    """What `kdeploy init` took for granted of the data; it wrote a recipe."""
    assert found.code == 0, found.stderr
    lines = [line.removeprefix("assumed: ") for line in found.stdout.splitlines()[1:]]
    return [line for line in lines if not line.startswith("the teacher is given")]


def refusal(found: Outcome) -> str:
    """The sentence with which it was refused."""
    assert (found.code, found.stdout) == (3, ""), found.stderr
    return found.stderr.splitlines()[-1].removeprefix("error: ")


SPLITS = [
    (["Train/a", "Train/b", "Val/a", "Val/b"], ["Val is the test part"]),
    (["seg_train/a", "seg_train/b", "test-2/a"], ["seg_train is the train part", "test-2 is the test part"]),
]


@pytest.mark.parametrize(("folders", "said"), SPLITS, ids=lambda value: value[-1])
def test_folders_of_splits_are_no_classes(tmp_path: Path, folders: list[str], said: list[str]):
    found = drafted(tmp_path, filled(tmp_path / "data", *folders), (3, 4, 6), 2)
    assert assumed(found) == said
    assert found.stdout.startswith(f"wrote {tmp_path / 'r.yaml'}: images, 2 classes\n")


def test_splits_inside_of_classes_are_asked_about(tmp_path: Path):
    data = filled(tmp_path / "data", "a/train", "a/test", "b/train")
    assert refusal(drafted(tmp_path, data, (3, 4, 6), 2)) == (
        f"{data}: must have the folders of splits outside of those of classes (a/test, a/train, b/train). "
        "Give the folder that has train in it, or list all classes under data.classes to join what is in them."
    )


def test_a_class_that_is_a_link_is_a_class(tmp_path: Path):
    data = filled(tmp_path / "data", "a", "b")
    (data / "c").symlink_to(filled(tmp_path / "elsewhere", "c") / "c")
    found = drafted(tmp_path, data, (3, 4, 6), 3)
    assert assumed(found) == []
    assert "of 24 labelled samples" in found.stdout


def test_a_table_of_text_is_called_that(tmp_path: Path):
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,0\n")
    assert refusal(drafted(tmp_path, tmp_path / "t.csv", (2,), 2)) == (
        f"{tmp_path}/t.csv: must be an .npz, .npy or .parquet file, or a folder of such files, of images or of sounds "
        "(a table of text columns, .csv). Tables are not read yet."
    )


def test_a_parquet_file_of_plain_columns_is_called_a_table(tmp_path: Path):
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": [0.5, 0.5], "label": [0, 1]}), tmp_path / "t.parquet")
    assert refusal(drafted(tmp_path, tmp_path / "t.parquet", (2,), 2)) == (
        f"{tmp_path}/t.parquet: must have a column of images, sounds or lists of numbers "
        "(a double, b double, label int64). Text and tables are not read yet."
    )


def tones(data: Path, count: int = 6) -> Path:
    """Two classes of sounds; the third of each is an MP3."""
    soundfile = pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'audio'")
    tone = np.sin(np.arange(1600) / 9).astype(np.float32) / 2
    for name in ("down", "up"):
        (data / name).mkdir(parents=True)
        for row in range(count):
            soundfile.write(data / name / f"{row}.{'mp3' if row == 2 else 'wav'}", tone, 16000, subtype=None)
    return data


def test_an_mp3_among_others_is_read_and_what_is_no_sound_is_counted(tmp_path: Path):
    data = tones(tmp_path / "data")
    (data / "up" / "cover.jpg").write_bytes(b"no sound")
    found = drafted(tmp_path, data, (1600,), 2)
    assert assumed(found) == ["1 file left out, no sounds: up/cover.jpg"]
    assert "of 12 labelled samples" in found.stdout


def test_an_array_among_many_images_makes_them_no_arrays(tmp_path: Path):
    data = filled(tmp_path / "data", "a", "b")
    np.save(data / "labels.npy", np.arange(16))
    assert assumed(drafted(tmp_path, data, (3, 4, 6), 2)) == ["1 file left out, no images: labels.npy"]


def test_a_sound_with_nan_is_refused_by_its_file(tmp_path: Path):
    data = tones(tmp_path / "data")
    import soundfile

    soundfile.write(data / "up" / "9.wav", np.full(1600, np.nan, np.float32), 16000, subtype="FLOAT")
    assert refusal(drafted(tmp_path, data, (1600,), 2)) == (
        f"{data}/up/9.wav: must have finite values only (NaN or infinite). "
        "Remove or repair it, or set data.skip_bad to true to leave it out."
    )


def test_classes_are_in_the_order_in_which_the_teacher_is_right(tmp_path: Path):
    """Twelve shades of grey in folders with numbers, which the teacher has sorted as text."""
    shades = {str(number): 20 * number + 10 for number in range(12)}
    trained = sorted(shades)
    for folder, shade in shades.items():
        (tmp_path / "data" / folder).mkdir(parents=True)
        for row in range(4):
            Image.new("L", (4, 4), shade + row).save(tmp_path / "data" / folder / f"{row}.png")
    centres = np.array([shades[folder] for folder in trained], np.float32) / 255
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["mean", "w", "b"], ["y"]),
    ]
    teacher = made.graph(tmp_path / "t.onnx", nodes, (1, 4, 4), 12, w=200 * centres[None], b=-100 * centres**2)
    places = ("--teacher", teacher, "--data", tmp_path / "data", "--out", tmp_path / "r.yaml", "--no-time", "--json")
    found = inside("init", *places)
    assert found.code == 0, found.stderr
    assert found.document["teacher_accuracy"] == 1.0
    first = ", ".join(trained[:6])
    assert found.document["assumed"] == [
        f"the teacher has the classes in another order than the data: {first} and 6 more"
    ]
    assert load(tmp_path / "r.yaml").recipe.data.classes == tuple(trained)
