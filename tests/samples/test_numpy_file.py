from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdeploy.errors import DataError, IntegrityError, KdeployError, ResourceError
from kdeploy.samples.room import Room
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import content_hash, load

LABELS = np.arange(40) % 4
FLOATS = np.random.default_rng(0).normal(size=(40, 5))
GREY = np.random.default_rng(1).integers(0, 256, (40, 6, 7), dtype=np.uint8)


def saved(folder: Path, **arrays: Any) -> dict[str, str]:
    np.savez(folder / "data.npz", **arrays)
    return {"numpy": str(folder / "data.npz")}


def refused(folder: Path, kind: type[KdeployError] = DataError, split: dict[str, int] | None = None, **a: Any) -> str:
    """The message of a refusal, without the name of the folder."""
    with pytest.raises(kind) as caught:
        load(saved(folder, **a), split=split)
    return str(caught.value).replace(f"{folder}/", "")


def raw(folder: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> dict[str, str]:
    with zipfile.ZipFile(folder / "data.npz", "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return {"numpy": str(folder / "data.npz")}


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def refused_raw(settings: dict[str, str], kind: type[KdeployError] = DataError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        load(settings, **options)
    return str(caught.value).replace(f"{Path(settings['numpy']).parent}/", "")


def test_floats_are_an_array_input_and_divided_by_seed(tmp_path: Path):
    samples = load(saved(tmp_path, x=FLOATS, y=LABELS), split={"labeled": 8, "held_out": 4, "test": 8})
    assert samples.kinds == {"x": "array"}
    np.testing.assert_array_equal(samples.inputs["x"], FLOATS.astype(np.float32), strict=True)
    assert samples.record.counts == {"labeled": 8, "unlabeled": 20, "held_out": 4, "test": 8}
    assert np.bincount(samples.labels[samples.parts["test"]]).tolist() == [2] * 4
    assert samples.class_names == ("0", "1", "2", "3")
    assert samples.record.source == {"numpy": "data.npz"}


@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW", "colour NHWC", "colour NCHW"])
def test_uint8_is_an_image_in_every_layout(tmp_path: Path, layout: str):
    color = np.stack([GREY, GREY + 1, GREY + 2], axis=1)
    array, expected = {
        "NHW": (GREY, GREY[:, None]),
        "NHWC": (GREY[..., None], GREY[:, None]),
        "NCHW": (GREY[:, None], GREY[:, None]),
        "colour NHWC": (color.transpose(0, 2, 3, 1), color),
        "colour NCHW": (color, color),
    }[layout]
    samples = load(saved(tmp_path, x=array, y=LABELS))
    assert samples.kinds == {"x": "image"}
    np.testing.assert_array_equal(samples.inputs["x"], expected, strict=True)


def test_several_named_inputs_with_their_own_test_rows(tmp_path: Path):
    inputs = {"face": GREY, "voice": FLOATS.astype(np.float16)}
    own = {f"{name}_test": array[:10] for name, array in inputs.items()}
    samples = load(saved(tmp_path, **inputs, **own, y=LABELS, y_test=LABELS[:10], classes=np.array(list("abcd"))))
    assert samples.kinds == {"face": "image", "voice": "array"}
    assert samples.class_names == ("a", "b", "c", "d")
    assert samples.parts["test"].tolist() == list(range(40, 50))
    np.testing.assert_array_equal(samples.inputs["face"][40:, 0], GREY[:10])


def test_samples_without_a_label_are_the_unlabelled_part(tmp_path: Path):
    labels = np.where(np.arange(40) < 20, -1, LABELS)
    samples = load(saved(tmp_path, x=FLOATS, y=labels))
    assert samples.parts["unlabeled"].tolist() == list(range(20))
    assert samples.record.counts == {"labeled": 16, "unlabeled": 20, "held_out": 0, "test": 4}


def test_the_file_may_say_the_parts_itself(tmp_path: Path):
    part = np.array(["labeled", "unlabeled", "held_out", "test"] * 10)
    samples = load(saved(tmp_path, x=FLOATS, y=LABELS, part=part))
    assert samples.parts["held_out"].tolist() == list(range(2, 40, 4))
    assert set(samples.labels[samples.parts["unlabeled"]]) == {-1}
    with_test = load(saved(tmp_path, x=FLOATS, y=LABELS, part=part, x_test=FLOATS[:2], y_test=LABELS[:2]))
    assert with_test.parts["test"].tolist() == [*range(3, 40, 4), 40, 41]


def test_the_content_hash_is_that_of_the_file(tmp_path: Path):
    settings = saved(tmp_path, x=FLOATS, y=LABELS)
    assert content_hash(settings) == hashlib.sha256(Path(settings["numpy"]).read_bytes()).hexdigest()


def test_a_loaded_set_survives_saving(tmp_path: Path):
    samples = load(saved(tmp_path, x=FLOATS, y=LABELS))
    samples.save(tmp_path / "set")
    assert SampleSet.open(tmp_path / "set").record == samples.record


def test_a_missing_file_is_refused(tmp_path: Path):
    message = "gone.npz: must be an .npz file (no such file). Check the path and the data root."
    settings = {"numpy": str(tmp_path / "gone.npz")}
    assert refused_raw(settings) == message
    with pytest.raises(DataError) as caught:
        content_hash(settings)
    assert str(caught.value) == f"{tmp_path}/{message}"


@pytest.mark.parametrize("name", ["x", "y", "part"])
def test_an_array_of_objects_is_refused_unread(tmp_path: Path, name: str):
    arrays: dict[str, Any] = {"x": FLOATS, "y": LABELS, name: np.array([Canary(tmp_path)] * 40, object)}
    with pytest.raises(IntegrityError) as caught:
        load(saved(tmp_path, **arrays))
    assert str(caught.value) == (
        f"{tmp_path / 'data.npz'}: {name}.npy: must not hold Python objects, which run code when read. "
        "Save it again as plain numbers or strings."
    )
    assert caught.value.exit_code == 4
    assert not (tmp_path / "canary").exists()


class Canary:
    """Leaves a file when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "canary"

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    (tmp_path / "data.npz").write_bytes(b"not a zip file")
    assert refused_raw({"numpy": str(tmp_path / "data.npz")}) == (
        "data.npz: must be a readable .npz file (File is not a zip file)."
    )


@pytest.mark.parametrize("place", [300, 700, 900, 2_000])
def test_a_changed_byte_is_refused_or_changes_the_content_hash(tmp_path: Path, place: int):
    settings = saved(tmp_path, x=FLOATS, y=LABELS)
    before = content_hash(settings)
    data = bytearray((tmp_path / "data.npz").read_bytes())
    data[place] ^= 0xFF
    (tmp_path / "data.npz").write_bytes(data)
    assert content_hash(settings) != before
    with pytest.raises(DataError):
        load(settings)


@pytest.mark.parametrize("end", [10, 500, 2_000, -30])
def test_a_truncated_file_is_refused(tmp_path: Path, end: int):
    settings = saved(tmp_path, x=FLOATS, y=LABELS)
    (tmp_path / "data.npz").write_bytes((tmp_path / "data.npz").read_bytes()[:end])
    with pytest.raises(DataError):
        load(settings)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((100 << 20,), np.uint8))
    settings = raw(tmp_path, {"x.npy": buffer.getvalue()}, zipfile.ZIP_DEFLATED)
    packed = (tmp_path / "data.npz").stat().st_size
    assert refused_raw(settings) == (
        f"data.npz: must unpack to at most 200 times its size ({packed} bytes to {len(buffer.getvalue())})."
    )


def test_arrays_beyond_the_size_limit_are_refused(tmp_path: Path):
    settings = saved(tmp_path, x=FLOATS, y=LABELS)
    assert refused_raw(settings, ResourceError, room=Room(limit=2_000)) == (
        "data.npz: must unpack to at most 2000 bytes (2176). Store fewer samples."
    )


@pytest.mark.parametrize("shape", [(1 << 40,), (-1,), (1 << 40, 1 << 40), (-2, -8)])
def test_a_header_that_lies_about_the_size_is_refused(tmp_path: Path, shape: tuple[int, ...]):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}"
    settings = raw(tmp_path, {"x.npy": npy(header, bytes(16))})
    assert refused_raw(settings) == (
        f"data.npz: x.npy: must hold as many bytes as its header says (shape {shape} of uint8 over 16 bytes)."
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GIF89a.....", "the magic string is not correct; expected b'\\x93NUMPY', got b'GIF89a'"),
        (npy("{'descr': '|u1'}"), "Header does not contain the correct keys: ['descr']"),
        (npy("__import__('os')"), None),
        (npy("(" * 5_000), None),
        (npy("-" * 9_000 + "1"), "its header is nested too deeply"),
        (b"\x93NUMPY\x09\x00", None),
        (b"", None),
    ],
)
def test_a_member_that_is_no_array_is_refused(tmp_path: Path, data: bytes, reason: str | None):
    settings = raw(tmp_path, {"x.npy": data})
    with pytest.raises(DataError) as caught:
        load(settings)
    reason = reason or str(caught.value.__cause__).splitlines()[0][:100]
    assert str(caught.value) == f"{tmp_path / 'data.npz'}: must be a readable .npz file ({reason})."


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(tmp_path: Path):
    buffer = io.BytesIO()
    np.save(buffer, LABELS)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", buffer.getvalue())
        archive.writestr("x.npy", buffer.getvalue())
    assert refused_raw({"numpy": str(tmp_path / "data.npz")}) == ("data.npz: must have each array once (a name twice).")


def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path):
    members = {}
    for name, array in {"../../x": FLOATS, "y": LABELS}.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[f"{name}.npy"] = buffer.getvalue()
    assert refused_raw(raw(tmp_path, members)) == (
        "data.npz: name of an input: must be letters, digits and _.-, at most 100, beginning with none of .- "
        "('../../x')."
    )


def test_an_input_is_required(tmp_path: Path):
    assert refused(tmp_path, y=LABELS) == "data.npz: must have an input, such as x (y)."
    assert refused(tmp_path) == "data.npz: must have an input, such as x (no arrays)."


def test_test_inputs_and_test_labels_come_together(tmp_path: Path):
    assert refused(tmp_path, x=FLOATS, y=LABELS, x_test=FLOATS) == (
        "data.npz: must have the labels y_test beside its test inputs (x, y, x_test)."
    )
    assert refused(tmp_path, x=FLOATS, y=LABELS, y_test=LABELS) == (
        "data.npz: must have the test input x_test beside y_test (x, y, y_test)."
    )
    assert refused(tmp_path, x=FLOATS, y=LABELS, y_test=LABELS, x_test=GREY) == (
        "data.npz: must have x and x_test of one shape and dtype (float64 (40, 5) and uint8 (40, 6, 7))."
    )


def test_a_label_out_of_range_is_refused_with_its_row(tmp_path: Path):
    assert refused(tmp_path, x=FLOATS, y=np.where(np.arange(40) == 9, -2, LABELS)) == (
        "data.npz: y: row 9: must have a label from -1 to 3 (-2)."
    )
    assert refused(tmp_path, x=FLOATS, y=LABELS, classes=np.array(["a", "b"])) == (
        "data.npz: y: row 2: must have a label from -1 to 1 (2)."
    )
    assert refused(tmp_path, x=FLOATS, y=LABELS, x_test=FLOATS[:3], y_test=np.array([0, 1, -1])) == (
        "data.npz: y_test: row 2: must have a label from 0 to 3 (-1)."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_value_that_float32_cannot_hold_is_refused_with_its_row(tmp_path: Path, value: float):
    spoiled = FLOATS.copy()
    spoiled[31, 2] = value
    assert refused(tmp_path, x=spoiled, y=LABELS) == (
        "data.npz: x: row 31: must have finite values only (NaN or infinite). Remove the sample or repair it."
    )


def test_inputs_must_be_as_long_as_the_labels(tmp_path: Path):
    assert refused(tmp_path, x=FLOATS[:39], y=LABELS) == (
        "data.npz: x: must have as many samples as there are labels (39 samples, 40 labels)."
    )


def test_parts_of_the_file_and_a_split_exclude_each_other(tmp_path: Path):
    assert refused(tmp_path, x=FLOATS, y=LABELS, part=np.array(["test"] * 40), split={"test": 5}) == (
        "data.npz: split: must not be given where the file has part. Leave split out, or take part out of the file."
    )


def test_parts_must_be_known_strings(tmp_path: Path):
    assert refused(tmp_path, x=FLOATS, y=LABELS, part=LABELS) == "data.npz: part: must be 40 strings (int64 (40,))."
    assert refused(tmp_path, x=FLOATS, y=LABELS, part=np.array(["test"] * 39 + ["train"])) == (
        "data.npz: part: must be one of labeled, unlabeled, held_out, test (sample 39 has train)."
    )


def test_classes_must_be_strings(tmp_path: Path):
    assert refused(tmp_path, x=FLOATS, y=LABELS, classes=np.arange(4)) == (
        "data.npz: classes: must be strings (K,) (int64 (4,))."
    )


def test_a_single_sample_is_too_few(tmp_path: Path):
    assert refused(tmp_path, x=FLOATS[:1], y=LABELS[:1]) == ("data.npz: part test: must have at least 1 sample (0).")


@pytest.mark.parametrize("labels", [{}, {"y": np.full(40, -1)}], ids=["no y", "y of -1"])
def test_without_any_label_every_part_but_the_labelled_is_drawn_from_all_rows(tmp_path: Path, labels: dict[str, Any]):
    samples = load(saved(tmp_path, x=FLOATS, **labels), split={"held_out": 4})
    assert samples.record.counts == {"labeled": 0, "unlabeled": 28, "held_out": 4, "test": 8}
    assert (samples.any_label, samples.record.any_label, samples.class_names) == (False, False, ())
    assert (samples.labels == -1).all()
    assert SampleSet.open(samples_saved(samples, tmp_path)).sample_hash == samples.sample_hash


def test_test_inputs_of_ones_own_need_no_labels_where_nothing_has_one(tmp_path: Path):
    samples = load(saved(tmp_path, x=FLOATS, x_test=FLOATS[:10] + 1), split={"held_out": 4})
    assert samples.record.counts == {"labeled": 0, "unlabeled": 36, "held_out": 4, "test": 10}
    np.testing.assert_array_equal(samples.inputs["x"][samples.parts["test"]], (FLOATS[:10] + 1).astype(np.float32))


def test_labelled_samples_cannot_be_asked_for_where_there_are_none(tmp_path: Path):
    assert refused(tmp_path, split={"labeled": 5}, x=FLOATS) == (
        "data.npz: split.labeled: must be left out where nothing is labelled (5). Leave it out, or give the labels."
    )


def samples_saved(samples: SampleSet, folder: Path) -> Path:
    samples.save(folder / "set")
    return folder / "set"
