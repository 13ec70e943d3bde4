"""Parquet files as people save them: columns found by type and name, labels in any form, files of any name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdeploy.errors import DataError
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import content_hash, load
from tests.samples.test_parquet import encoded, pictures

ROWS = 40
Y = np.arange(ROWS) % 2
GREY = pictures(ROWS, 4, 6)
BYTES = [encoded(one) for one in GREY]
PAIR = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
STRUCT = pa.array([{"bytes": data, "path": None} for data in BYTES], PAIR)
NAMES = np.array(["cat", "dog"])
TABLE = np.random.default_rng(0).normal(size=(ROWS, 5))
SPLIT = {"labeled": 10, "held_out": 4}


def written(file: Path, columns: dict[str, Any], features: dict[str, Any] | None = None) -> None:
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=7)


def read(place: Path, **keys: str) -> SampleSet:
    return load({"parquet": str(place)} | keys, split=SPLIT)


def true_labels(samples: SampleSet) -> list[int]:
    """The labels that are known, by the row that each sample was."""
    rows = {one.tobytes(): int(label) for one, label in zip(GREY, Y, strict=True)}
    return [rows[samples.inputs["image"][row, 0].tobytes()] for row in np.flatnonzero(samples.labels >= 0)]


CATEGORIES = pa.array(NAMES[Y]).dictionary_encode()
HOLES = [None if row % 10 == 0 else int(label) for row, label in enumerate(Y)]

# the columns, their features, the names of the classes, and what is assumed
TAKEN: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...], list[str]]] = {
    "image, label": ({"image": STRUCT, "label": Y}, {}, ("0", "1"), []),
    "img": ({"img": STRUCT, "label": Y}, {}, ("0", "1"), ["column img is the input, label the labels"]),
    "binary": ({"image": BYTES, "label": Y}, {}, ("0", "1"), []),
    "large binary": ({"image": pa.array(BYTES, pa.large_binary()), "label": Y}, {}, ("0", "1"), []),
    "any name": (
        {"scan": BYTES, "diagnosis": Y, "weight": TABLE[:, 0]},
        {},
        ("0", "1"),
        ["column scan is the input, diagnosis the labels"],
    ),
    "labels": ({"image": STRUCT, "labels": Y}, {}, ("0", "1"), ["column image is the input, labels the labels"]),
    "by feature": (
        {"image": STRUCT, "id": np.arange(ROWS), "kind": Y},
        {"kind": {"names": ["cat", "dog"], "_type": "ClassLabel"}},
        ("cat", "dog"),
        ["column image is the input, kind the labels"],
    ),
    "named classes": ({"image": STRUCT, "label": Y}, {"label": {"names": ["cat", "dog"]}}, ("cat", "dog"), []),
    "text": ({"image": STRUCT, "label": NAMES[Y]}, {}, ("cat", "dog"), ["label has the names of 2 classes"]),
    "large text": (
        {"image": STRUCT, "label": pa.array(NAMES[Y], pa.large_string())},
        {},
        ("cat", "dog"),
        ["label has the names of 2 classes"],
    ),
    "categories": ({"image": STRUCT, "label": CATEGORIES}, {}, ("cat", "dog"), ["label has the names of 2 classes"]),
    "bool": (
        {"image": STRUCT, "label": Y > 0},
        {},
        ("False", "True"),
        ["label is read as the classes False and True"],
    ),
    "floats": ({"image": STRUCT, "label": Y.astype(float)}, {}, ("0", "1"), ["label float64 is read as whole numbers"]),
    "uint8": ({"image": STRUCT, "label": Y.astype(np.uint8)}, {}, ("0", "1"), []),
    "nulls": ({"image": STRUCT, "label": HOLES}, {}, ("0", "1"), ["4 rows have no label: null in label"]),
    "nulls in text": (
        {"image": STRUCT, "label": [None if one is None else NAMES[one] for one in HOLES]},
        {},
        ("cat", "dog"),
        ["label has the names of 2 classes; 4 empty ones are no label", "4 rows have no label: null in label"],
    ),
    "one-hot lists": (
        {"image": STRUCT, "label": np.eye(2)[Y].tolist()},
        {},
        ("0", "1"),
        ["label (40, 2) is read as one-hot"],
    ),
}


@pytest.mark.parametrize("case", TAKEN)
def test_columns_with_one_meaning_are_taken(tmp_path: Path, case: str):
    columns, features, names, assumed = TAKEN[case]
    written(tmp_path / "train-0.parquet", columns, features or None)
    samples = read(tmp_path)
    assert samples.class_names == names
    assert list(samples.assumed) == assumed
    assert samples.labels[samples.labels >= 0].tolist() == true_labels(samples)
    assert len(samples) == ROWS


FILES: dict[str, tuple[tuple[str, ...], str, dict[str, int], list[str]]] = {
    "a plain name": (("data.parquet",), "", {"held_out": 4, "test": 8}, []),
    "one file": (("data.parquet", "other.parquet"), "data.parquet", {"held_out": 4, "test": 8}, []),
    "numbers": (("0000.parquet", "0001.parquet"), "", {"held_out": 4, "test": 16}, []),
    "splits": (("train.parquet", "test.parquet"), "", {"held_out": 4, "test": 40}, []),
    "words in names": (("pets_Training.parquet", "pets_TEST.parquet"), "", {"held_out": 4, "test": 40}, []),
    "folders": (("train/0.parquet", "test/0.parquet"), "", {"held_out": 4, "test": 40}, []),
    "three": (
        ("train-0.parquet", "valid-0.parquet", "test-0.parquet"),
        "",
        {"held_out": 4, "test": 40},
        ["the validation files are held out"],
    ),
    "others": (
        ("train-0.parquet", "test-0.parquet", "unsupervised-0.parquet"),
        "",
        {"held_out": 4, "test": 40},
        ["1 file left out, whose names say no split: unsupervised-0.parquet"],
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_may_have_any_name(tmp_path: Path, case: str):
    names, place, counts, assumed = FILES[case]
    for name in names:
        written(tmp_path / name, {"image": STRUCT, "label": Y})
    samples = read(tmp_path / place)
    assert {part: len(samples.parts[part]) for part in counts} == counts
    assert list(samples.assumed) == assumed


def on_disk(folder: Path) -> list[str]:
    (folder / "pics").mkdir()
    for row, data in enumerate(BYTES):
        (folder / "pics" / f"{row}.png").write_bytes(data)
    return [f"pics/{row}.png" for row in range(ROWS)]


@pytest.mark.parametrize("form", ["text", "struct"])
def test_a_column_may_name_files_in_the_folder(tmp_path: Path, form: str):
    paths = on_disk(tmp_path)
    cells = paths if form == "text" else [{"bytes": None, "path": path} for path in paths]
    kind = pa.string() if form == "text" else PAIR
    written(tmp_path / "train.parquet", {"image": pa.array(cells, kind), "label": Y})
    settings = {"parquet": str(tmp_path)}
    samples = read(tmp_path)
    np.testing.assert_array_equal(samples.inputs["image"][:, 0], GREY)
    before = content_hash(settings)
    (tmp_path / "pics" / "3.png").write_bytes(BYTES[4])
    assert content_hash(settings) != before


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname.png", "gone.png"])
def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path, path: str):
    (tmp_path / "secret.png").write_bytes(BYTES[0])
    written(tmp_path / "data" / "train.parquet", {"image": [path] * ROWS, "label": Y})
    with pytest.raises(DataError) as caught:
        read(tmp_path / "data")
    assert str(caught.value) == (
        f"{tmp_path}/data/train.parquet: row 0: must name a file in this folder, or carry its bytes ({path}). "
        "Embed the files, or put them beside the parquet file."
    )


ASKED: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "two pictures": (
        {"left": BYTES, "right": BYTES, "label": Y},
        "must say which column is the input (left, right). Set data.x to its name.",
        {"x": "left"},
    ),
    "two labels": (
        {"image": STRUCT, "label_a": Y, "label_b": Y},
        "must say which column has the labels (label_a, label_b). Set data.y to its name.",
        {"y": "label_b"},
    ),
    "a label and others": (
        {"image": STRUCT, "target": Y, "category": Y},
        "must say which column has the labels (target, category). Set data.y to its name.",
        {"y": "target"},
    ),
    "a measure": (
        {"image": STRUCT, "label": TABLE[:, 0], "sex": Y},
        "label: must say one class a row: whole numbers, booleans or names (N,) or (N, 1), or one-hot (N, classes) "
        f"(float64 with {TABLE[0, 0]:g}). Name another array under data.y, or save the class of each row, -1 for none.",
        {"y": "sex"},
    ),
    "dates": (
        {"image": STRUCT, "label": pa.array(Y.tolist(), pa.timestamp("ms")), "sex": Y},
        "label: must be whole numbers, text, categories or booleans, one a row (timestamp[ms]). "
        "Name another column under data.y.",
        {"y": "sex"},
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_has_no_one_meaning_is_asked_about_and_the_recipe_answers(tmp_path: Path, case: str):
    columns, message, answer = ASKED[case]
    file = tmp_path / "train-0.parquet"
    written(file, columns)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{file}: {message}"
    samples = read(tmp_path, **answer)
    assert samples.labels[samples.labels >= 0].tolist() == true_labels(samples)


@pytest.mark.parametrize("key", ["x", "y"])
def test_a_column_that_is_not_there_is_refused(tmp_path: Path, key: str):
    written(tmp_path / "a.parquet", {"image": STRUCT, "label": Y})
    with pytest.raises(DataError) as caught:
        read(tmp_path, **{key: "gone"})
    assert str(caught.value) == f"{tmp_path}/a.parquet: data.{key}: must be the name of a column (image, label)."


def other_form(folder: Path) -> str:
    written(folder / "train-0.parquet", {"image": STRUCT, "label": Y})
    written(folder / "train-1.parquet", {"image": STRUCT, "label": NAMES[Y]})
    got = "int64 in train-0.parquet, <U3 in train-1.parquet"
    return f"{folder}/train-1.parquet: label: must have labels in one form in all files ({got})."


def other_type(folder: Path) -> str:
    written(folder / "train-0.parquet", {"image": BYTES, "label": Y})
    written(folder / "train-1.parquet", {"image": STRUCT, "label": Y})
    kind = "struct<bytes: binary, path: string>"
    return f"{folder}/train-1.parquet: must have image as train-0.parquet has it, binary ({kind})."


@pytest.mark.parametrize("made", [other_form, other_type])
def test_files_that_differ_are_refused(tmp_path: Path, made: Callable[[Path], str]):
    message = made(tmp_path)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert str(caught.value) == message


def test_bad_rows_are_left_out_and_counted_where_the_recipe_says_so(tmp_path: Path):
    written(tmp_path / "a.parquet", {"image": [None, b"none", *BYTES[2:]], "label": Y})
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: must have images that can be decoded (2 of 40 cannot: a.parquet: row 0: null; "
        "a.parquet: row 1: cannot identify image file). "
        "Remove or repair them, or set data.skip_bad to true to leave them out."
    )
    samples = load({"parquet": str(tmp_path), "skip_bad": True}, split=SPLIT)
    assert samples.assumed == ("2 of 40 images left out, which cannot be decoded: a.parquet: row 0; a.parquet: row 1",)
    assert samples.labels[samples.labels >= 0].tolist() == true_labels(samples)


@pytest.mark.parametrize("features", [[], "label", 7, None])
def test_features_that_are_none_say_nothing(tmp_path: Path, features: Any):
    written(tmp_path / "a.parquet", {"image": STRUCT, "label": Y}, features if features is not None else {})
    assert read(tmp_path).class_names == ("0", "1")


def test_lists_of_whole_numbers_are_numbers(tmp_path: Path):
    whole = np.arange(ROWS * 3).reshape(ROWS, 3)
    written(tmp_path / "a.parquet", {"row": whole.tolist(), "label": Y})
    np.testing.assert_array_equal(read(tmp_path).inputs["row"], whole.astype(np.float32), strict=True)


def test_a_column_of_numbers_is_values_and_null_is_none(tmp_path: Path):
    price = [None if row % 10 == 0 else 100.0 + row for row in range(ROWS)]
    written(tmp_path / "d.parquet", {"x": pa.array(list(TABLE)), "price": pa.array(price, pa.float64())})
    samples = read(tmp_path, y="price", outputs="values")
    assert (samples.class_names, samples.labels.dtype, samples.labels.shape[1]) == (("price",), np.float32, 1)
    assert len(samples.parts["labeled"]) == 10
    assert set(samples.labels[samples.parts["test"], 0]) <= {value for value in price if value is not None}
    assert np.isnan(samples.labels[samples.parts["unlabeled"]]).all()


def test_a_column_of_lists_of_0_and_1_is_labels(tmp_path: Path):
    tags = [[float(row % 2), float(row % 3 == 0), float(row % 5 == 0)] for row in range(ROWS)]
    written(tmp_path / "d.parquet", {"x": pa.array(list(TABLE)), "tags": pa.array(tags)})
    samples = read(tmp_path, x="x", y="tags", outputs="labels")
    assert samples.class_names == ("tags.0", "tags.1", "tags.2")
    assert set(np.unique(samples.labels[samples.parts["labeled"]])) == {0, 1}
