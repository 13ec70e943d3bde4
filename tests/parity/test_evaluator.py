"""The reference evaluator in bounded memory: the same answers, and fewer values at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from kdeploy.errors import ResourceError
from kdeploy.models.signature import signature
from kdeploy.parity import evaluator
from kdeploy.parity.evaluator import Evaluator
from kdeploy.parity.truth import onnx_oracle
from tests import made

INPUTS = np.random.default_rng(0).random((6, 1, 4, 4), dtype=np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """16 numbers -> 16 hidden units -> 3 logits: input, its flat view, and what follows take 64 bytes a row each."""
    return made.linear(tmp_path / "m.onnx", (1, 4, 4))


def evaluated(path: Path) -> Evaluator:
    return Evaluator(onnx.load(path), signature(path), "m.onnx")


def test_the_answers_are_those_of_the_evaluators_own_loop(path: Path):
    expected = ReferenceEvaluator(onnx.load(path)).run(None, {"x": INPUTS})[0]
    assert np.array_equal(evaluated(path)(INPUTS), expected)


def test_a_value_is_gone_once_nobody_reads_it(path: Path):
    call = evaluated(path)
    call(INPUTS[:1])
    assert call.peak_bytes == 2 * 64  # a node's input and its output; with all that was computed it would be 268


def test_more_values_than_may_be_held_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluator, "MOST_BYTES", 127)
    with pytest.raises(ResourceError) as caught:
        evaluated(path)(INPUTS[:1])
    assert str(caught.value) == (
        "m.onnx: must hold at most 127 bytes at once while it is computed in float64 (128 bytes). "
        "Verify a smaller model."
    )


def test_an_oracle_of_many_inputs_is_computed_some_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = onnx_oracle(path, INPUTS)
    sizes: list[int] = []
    call = Evaluator.__call__

    def counted(self: Evaluator, batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        return call(self, batch)

    monkeypatch.setattr(Evaluator, "__call__", counted)
    monkeypatch.setattr(evaluator, "CHUNK_BYTES", 4 * 2 * 128)  # four rows in float64
    np.testing.assert_allclose(onnx_oracle(path, INPUTS).logits, whole.logits, rtol=1e-12)
    assert sizes == [1, 4, 4, 4, 4, 4, 4]  # in float64, as it is, and with sums one by one
