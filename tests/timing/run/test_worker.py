from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import DataError, IntegrityError
from kdeploy.runtimes import artefacts
from kdeploy.timing.run import worker

ONES = {"y": np.ones((2, 3), np.float32)}


@given(st.integers(1, 200), st.integers(1, 80))
def test_batches_are_full_distinct_and_at_most_64(samples: int, batch: int) -> None:
    found = worker.cut({"x": np.arange(samples)}, batch)
    assert 1 <= len(found) <= 64
    assert all(len(one["x"]) == batch for one in found)
    assert len({one["x"].tobytes() for one in found}) == len(found)


def test_batches_are_consecutive_samples_wrapping_around() -> None:
    found = worker.cut({"x": np.arange(5)}, 2)
    assert [one["x"].tolist() for one in found] == [[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("outputs", "error"),
    [
        (ONES, 0.0),
        ({"y": np.full((2, 3), 1.5, np.float32)}, 0.5),
        ({"y": np.ones((2, 3), np.float64)}, 0.0),
        ({"y": np.ones((3, 2), np.float32)}, math.inf),
        ({"y": np.full((2, 3), np.nan, np.float32)}, math.inf),
        ({"y": np.full((2, 3), np.inf, np.float32)}, math.inf),
        ({}, math.inf),
    ],
)
def test_the_largest_error_of_outputs(outputs: dict[str, np.ndarray], error: float) -> None:
    assert worker.largest_error(outputs, ONES) == error


def test_outputs_that_must_not_be_finite_agree_with_themselves() -> None:
    odd = {"y": np.array([np.nan, np.inf], np.float32)}
    assert worker.largest_error(odd, odd) == 0.0


def test_bytes_that_are_not_npz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(DataError) as caught:
        worker.read_arrays(path)
    assert str(caught.value).startswith(f"{path}: must be an .npz of plain arrays (")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(DataError) as caught:
        worker.read_arrays(path)
    assert str(caught.value) == (
        f"{path}: must be an .npz of plain arrays (Object arrays cannot be loaded when allow_pickle=False)."
    )


@pytest.mark.parametrize("arrays", [{}, {"x": np.float32(1)}, {"x": np.zeros((0, 4))}])
def test_arrays_without_samples_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = tmp_path / "inputs.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        worker.read_arrays(path)
    assert str(caught.value) == f"{path}: must hold arrays with at least one sample ({len(arrays)} array(s))."


def test_an_artefact_is_held_to_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"model")
    worker.check_bytes(path, None)
    worker.check_bytes(path, artefacts.digest(path))
    worker.check_bytes(tmp_path / "absent.onnx", "00")
    with pytest.raises(IntegrityError) as caught:
        worker.check_bytes(path, "00")
    assert str(caught.value) == (
        f"{path}: must have the SHA-256 00 ({artefacts.digest(path)}). "
        "The file changed after it was hashed; make it again."
    )


class Doubling:
    """y = 2 x."""

    settings: dict[str, str] = {}  # noqa: RUF012 (nobody changes it)

    def run(self, inputs: worker.Arrays) -> dict[str, np.ndarray]:
        return {"y": inputs["x"] * 2}

    def close(self) -> None:
        pass


def test_without_promised_outputs_a_model_is_held_to_its_own() -> None:
    batches = worker.cut({"x": np.arange(1, 5, dtype=np.float32)}, 1)
    expected, tolerance, error = worker.references(Doubling(), batches, None, None)
    assert [float(one["y"][0]) for one in expected] == [2, 4, 6, 8]
    assert (tolerance, error) == (pytest.approx(8e-4, rel=1e-6), None)


def test_promised_outputs_are_compared_at_the_start() -> None:
    batches = worker.cut({"x": np.ones(2, np.float32)}, 1)
    promised = worker.cut({"y": np.array([2, 2.25], np.float32)}, 1)
    assert worker.references(Doubling(), batches, promised, 0.5) == (promised, 0.5, 0.25)


def test_every_64th_output_is_checked() -> None:
    batches = worker.cut({"x": np.ones(1, np.float32)}, 1)
    bench = worker.Bench(Doubling(), batches, [{"y": np.zeros(1, np.float32)}], 0.1)
    found = bench.run(129, 2)
    assert (len(found["ns"]), len(found["resume_ns"]), found["wrong"]) == (129, 2, 3)


def test_inputs_rotate() -> None:
    seen: list[float] = []

    class Watching(Doubling):
        def run(self, inputs: worker.Arrays) -> dict[str, np.ndarray]:
            seen.append(float(inputs["x"][0]))
            return super().run(inputs)

    batches = worker.cut({"x": np.arange(3, dtype=np.float32)}, 1)
    worker.Bench(Watching(), batches, worker.cut({"y": np.arange(3, dtype=np.float32) * 2}, 1), 0.0).run(7, 0)
    assert seen == [1, 2, 0, 1, 2, 0, 1]


def test_the_counters_are_read_before_and_after_the_timed_calls(tmp_path: Path) -> None:
    path = tmp_path / "proc/pressure/cpu"
    path.parent.mkdir(parents=True)
    path.write_text("some total=1\n")

    class Busy(Doubling):
        """Adds 1 us of pressure a call."""

        def run(self, inputs: worker.Arrays) -> dict[str, np.ndarray]:
            path.write_text(f"some total={int(path.read_text().rpartition('=')[2]) + 1}\n")
            return super().run(inputs)

    batches = worker.cut({"x": np.ones(1, np.float32)}, 1)
    bench = worker.Bench(Busy(), batches, [{"y": np.full(1, 2, np.float32)}], 0.1, cpus=(3,), root=tmp_path)
    found = bench.run(5, 2)["counters"]
    assert (found["before"]["pressure_ns"], found["after"]["pressure_ns"]) == (3000, 8000)
    assert (found["before"]["steal_ns"], found["cpus"]) == (None, 1)
    assert found["elapsed_ns"] > 0
