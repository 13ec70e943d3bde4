from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdeploy.errors import DataError
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import content_hash, load
from kdeploy.samples.windows import Windows
from tests.samples.speech.recordings import SECOND, riff
from tests.samples.test_parquet import real

pytest.importorskip("kaldi_native_fbank", reason="filter banks come from the extra 'speech'")
pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'speech'")

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
STATES = np.repeat(np.arange(6), 16)  # of 96 frames; a second has 98


def write(
    file: Path, count: int, *, states: list[object] | None = None, names: object = ("SIL", "AA"), **more: object
) -> None:
    audio = pa.array([{"bytes": riff(np.roll(SECOND, row)), "path": None} for row in range(count)], AUDIO)
    found = pa.array(states or [STATES] * count, pa.list_(pa.int16()))
    features = {"info": {"features": {"phone": {"feature": {"names": names}, "_type": "Sequence"}}}}
    table = pa.table({"audio": audio, "frame_state": found, **more})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), file)


def saved(folder: Path, **more: object) -> dict[str, str]:
    write(folder / "train-0.parquet", 6, **more)
    write(folder / "test-0.parquet", 2)
    return {"phones": str(folder)}


def loaded(settings: dict[str, str], **more: object) -> SampleSet:
    return load(settings | more, split={"labeled": 150, "unlabeled": 0, "held_out": 50})


def refused(settings: dict[str, str]) -> str:
    with pytest.raises(DataError) as caught:
        loaded(settings)
    return str(caught.value)


def test_aligned_phones_are_windows_of_frames_with_their_states(tmp_path: Path):
    samples = loaded(saved(tmp_path))
    assert samples.record.counts == {"labeled": 150, "unlabeled": 0, "held_out": 50, "test": 192}
    assert samples.class_names == ("SIL 0", "SIL 1", "SIL 2", "AA 0", "AA 1", "AA 2")
    assert samples.labels[samples.parts["test"]].tolist() == [*STATES, *STATES]
    assert samples.record.inputs["speech"].model_dump()["window"] == 15
    assert samples.record.source == {"phones": tmp_path.name}
    assert isinstance(samples.inputs["speech"], Windows)


def test_phones_as_targets_leave_the_states_out(tmp_path: Path):
    samples = loaded(saved(tmp_path), targets="phones")
    assert samples.class_names == ("SIL", "AA")
    assert samples.labels[samples.parts["test"]][:96].tolist() == [0] * 48 + [1] * 48


def test_a_column_of_groups_keeps_its_recordings_together(tmp_path: Path):
    settings = saved(tmp_path, speaker=["a", "a", "b", "b", "c", "c"])
    write(tmp_path / "test-0.parquet", 2, speaker=["d", "d"])
    # 50 frames are held out of a recording, whose other frames are in no part; with groups, its speaker's are not
    for more, left in (({}, 5), ({"groups": "speaker"}, 4)):
        counts = load(settings | more, split={"labeled": 1, "held_out": 50}).record.counts
        assert counts["unlabeled"] == left * 96 - 1


def test_the_content_hash_is_that_of_the_files(tmp_path: Path):
    settings = saved(tmp_path)
    before = content_hash(settings)
    (tmp_path / "words.txt").write_text("words")
    assert content_hash(settings) == before
    file = next(tmp_path.glob("train-*.parquet"))
    file.write_bytes(file.read_bytes() + b"more")
    assert content_hash(settings) != before


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        (None, "must have the bytes of its audio, and a state for each frame (null, or an empty list)"),
        ([], "must have the bytes of its audio, and a state for each frame (null, or an empty list)"),
        ([0, 6], "must have states from 0 to 5 (0 to 6)"),
        ([-1, 2], "must have states from 0 to 5 (-1 to 2)"),
    ],
)
def test_a_recording_without_good_states_is_named(tmp_path: Path, states: object, problem: str):
    settings = saved(tmp_path, states=[STATES, STATES, states, STATES, STATES, STATES])
    assert refused(settings) == f"{tmp_path}/train-0.parquet: row 2: {problem}."


def test_phones_without_names_are_refused(tmp_path: Path):
    settings = saved(tmp_path)
    table = pq.read_table(tmp_path / "train-0.parquet")
    pq.write_table(table.replace_schema_metadata(None), tmp_path / "train-0.parquet")
    assert refused(settings) == (
        f"{tmp_path}/train-0.parquet: must name its phones in the metadata key huggingface, as the classes of the list "
        "phone (no names)."
    )


def test_other_columns_are_refused(tmp_path: Path):
    settings = saved(tmp_path)
    table = pq.read_table(tmp_path / "test-0.parquet").rename_columns(["audio", "states"])
    pq.write_table(table, tmp_path / "test-0.parquet")
    assert refused(settings) == (
        f"{tmp_path}/test-0.parquet: must have the columns audio and frame_state (audio, states)."
    )


@pytest.mark.parametrize(
    ("column", "cells", "kinds"),
    [
        ("audio", [1.5] * 2, "audio double, frame_state list<element: int16>"),
        ("frame_state", [2.5] * 2, "audio struct<bytes: binary, path: string>, frame_state double"),
        ("frame_state", [[1.0]] * 2, "audio struct<bytes: binary, path: string>, frame_state list<element: double>"),
    ],
)
def test_columns_of_other_types_are_refused(tmp_path: Path, column: str, cells: list[object], kinds: str):
    settings = saved(tmp_path)
    table = pq.read_table(tmp_path / "test-0.parquet")
    table = table.set_column(table.column_names.index(column), column, pa.array(cells))
    pq.write_table(table, tmp_path / "test-0.parquet")
    assert refused(settings) == (
        f"{tmp_path}/test-0.parquet: must have audio as struct<bytes, path> and frame_state as a list of integers "
        f"({kinds})."
    )


def test_a_frame_without_a_state_is_refused(tmp_path: Path):
    settings = saved(tmp_path)
    write(tmp_path / "test-0.parquet", 2, states=[STATES, [1, None]])
    assert refused(settings) == (
        f"{tmp_path}/test-0.parquet: row 1: must have the bytes of its audio, and a state for each frame "
        "(null, or an empty list)."
    )


def test_arctic_phones_have_every_state_in_the_test_part():
    settings = {"phones": real("arctic-phones")["parquet"]}
    samples = load(settings, split={"labeled": 1_000, "unlabeled": 0, "held_out": 500})
    assert len(samples.class_names) == 120
    # the aligner's window is half a millisecond longer, and it gave one frame more to most sentences
    assert samples.record.counts["test"] == 12_622
    assert len(np.unique(samples.labels[samples.parts["test"]])) == 120
