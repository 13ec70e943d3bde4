from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.errors import DataError
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.feed import Feed
from kdeploy.samples.views.munge import Munge, nearest
from kdeploy.samples.views.views import Views

RNG = np.random.default_rng(0)
TABLE = np.concatenate([RNG.normal(size=(40, 3)), RNG.integers(0, 4, (40, 2))], axis=1).astype(np.float32)
POOL = np.array([0, 2, 3, 5, 8, 13, 21, 30, 31, 39])
SPEC = Preprocessing(input="x", kind="array", shape=(5,), dtype="float32", scale=1.0)


def munge(probability: float = 0.5, variance: float = 1.0, nominal: tuple[int, ...] = (3, 4)) -> Munge:
    return Munge(TABLE, POOL, probability, variance, nominal)


def seen(step: Munge, indices: np.ndarray = POOL, *, seed: int = 1, view: int = 2, noise: float = 0.0) -> np.ndarray:
    feed = Feed(TABLE, Views(seed, noise=noise), SPEC, munge=step)
    return feed.view(indices, view).numpy()


def pairs(step: Munge) -> tuple[np.ndarray, np.ndarray]:
    return TABLE[POOL], TABLE[step.neighbours]


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 10), view=st.integers(0, 50), seed=st.integers(0, 2**40), noise=st.sampled_from([0.0, 0.1]))
def test_a_batch_may_be_cut_anywhere_and_in_any_order(cut: int, view: int, seed: int, noise: float):
    order = np.random.default_rng(seed).permutation(POOL)
    pieces = [seen(munge(), some, seed=seed, view=view, noise=noise) for some in (order[:cut], order[cut:])]
    np.testing.assert_array_equal(np.concatenate(pieces), seen(munge(), order, seed=seed, view=view, noise=noise))


@given(view=st.integers(0, 50), seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_probability_0_is_the_identity(view: int, seed: int):
    np.testing.assert_array_equal(seen(munge(0.0), seed=seed, view=view), TABLE[POOL])


@given(view=st.integers(0, 50), probability=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_nominal_values_come_from_the_pair(view: int, probability: float):
    step = munge(probability)
    (own, others), found = pairs(step), seen(step, view=view)
    assert ((found[:, 3:] == own[:, 3:]) | (found[:, 3:] == others[:, 3:])).all()


def test_with_probability_1_every_nominal_value_is_the_neighbours():
    step = munge(1.0)
    np.testing.assert_array_equal(seen(step)[:, 3:], pairs(step)[1][:, 3:])


def test_an_attribute_in_p_is_changed():
    step = munge(0.2, nominal=())
    changed = np.mean([seen(step, view=view)[:, :3] != TABLE[POOL][:, :3] for view in range(400)])
    assert changed == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / (400 * 30)) ** 0.5)  # 4 standard deviations


@pytest.mark.parametrize("variance", [0.5, 1.0, 4.0])
def test_a_continuous_value_is_normal_around_the_neighbours(variance: float):
    step = munge(1.0, variance)
    own, others = (rows[:, :3] for rows in pairs(step))
    found = np.stack([seen(step, view=view)[:, :3] for view in range(400)])
    standard = (found - others) / (np.abs(own - others) / variance)
    assert standard.mean() == pytest.approx(0, abs=4 / standard.size**0.5)
    assert standard.std() == pytest.approx(1, abs=4 / (2 * standard.size) ** 0.5)


def test_equal_rows_stay_as_they_are():
    step = Munge(np.ones((4, 2), np.float32), np.arange(4), 1.0, 1.0)
    rows = torch.ones(4, 2)
    assert torch.equal(step(rows, np.arange(4), Views(0).draws(torch.arange(4), 0)), rows)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_nearest_is_that_of_a_search_in_float64(seed: int):
    draws = np.random.default_rng(seed)
    table = np.concatenate([draws.normal(size=(30, 2)) * [1, 100], draws.integers(0, 3, (30, 1))], axis=1)
    scaled = table / np.array([*table[:, :2].std(0), 1])
    squares = np.square(scaled[:, None, :2] - scaled[None, :, :2]).sum(2) + (table[:, None, 2] != table[None, :, 2])
    np.fill_diagonal(squares, np.inf)
    found = nearest(table.astype(np.float32), [2])
    best = squares.min(1)
    np.testing.assert_allclose(squares[np.arange(30), found], best, rtol=1e-4, atol=1e-6)  # float32, and ties


def test_the_chunks_of_a_search_change_nothing(monkeypatch: pytest.MonkeyPatch):
    whole = nearest(TABLE, (3, 4))
    monkeypatch.setattr("kdeploy.samples.views.munge._CHUNK_BYTES", 4 * len(TABLE) * 7)
    np.testing.assert_array_equal(nearest(TABLE, (3, 4)), whole)


def test_a_column_that_never_changes_decides_nothing():
    flat = np.concatenate([TABLE[:, :3], np.full((40, 1), 7, np.float32)], axis=1)
    np.testing.assert_array_equal(nearest(flat, ()), nearest(TABLE[:, :3].copy(), ()))


def test_neighbours_are_others_of_the_pool():
    found = munge().neighbours
    assert set(found.tolist()) <= set(POOL.tolist())
    assert (found != POOL).all()


def test_a_training_on_labels_sees_no_munged_row():
    feed = Feed(TABLE, Views(1), SPEC, munge=munge(1.0))
    assert (feed.mixes, feed.unmixed.mixes) == (True, False)
    np.testing.assert_array_equal(feed.unmixed.view(POOL, 2).numpy(), TABLE[POOL])


def test_what_is_no_table_is_refused():
    with pytest.raises(DataError) as caught:
        Munge(np.zeros((4, 2, 2), np.float32), POOL, 0.5, 1.0)
    assert str(caught.value) == (
        "views.munge: must be given rows of a table, (N, columns) ((4, 2, 2)). Leave views.munge out for this input."
    )


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(DataError) as caught:
        munge(nominal=(3, 5))
    assert str(caught.value) == "views.munge.nominal: must be columns from 0 to 4 (3, 5)."


def test_a_single_sample_has_no_neighbour():
    with pytest.raises(DataError) as caught:
        Munge(TABLE, POOL[:1], 0.5, 1.0)
    assert str(caught.value) == "views.munge: must have at least 2 samples in the transfer set (1)."
