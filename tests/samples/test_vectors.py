from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdeploy.errors import DataError, KdeployError, ResourceError
from kdeploy.samples.room import Room
from kdeploy.samples.sources import load
from kdeploy.samples.vectors import Vectors
from tests.samples.test_parquet import real

ROWS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def write(file: Path, rows: Sequence[object], **columns: object) -> None:
    labels = {"label": np.arange(len(rows)) % 2}
    pq.write_table(pa.table({"spectrum": pa.array(rows, pa.list_(pa.float32())), **labels, **columns}), file)


def saved(folder: Path, rows: Sequence[object] = tuple(ROWS), **columns: object) -> dict[str, str]:
    write(folder / "train-0.parquet", rows, **columns)
    return {"parquet": str(folder)}


def refused(settings: dict[str, str], kind: type[KdeployError] = DataError, **options: int) -> str:
    with pytest.raises(kind) as caught:
        load(settings, split={"labeled": 20, "held_out": 5}, **options)
    return str(caught.value)


def test_lists_of_numbers_are_rows_of_an_array_named_as_their_column(tmp_path: Path):
    samples = load(saved(tmp_path), split={"labeled": 40, "held_out": 8, "test": 12})
    assert {name: info.kind for name, info in samples.record.inputs.items()} == {"spectrum": "array"}
    np.testing.assert_array_equal(samples.inputs["spectrum"], ROWS, strict=True)


def test_rows_of_one_group_are_in_one_part(tmp_path: Path):
    speakers = np.repeat([f"s{number}" for number in range(12)], 5)
    settings = saved(tmp_path, speaker=speakers) | {"groups": "speaker"}
    samples = load(settings, split={"labeled": 20, "unlabeled": 0, "held_out": 7, "test": 12})
    assert samples.record.counts == {"labeled": 20, "unlabeled": 0, "held_out": 7, "test": 12}
    places = {tuple(row): speaker for row, speaker in zip(ROWS.tolist(), speakers, strict=True)}
    found = {
        part: {places[tuple(row)] for row in samples.inputs["spectrum"][rows].tolist()}
        for part, rows in samples.parts.items()
    }
    assert not found["test"] & (found["labeled"] | found["held_out"])
    assert not found["held_out"] & found["labeled"]


def test_a_column_of_groups_that_is_not_there_is_refused(tmp_path: Path):
    assert refused(saved(tmp_path) | {"groups": "speaker"}) == (
        f"{tmp_path}/train-0.parquet: must have the column speaker (spectrum, label)."
    )


def test_a_row_of_another_length_is_named(tmp_path: Path):
    rows = [list(row) for row in ROWS]
    rows[7] = rows[7][:3]
    assert refused(saved(tmp_path, rows)) == (
        f"{tmp_path}/train-0.parquet: row 7: must have 4 numbers like the first row (3)."
    )


def test_a_row_without_numbers_is_named(tmp_path: Path):
    rows = [*ROWS]
    rows[3] = None
    assert refused(saved(tmp_path, rows)) == f"{tmp_path}/train-0.parquet: row 3: must have numbers in spectrum (null)."


def test_a_file_whose_column_is_of_another_type_is_refused(tmp_path: Path):
    settings = saved(tmp_path)
    pq.write_table(pa.table({"spectrum": ["a"], "label": [0]}), tmp_path / "train-1.parquet")
    assert refused(settings) == (
        f"{tmp_path}/train-1.parquet: must have spectrum as train-0.parquet has it, list<element: float> (string)."
    )


def test_a_null_among_the_numbers_is_named(tmp_path: Path):
    rows = [list(map(float, row)) for row in ROWS]
    rows[3][1] = None
    assert refused(saved(tmp_path, rows)) == (
        f"{tmp_path}/train-0.parquet: row 3: must have 4 numbers like the first row (a null)."
    )


def test_numbers_above_the_limit_are_refused(tmp_path: Path):
    assert refused(saved(tmp_path), ResourceError, room=Room(limit=100)) == (
        f"{tmp_path}: must decode to at most 100 bytes (960). Take fewer samples with split."
    )


def test_no_row_at_all_is_refused():
    with pytest.raises(DataError) as caught:
        Vectors("spectrum").decode([], 0, room=Room(limit=100), where="data")
    assert str(caught.value) == "data: must have at least 1 sample (0)."


def test_two_columns_of_lists_are_asked_about(tmp_path: Path):
    other = pa.array(list(ROWS), pa.list_(pa.float32()))
    assert refused(saved(tmp_path, other=other)) == (
        f"{tmp_path}/train-0.parquet: must say which column is the input (spectrum, other). Set data.x to its name."
    )


def test_frames_of_timit_as_they_were_published():
    samples = load(
        real("esl-phoneme") | {"groups": "speaker"}, split={"labeled": 2900, "unlabeled": 0, "held_out": 400}
    )
    assert samples.class_names == ("aa", "ao", "dcl", "iy", "sh")
    assert samples.record.inputs["log_periodogram"].shape == (256,)
    assert np.bincount(samples.labels[samples.parts["test"]]).tolist() == [176, 263, 195, 311, 224]
