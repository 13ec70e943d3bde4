from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import DataError, IntegrityError, NonFiniteError
from kdeploy.labels import store
from kdeploy.labels.store import Combined, Reader, write
from kdeploy.models.ensemble import Rule
from kdeploy.records.labels import LabelHeader
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress

IMAGE = Preprocessing(input="image", kind="image", shape=(1, 28, 28), dtype="uint8", scale=1 / 255)
VIEWS, ROWS, CLASSES = 2, 10, 3
LOGITS = np.random.default_rng(0).standard_normal((VIEWS, ROWS, CLASSES)).astype(np.float32) * 10
HEADER = LabelHeader(
    kind="logits",
    dtype="float16",
    teacher="0123456789abcdef",
    samples="1" * 64,
    preprocessing=IMAGE,
    views={"count": VIEWS, "shift": 2},
    precision="fp32",
    batch=256,
    class_names=("a", "b", "c"),
    shape=(VIEWS, ROWS, CLASSES),
)


class Teacher:
    """Answers from an array, and remembers what it was asked."""

    def __init__(self, logits: np.ndarray = LOGITS, *, dies_after: int | None = None) -> None:
        self.logits, self.dies_after = logits, dies_after
        self.asked: list[tuple[int, int, int]] = []

    def __call__(self, view: int, start: int, stop: int) -> np.ndarray:
        if len(self.asked) == self.dies_after:
            raise KeyboardInterrupt
        self.asked.append((view, start, stop))
        return self.logits[view, start:stop]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks a view: four rows, four, and two."""
    monkeypatch.setattr(store, "BLOCK_ROWS", 4)


def filled(folder: Path, header: LabelHeader = HEADER, teacher: Teacher | None = None) -> Teacher:
    teacher = teacher or Teacher()
    write(folder, header, teacher, Progress())
    return teacher


def test_logits_come_back_rounded_to_float16(tmp_path: Path):
    filled(tmp_path)
    reader, rows = Reader(tmp_path, HEADER), np.array([7, 0, 7])
    for view in range(VIEWS):
        found = reader.rows(view, rows)
        assert found.dtype == np.float32
        assert np.array_equal(found, LOGITS[view, rows].astype(np.float16).astype(np.float32))


def test_float32_keeps_every_bit(tmp_path: Path):
    header = HEADER.model_copy(update={"dtype": "float32"})
    filled(tmp_path, header)
    assert np.array_equal(Reader(tmp_path, header).rows(1, np.arange(ROWS)), LOGITS[1])


def test_a_view_beyond_the_last_is_one_from_the_beginning(tmp_path: Path):
    filled(tmp_path)
    reader, rows = Reader(tmp_path, HEADER), np.arange(ROWS)
    assert np.array_equal(reader.rows(VIEWS + 1, rows), reader.rows(1, rows))


@pytest.mark.usefixtures("small_blocks")
def test_rows_are_found_across_blocks_in_any_order(tmp_path: Path):
    teacher = filled(tmp_path)
    assert teacher.asked == [(view, start, stop) for view in range(2) for start, stop in [(0, 4), (4, 8), (8, 10)]]
    reader, rows = Reader(tmp_path, HEADER), np.array([9, 0, 4, 3, 8, 0, 7])
    for view in range(VIEWS):
        assert np.array_equal(reader.rows(view, rows), LOGITS[view, rows].astype(np.float16).astype(np.float32))
    assert [block.path for block in reader.header.blocks][:3] == [
        "view-00000/rows-00000000.npy",
        "view-00000/rows-00000004.npy",
        "view-00000/rows-00000008.npy",
    ]


def test_the_header_has_rows_bytes_and_hash_of_every_block(tmp_path: Path):
    header = write(tmp_path, HEADER, Teacher(), Progress())
    assert LabelHeader.read(tmp_path / "header.json") == header
    assert len(header.blocks) == VIEWS
    for block in header.blocks:
        path = tmp_path / block.path
        assert (block.rows, block.bytes, block.sha256) == (ROWS, path.stat().st_size, hash_file(path))


@pytest.mark.usefixtures("small_blocks")
def test_writing_goes_on_at_the_first_missing_block(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        filled(tmp_path, teacher=Teacher(dies_after=4))
    resumed = filled(tmp_path)
    assert resumed.asked == [(1, 4, 8), (1, 8, 10)]
    assert filled(tmp_path).asked == []
    assert np.array_equal(Reader(tmp_path, HEADER).rows(1, np.arange(ROWS)), LOGITS[1].astype(np.float16))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_block_is_computed_again_on_writing(tmp_path: Path, damage: str):
    header = write(tmp_path, HEADER, Teacher(), Progress())
    path = tmp_path / header.blocks[1].path
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert filled(tmp_path).asked == [(0, 4, 8)]
    # and stands in its place: the blocks behind it are still read as what they are
    assert LabelHeader.read(tmp_path / "header.json") == header
    assert np.array_equal(Reader(tmp_path, HEADER).rows(0, np.arange(ROWS)), LOGITS[0].astype(np.float16))


def test_a_damaged_block_is_refused_on_reading(tmp_path: Path):
    header = write(tmp_path, HEADER, Teacher(), Progress())
    path = tmp_path / header.blocks[1].path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError) as caught:
        Reader(tmp_path, HEADER)
    assert str(caught.value) == (
        f"{path}: must be as it was written (SHA-256 {hash_file(path)[:12]}, recorded {header.blocks[1].sha256[:12]}). "
        "Do it again: kdeploy run RUN --force labels, or remove its folder."
    )


def test_a_store_that_is_not_full_is_refused_on_reading(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        filled(tmp_path, teacher=Teacher(dies_after=1))
    with pytest.raises(IntegrityError) as caught:
        Reader(tmp_path, HEADER)
    assert str(caught.value) == (
        f"{tmp_path / 'header.json'}: must have all rows of view 1. "
        "Do it again: kdeploy run RUN --force labels, or remove its folder."
    )


def test_a_folder_without_a_header_is_refused_on_reading(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        Reader(tmp_path, HEADER)
    assert str(caught.value) == (
        f"{tmp_path / 'header.json'}: must be the header of a label store (there is no such file)."
    )


def test_labels_of_another_teacher_are_refused_and_every_difference_is_named(tmp_path: Path):
    filled(tmp_path)
    other = HEADER.model_copy(update={"teacher": "fedcba9876543210", "precision": "bf16"})
    sentence = (
        f"{tmp_path / 'header.json'}: must be the header of these labels "
        "(precision: 'fp32' instead of 'bf16'; teacher: '0123456789abcdef' instead of 'fedcba9876543210')."
    )
    with pytest.raises(IntegrityError) as caught:
        Reader(tmp_path, other)
    assert str(caught.value) == sentence
    with pytest.raises(IntegrityError) as caught:
        filled(tmp_path, other)
    assert str(caught.value) == sentence


def test_logits_too_large_for_float16_are_refused(tmp_path: Path):
    logits = LOGITS.copy()
    logits[0, 3, 1] = -16377
    with pytest.raises(DataError) as caught:
        filled(tmp_path, teacher=Teacher(logits))
    assert str(caught.value) == (
        f"{tmp_path / 'view-00000/rows-00000000.npy'}: logits stored as float16 must be below 16376 in size (16377). "
        "Set labels.dtype to float32."
    )
    assert not (tmp_path / "header.json").exists()
    logits[0, 3, 1] = -16376
    filled(tmp_path, teacher=Teacher(logits))
    assert Reader(tmp_path, HEADER).rows(0, np.array([3]))[0, 1] == -16376


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_logits_that_are_not_finite_are_refused(tmp_path: Path, value: float, dtype: str):
    logits = LOGITS.copy()
    logits[1, 2, 0] = value
    with pytest.raises(NonFiniteError) as caught:
        filled(tmp_path, HEADER.model_copy(update={"dtype": dtype}), Teacher(logits))
    path = tmp_path / "view-00001/rows-00000000.npy"
    assert str(caught.value) == f"{path}: the teacher's logits must be finite (NaN or infinity)."
    assert not path.exists()


@pytest.fixture
def stores(tmp_path: Path) -> list[Reader]:
    """Two teachers' labels of the same inputs."""
    header, readers = HEADER.model_copy(update={"dtype": "float32"}), []
    for number in range(2):
        filled(tmp_path / str(number), header, Teacher(LOGITS * (number + 1)))
        readers.append(Reader(tmp_path / str(number), header))
    return readers


def test_several_stores_are_read_as_one_and_by_member(stores: list[Reader]):
    labels, rows = Combined(stores, Rule("logits", (0.25, 0.75))), np.array([7, 0])
    assert labels.shape == (VIEWS, ROWS, CLASSES)
    # 0.25 z + 0.75 (2 z)
    np.testing.assert_allclose(labels.rows(1, rows), 1.75 * LOGITS[1, rows], rtol=1e-6)
    assert np.array_equal(labels.members(1, rows), np.stack([LOGITS[1, rows], 2 * LOGITS[1, rows]]))


def test_one_store_is_an_ensemble_of_one(stores: list[Reader]):
    assert np.array_equal(stores[0].members(0, np.array([3])), LOGITS[:1, 3:4])


@pytest.mark.usefixtures("small_blocks")
def test_features_are_read_beside_the_logits_across_blocks(tmp_path: Path):
    header = HEADER.model_copy(update={"kind": "features", "dtype": "float32"})
    outputs = np.random.default_rng(1).standard_normal((VIEWS, ROWS, CLASSES + 5)).astype(np.float32)
    filled(tmp_path, header, Teacher(outputs))
    reader, rows = Reader(tmp_path, header), np.array([9, 0, 4, 3])
    assert np.array_equal(reader.rows(1, rows), outputs[1, rows, :CLASSES])
    assert np.array_equal(reader.features(1, rows), outputs[1, rows, CLASSES:])
    both = Combined([reader, reader], Rule("logits", (0.5, 0.5))).features(1, rows)
    assert np.array_equal(both, np.concatenate(2 * [outputs[1, rows, CLASSES:]], axis=1))


@pytest.mark.usefixtures("small_blocks")
def test_the_top_logits_are_read_across_blocks(tmp_path: Path):
    header = HEADER.model_copy(update={"kind": "topk", "top": 1, "dtype": "float32"})
    filled(tmp_path, header)
    rows = np.array([9, 0, 4])
    found = Reader(tmp_path, header).rows(0, rows)
    assert np.array_equal(found.max(1), LOGITS[0, rows].max(1))
    np.testing.assert_allclose(np.exp(found).sum(1), np.exp(LOGITS[0, rows]).sum(1), rtol=1e-5)


def test_a_store_without_features_says_how_to_get_them(tmp_path: Path):
    filled(tmp_path)
    with pytest.raises(DataError) as caught:
        Reader(tmp_path, HEADER).features(0, np.array([0]))
    assert str(caught.value) == (
        "labels.kind: must be features, so that the store has them (logits). Set labels.kind to features."
    )


def test_probabilities_take_logits_of_any_size(tmp_path: Path):
    header = HEADER.model_copy(update={"kind": "probabilities"})
    filled(tmp_path, header, Teacher(LOGITS * 1e5))
    assert (Reader(tmp_path, header).rows(0, np.arange(ROWS)).argmax(1) == LOGITS[0].argmax(1)).all()


def test_features_too_large_for_float16_are_refused(tmp_path: Path):
    outputs = np.full((VIEWS, ROWS, CLASSES + 1), 20_000, np.float32)
    with pytest.raises(DataError) as caught:
        filled(tmp_path, HEADER.model_copy(update={"kind": "features"}), Teacher(outputs))
    assert str(caught.value) == (
        f"{tmp_path / 'view-00000/rows-00000000.npy'}: logits and features stored as float16 must be below 16376 in "
        "size (20000). Set labels.dtype to float32."
    )
