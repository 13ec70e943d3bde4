from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.labels.encoding import decode, encode, row_bytes


@st.composite
def logits_and_top(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    rows, classes = draw(st.integers(1, 5)), draw(st.integers(2, 40))
    draws = np.random.default_rng(draw(st.integers(0, 9999)))
    scale = draw(st.sampled_from([0.0, 0.1, 5.0, 200.0]))
    return draws.normal(0, scale, (rows, classes)).astype(np.float32), draw(st.integers(1, classes))


def _log_mass(logits: np.ndarray) -> np.ndarray:
    exact = logits.astype(np.float64)
    top = exact.max(1, keepdims=True)
    return top[:, 0] + np.log(np.exp(exact - top).sum(1))


@settings(deadline=None)
@given(logits_and_top())
def test_topk_keeps_its_logits_and_the_exact_mass_of_the_tail(found):
    logits, top = found
    read = decode(encode(logits, "topk", "float32", top), "topk", logits.shape[1])
    kept = np.argsort(-logits, axis=1, kind="stable")[:, :top]
    assert np.array_equal(np.take_along_axis(read, kept, 1), np.take_along_axis(logits, kept, 1))
    # the tail is rounded to float32 twice, at a size of up to 1,000
    np.testing.assert_allclose(_log_mass(read), _log_mass(logits), rtol=1e-6, atol=1e-5)
    tail = np.ones_like(logits, bool)
    np.put_along_axis(tail, kept, False, axis=1)
    if tail.any():
        rest = np.where(tail, logits, -np.inf), np.where(tail, read, -np.inf)
        np.testing.assert_allclose(_log_mass(rest[1]), _log_mass(rest[0]), rtol=1e-6, atol=1e-5)


@settings(deadline=None)
@given(logits_and_top())
def test_topk_of_all_classes_loses_nothing(found):
    logits, _ = found
    classes = logits.shape[1]
    assert np.array_equal(decode(encode(logits, "topk", "float32", classes), "topk", classes), logits)


@settings(deadline=None)
@given(logits_and_top())
def test_topk_keeps_the_top_class(found):
    logits, top = found
    read = decode(encode(logits, "topk", "float32", top), "topk", logits.shape[1])
    assert np.array_equal(np.take_along_axis(read, logits.argmax(1)[:, None], 1)[:, 0], read.max(1))


def test_a_tail_worked_out_by_hand():
    logits = np.log(np.array([[0.5, 0.1, 0.3, 0.1]], np.float32))
    stored = encode(logits, "topk", "float32", 1)
    assert stored["classes"].tolist() == [[0]]
    # the other three hold one half, so each reads as a sixth
    np.testing.assert_allclose(np.exp(decode(stored, "topk", 4)), [[1 / 2, 1 / 6, 1 / 6, 1 / 6]], rtol=1e-6)


@settings(deadline=None)
@given(logits_and_top())
def test_probabilities_in_float16_are_off_by_no_more_than_is_said(found):
    logits, _ = found
    exact = np.exp(logits - _log_mass(logits)[:, None])
    read = np.exp(decode(encode(logits, "probabilities", "float16", None), "probabilities", logits.shape[1]))
    normal = exact >= 2**-14
    # what is said, and float32's own rounding of a logarithm
    assert (np.abs(read - exact)[normal] <= (2**-11 + 1e-6) * exact[normal]).all()
    assert (np.abs(read - exact)[~normal] <= 2**-25 * (1 + 1e-4)).all()


@pytest.mark.parametrize(("dtype", "power"), [("float16", 25), ("float32", 150)])
def test_a_probability_of_0_is_read_as_half_of_the_smallest(dtype, power):
    logits = np.array([[0.0, -5000.0]], np.float32)
    read = decode(encode(logits, "probabilities", dtype, None), "probabilities", 2)
    np.testing.assert_allclose(read, [[0.0, -power * math.log(2)]], rtol=1e-6)


def test_features_stand_behind_the_logits():
    outputs = np.arange(10, dtype=np.float32).reshape(2, 5)
    stored = encode(outputs, "features", "float32", None)
    assert np.array_equal(stored, outputs)
    assert np.array_equal(decode(stored, "features", 3), outputs[:, :3])


@pytest.mark.parametrize("kind", ["logits", "probabilities", "topk"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("classes", [7, 70_000])
def test_the_bytes_of_a_row_are_those_that_are_stored(kind, dtype, classes):
    rows = np.zeros((2, classes), np.float32)
    assert row_bytes(kind, dtype, classes, 3) == encode(rows, kind, dtype, 3).nbytes / 2


def test_only_the_teacher_knows_how_wide_features_are():
    assert row_bytes("features", "float16", 10, None) is None
    assert row_bytes("features", "float16", 10, None, components=6) == 2 * (10 + 6)
