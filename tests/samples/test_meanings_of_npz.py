"""Ordinary archives as people save them: what has one meaning is taken and says what was assumed, the rest is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.samples import numpy_file, room
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import content_hash, load

ROWS = 40
Y = np.arange(ROWS) % 4
DRAWS = np.random.default_rng(0)
TABLE = DRAWS.normal(size=(ROWS, 5))
GREY = DRAWS.integers(0, 256, (ROWS, 6, 7), dtype=np.uint8)
COLOR = DRAWS.integers(0, 256, (ROWS, 6, 7, 3), dtype=np.uint8)  # NHWC
FIRST = COLOR.transpose(0, 3, 1, 2)
ALPHA = np.concatenate([COLOR, GREY[..., None]], axis=3)
OPAQUE = np.concatenate([COLOR, np.full_like(GREY, 255)[..., None]], axis=3)
DEEP = GREY.astype(np.uint16) * 16
NAMES = np.array(["ant", "bee", "cat", "dog"])


def read(path: Path, **keys: str) -> SampleSet:
    return load({"numpy": str(path)} | keys, split={"unlabeled": 0, "labeled": 12, "held_out": 4, "test": 8})


def saved(folder: Path, arrays: dict[str, Any]) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


# what is saved, what was assumed, the only input's name, the shape of a sample, and the names of the classes
LABELS: dict[str, tuple[Any, list[str], tuple[str, ...]]] = {
    "integers": (Y, [], tuple("0123")),
    "uint8": (Y.astype(np.uint8), [], tuple("0123")),
    "big-endian": (Y.astype(">i4"), [], tuple("0123")),
    "a column": (Y[:, None], ["y (40, 1) is read as one label a row"], tuple("0123")),
    "one-hot float": (np.eye(4)[Y], ["y (40, 4) is read as one-hot"], tuple("0123")),
    "one-hot uint8": (np.eye(4, dtype=np.uint8)[Y], ["y (40, 4) is read as one-hot"], tuple("0123")),
    "one-hot bool": (np.eye(4, dtype=bool)[Y], ["y (40, 4) is read as one-hot"], tuple("0123")),
    "bool": (Y > 1, ["y is read as the classes False and True"], ("False", "True")),
    "whole floats": (Y.astype(float), ["y float64 is read as whole numbers"], tuple("0123")),
    "floats with holes": (
        np.where(Y == 3, np.nan, Y),
        ["y float64 is read as whole numbers; 10 that are NaN are no label"],
        tuple("012"),
    ),
    "a column of floats": (
        Y[:, None].astype(np.float32),
        ["y (40, 1) is read as one label a row", "y float32 is read as whole numbers"],
        tuple("0123"),
    ),
    "names": (NAMES[Y], ["y has the names of 4 classes"], tuple(NAMES)),
    "bytes": (NAMES[Y].astype("S"), ["y has the names of 4 classes"], tuple(NAMES)),
    "numbers as text": (np.array(["9", "10", "2", "1"])[Y], ["y has the names of 4 classes"], ("1", "2", "9", "10")),
    "names with holes": (
        np.where(Y == 3, "", NAMES[Y]),
        ["y has the names of 3 classes; 10 empty ones are no label"],
        tuple(NAMES[:3]),
    ),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_with_one_meaning_are_taken(tmp_path: Path, case: str):
    labels, assumed, names = LABELS[case]
    samples = read(saved(tmp_path, {"x": TABLE, "y": labels}))
    assert list(samples.record.assumed) == assumed
    assert samples.class_names == names
    rows = samples.parts["test"]
    # the row that a sample was is found by its numbers
    true = [int(np.argmin(np.abs(TABLE - samples.inputs["x"][row]).sum(1))) % 4 for row in rows]
    if case == "bool":
        true = [int(one > 1) for one in true]
    if case == "numbers as text":
        true = [[2, 3, 1, 0][one] for one in true]
    assert samples.labels[rows].tolist() == true


INPUTS: dict[str, tuple[Any, list[str], Any]] = {
    "floats": (TABLE, [], TABLE.astype(np.float32)),
    "grey": (GREY, [], GREY[:, None]),
    "grey NCHW": (GREY[:, None], [], GREY[:, None]),
    "grey NHWC": (GREY[..., None], [], GREY[:, None]),
    "colour NHWC": (COLOR, [], FIRST),
    "colour NCHW": (FIRST, [], FIRST),
    "float NCHW": (FIRST / 255, [], (FIRST / 255).astype(np.float32)),
    "float NHWC": (
        COLOR / 255,
        ["x (40, 6, 7, 3) is read with its channels last (NHWC)"],
        (FIRST / 255).astype(np.float32),
    ),
    "features of one place": (TABLE[..., None, None], [], TABLE[..., None, None].astype(np.float32)),
    "int64 pixels": (COLOR.astype(np.int64), ["x int64 from 0 to 255 is read as pixels"], FIRST),
    "uint16 pixels": (GREY.astype(np.uint16), ["x uint16 from 0 to 255 is read as pixels"], GREY[:, None]),
    "16 bits": (
        DEEP,
        [f"x uint16 from {DEEP.min()} to {DEEP.max()} is read as numbers, not as pixels"],
        DEEP[:, None].astype(np.float32),
    ),
    "bool pixels": (GREY > 127, ["x is read as pixels 0 and 255"], (GREY > 127)[:, None] * np.uint8(255)),
    "flat pixels": (
        GREY.reshape(ROWS, 42),
        ["x uint8 (40, 42) is read as numbers, not as pixels"],
        GREY.reshape(ROWS, 42).astype(np.float32),
    ),
    "bool table": (TABLE > 0, ["x bool (40, 5) is read as numbers, not as pixels"], (TABLE > 0).astype(np.float32)),
    "one number": (TABLE[:, 0], ["x (40,) is read as one number a sample"], TABLE[:, :1].astype(np.float32)),
    "opaque RGBA": (OPAQUE, ["the fourth channel of x is 255 everywhere and is left out"], FIRST),
    "half precision": (TABLE.astype(np.float16), [], TABLE.astype(np.float16).astype(np.float32)),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_with_one_meaning_are_taken(tmp_path: Path, case: str):
    array, assumed, expected = INPUTS[case]
    samples = load({"numpy": str(saved(tmp_path, {"x": array, "y": Y}))})
    assert list(samples.record.assumed) == assumed
    np.testing.assert_array_equal(samples.inputs["x"], expected, strict=True)


OTHER = GREY[:12]
YO = Y[:12]
FILES: dict[str, tuple[dict[str, Any], list[str], str, tuple[int, int]]] = {
    "x_train": (
        {"x_train": GREY, "y_train": Y, "x_test": OTHER, "y_test": YO},
        ["x_train, x_test is the input, y_train, y_test the labels"],
        "x",
        (0, 12),
    ),
    "X": ({"X": GREY, "Y": Y}, ["X is the input, Y the labels"], "X", (0, 8)),
    "images": ({"images": GREY, "labels": Y}, ["images is the input, labels the labels"], "images", (0, 8)),
    "sklearn": ({"data": TABLE, "target": Y}, ["data is the input, target the labels"], "data", (0, 8)),
    "positions": ({"arr_0": GREY, "arr_1": Y}, ["arr_0 is the input, arr_1 the labels"], "arr_0", (0, 8)),
    "other names": (
        {"faces": GREY, "who": NAMES[Y]},
        ["faces is the input, who the labels", "who has the names of 4 classes"],
        "faces",
        (0, 8),
    ),
    "medmnist": (
        {
            "train_images": GREY,
            "val_images": OTHER,
            "test_images": OTHER,
            "train_labels": Y[:, None],
            "val_labels": YO[:, None],
            "test_labels": YO[:, None],
        },
        [
            "train_images, val_images, test_images is the input, train_labels, val_labels, test_labels the labels",
            "val_labels is held out",
            "train_labels (64, 1) is read as one label a row",
        ],
        "images",
        (12, 12),
    ),
    "validation alone": (
        {"x": GREY, "y": Y, "x_val": OTHER, "y_val": YO},
        [],
        "x",
        (0, 12),
    ),
    "trainX": (
        {"trainX": GREY, "trainY": Y, "testX": OTHER, "testY": YO},
        ["trainX, testX is the input, trainY, testY the labels"],
        "X",
        (0, 12),
    ),
    "beside": (
        {"x": GREY, "y": Y, "ids": np.arange(ROWS), "files": NAMES[Y], "mean": np.zeros(3), "means": np.zeros((3, 2))},
        ["ids, files, mean, means left out: not a row of numbers or pixels a label"],
        "x",
        (0, 8),
    ),
    "class names": (
        {"images": GREY, "labels": Y, "class_names": NAMES},
        ["images is the input, labels the labels"],
        "images",
        (0, 8),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_arrays_are_found_by_their_names_and_shapes(tmp_path: Path, case: str):
    arrays, assumed, name, (held_out, test) = FILES[case]
    samples = load({"numpy": str(saved(tmp_path, arrays))})
    assert list(samples.record.assumed) == assumed
    assert list(samples.inputs) == [name]
    assert [len(samples.parts[part]) for part in ("held_out", "test")] == [held_out, test]


ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "soft labels": (
        {"x": TABLE, "y": np.full((ROWS, 4), 0.25)},
        "y: must say one class a row: whole numbers, booleans or names (N,) or (N, 1), or one-hot (N, classes) "
        "(float64 (40, 4) with the row 0.25, 0.25, 0.25, 0.25). Name another array under data.y, or save the class of "
        "each row, -1 for none.",
    ),
    "several classes": (
        {"x": TABLE, "y": np.tile([1, 1, 0], (ROWS, 1))},
        "y: must say one class a row: whole numbers, booleans or names (N,) or (N, 1), or one-hot (N, classes) "
        "(int64 (40, 3) with the row 1, 1, 0). Name another array under data.y, or save the class of each row, -1 for "
        "none.",
    ),
    "a measure": (
        {"x": TABLE, "y": Y + 0.5},
        "y: must say one class a row: whole numbers, booleans or names (N,) or (N, 1), or one-hot (N, classes) "
        "(float64 with 0.5). Name another array under data.y, or save the class of each row, -1 for none.",
    ),
    "two labels": (
        {"x": GREY, "label": Y, "target": Y},
        "must say which array has the labels (label, target). Set data.y to its name.",
    ),
    "two candidates": (
        {"faces": GREY, "age": Y, "sex": Y},
        "must say which array has the labels (age, sex). Set data.y to its name.",
    ),
    "four positions": (
        {"arr_0": GREY, "arr_1": Y, "arr_2": OTHER, "arr_3": YO},
        "must say which array has the labels (arr_1, arr_3). Set data.y to its name.",
    ),
    "both ways": (
        {"x": DRAWS.integers(0, 256, (ROWS, 3, 9, 3), dtype=np.uint8), "y": Y},
        "x: must say whether its channels are the second axis or the last (uint8 (40, 3, 9, 3)). "
        "Set data.layout to NCHW or NHWC.",
    ),
    "many channels": (
        {"x": DRAWS.integers(0, 256, (ROWS, 6, 7, 13), dtype=np.uint16), "y": Y},
        "x: must say which of its axes are height, width and channels (uint16 (40, 6, 7, 13)). "
        "Set data.layout to NHW, NHWC or NCHW, or to numbers to keep it as it is.",
    ),
    "video": (
        {"x": DRAWS.integers(0, 256, (ROWS, 2, 6, 7, 3), dtype=np.uint8), "y": Y},
        "x: must say which of its axes are height, width and channels (uint8 (40, 2, 6, 7, 3)). "
        "Set data.layout to NHW, NHWC or NCHW, or to numbers to keep it as it is.",
    ),
    "RGBA": (
        {"x": ALPHA, "y": Y},
        "x: must say whether its fourth channel is one to learn from, or transparency (uint8 (40, 4, 6, 7)). "
        "Set data.layout to NHWC or NCHW to read them as numbers, or save the first three channels.",
    ),
    "text": (
        {"x": NAMES[Y], "y": Y},
        "x: must be pixels (N, H, W), (N, H, W, channels) or (N, channels, H, W), or numbers (N, ...) (<U3 (40,)). "
        "Text, dates and complex numbers are not read yet: give numbers.",
    ),
    "large numbers": (
        {"x": np.full((ROWS, 3), 2**40), "y": Y},
        "x: must have integers of at most 16777216, which float32 holds (int64 (40, 3) from 1099511627776 to "
        "1099511627776). Identifiers of text are not read yet: give embeddings, or smaller numbers.",
    ),
    "one label": (
        {"x": TABLE, "y": np.array(3)},
        "y: must say one class a row: whole numbers, booleans or names (N,) or (N, 1), or one-hot (N, classes) "
        "(int64 ()). Name another array under data.y, or save the class of each row, -1 for none.",
    ),
    "one label for all splits": (
        {"x": TABLE, "y": np.array(3), "x_test": TABLE, "y_test": np.array(3)},
        "y: must say one class a row: whole numbers, booleans or names (N,) or (N, 1), or one-hot (N, classes) "
        "(int64 ()). Name another array under data.y, or save the class of each row, -1 for none.",
    ),
    "one number": (
        {"x": np.array(3.0), "y": Y, "x_test": np.array(3.0), "y_test": Y},
        "x: must be pixels (N, H, W), (N, H, W, channels) or (N, channels, H, W), or numbers (N, ...) (float64 ()). "
        "Give rows.",
    ),
    "labels in two forms": (
        {"x": GREY, "y": Y, "x_test": OTHER, "y_test": np.eye(4)[YO]},
        "must have y and y_test in one form (int64 (40,) and float64 (12, 4)).",
    ),
    "two trainings": (
        {"x": GREY, "x_train": GREY, "y": Y},
        "must have the rows to learn from once (x and x_train). "
        "Take one of them out of the file, or name one under data.x or data.y.",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_has_no_one_meaning_is_asked_about_in_one_sentence(tmp_path: Path, case: str):
    arrays, message = ASKED[case]
    file = saved(tmp_path, arrays)
    with pytest.raises(DataError) as caught:
        load({"numpy": str(file)})
    assert str(caught.value) == f"{file}: {message}"


ANSWERS: dict[str, tuple[str, dict[str, str], tuple[int, ...]]] = {
    "labels": ("two candidates", {"y": "sex"}, (1, 6, 7)),
    "positions": ("four positions", {"x": "arr_0", "y": "arr_1"}, (1, 6, 7)),
    "channels first": ("both ways", {"layout": "NCHW"}, (3, 9, 3)),
    "channels last": ("both ways", {"layout": "NHWC"}, (3, 3, 9)),
    "many channels": ("many channels", {"layout": "NHWC"}, (13, 6, 7)),
    "video": ("video", {"layout": "numbers"}, (2, 6, 7, 3)),
    "RGBA": ("RGBA", {"layout": "NHWC"}, (4, 6, 7)),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_recipe_answers_what_was_asked(tmp_path: Path, case: str):
    asked, keys, shape = ANSWERS[case]
    samples = load({"numpy": str(saved(tmp_path, ASKED[asked][0]))} | keys)
    assert samples.record.shape == shape


def test_the_channels_of_an_image_are_read_in_the_order_that_is_said(tmp_path: Path):
    array = ASKED["both ways"][0]["x"]
    file = str(saved(tmp_path, {"x": array, "y": Y}))
    last = load({"numpy": file, "layout": "NHWC"}).inputs["x"]
    np.testing.assert_array_equal(last, array.transpose(0, 3, 1, 2), strict=True)
    with pytest.raises(DataError) as caught:
        load({"numpy": file, "layout": "NHW"})
    assert str(caught.value) == (
        f"{file}: x: must have 3 axes for data.layout NHW (uint8 (40, 3, 9, 3)). Leave data.layout out."
    )


@pytest.mark.parametrize("key", ["x", "y"])
def test_a_name_that_is_not_there_is_refused(tmp_path: Path, key: str):
    file = saved(tmp_path, {"x": GREY, "y": Y})
    with pytest.raises(DataError) as caught:
        load({"numpy": str(file), key: "gone"})
    assert str(caught.value) == f"{file}: data.{key}: must be the name of an array in it (x, y)."


BESIDE = {
    "y beside x": ({"x": GREY, "y": Y, "weights": TABLE}, "x.npy", "x"),
    "labels beside data": ({"data": GREY, "labels": Y}, "data.npy", "data"),
    "labels of this file": ({"faces": GREY, "faces_labels": Y, "cars": TABLE}, "faces.npy", "faces"),
    "a folder": ({"x_train": GREY, "y_train": Y, "x_test": OTHER, "y_test": YO}, "", "x"),
    "splits": ({"x_train": GREY, "y_train": Y, "x_test": OTHER, "y_test": YO}, "x_train.npy", "x"),
}


@pytest.mark.parametrize("case", BESIDE)
def test_an_npy_file_has_its_labels_beside_it(tmp_path: Path, case: str):
    arrays, name, found = BESIDE[case]
    for stem, array in arrays.items():
        np.save(tmp_path / f"{stem}.npy", array)
    settings = {"numpy": str(tmp_path / name)}
    samples = load(settings)
    assert list(samples.inputs) == [found]
    np.testing.assert_array_equal(samples.inputs[found][:ROWS, 0], GREY)
    before = content_hash(settings)
    (tmp_path / "cars.npy").write_bytes(b"unread")
    assert (content_hash(settings) == before) == bool(name)
    labels = next(stem for stem, array in arrays.items() if array is Y)
    np.save(tmp_path / f"{labels}.npy", Y[::-1])
    assert content_hash(settings) != before


def test_an_npy_file_without_labels_beside_it_is_read_without_any(tmp_path: Path):
    np.save(tmp_path / "x.npy", GREY)
    samples = load({"numpy": str(tmp_path / "x.npy")}, split={"held_out": 4})
    assert not samples.any_label
    assert samples.record.assumed == ("nothing is labelled",)


@pytest.mark.parametrize("form", ["npz", "packed", "npy"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_large_is_the_same_without_being_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, order: str
):
    array = np.asarray(COLOR / 255, order=order)
    file = tmp_path / ("x.npy" if form == "npy" else "data.npz")
    if form == "npy":
        np.save(file, array)
        np.save(tmp_path / "y.npy", Y)
    else:
        {"npz": np.savez, "packed": np.savez_compressed}[form](file, x=array, y=Y)
    small = load({"numpy": str(file)})
    for module in (room, numpy_file):
        monkeypatch.setattr(module, "IN_MEMORY", 1000)
    monkeypatch.setattr(room, "_PIECE_BYTES", 500)
    large = load({"numpy": str(file)}, room=Room(tmp_path))
    assert isinstance(large.inputs["x"], np.memmap)
    assert large.sample_hash == small.sample_hash


def test_a_large_archive_that_was_cut_off_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = saved(tmp_path, {"x": TABLE, "y": Y})
    monkeypatch.setattr(numpy_file, "IN_MEMORY", 1000)
    data = bytearray(file.read_bytes())
    data[600] ^= 1
    file.write_bytes(data)
    with pytest.raises(DataError) as caught:
        load({"numpy": str(file)})
    assert str(caught.value) == f"{file}: must be a readable .npz file (Bad CRC-32 for file 'x.npy')."
