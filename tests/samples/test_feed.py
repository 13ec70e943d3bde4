from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.errors import DataError
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.draws import Draws
from kdeploy.samples.feed import Feed, statistics
from kdeploy.samples.views import mixup
from kdeploy.samples.views.munge import Munge
from kdeploy.samples.views.views import Views
from kdeploy.samples.windows import Windows

IMAGE = Preprocessing(input="image", kind="image", shape=(3, 6, 5), dtype="uint8", scale=1 / 255)
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 3, 6, 5), np.uint8)


def test_plain_samples_are_preprocessed_rows():
    found = Feed(PIXELS, Views(0, shift=2), IMAGE).plain(np.array([4, 1, 4]))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.from_numpy(PIXELS[[4, 1, 4]].astype(np.float32)) / 255, rtol=1e-6, atol=0)


def test_a_view_depends_on_the_sample_and_not_on_the_batch():
    feed = Feed(PIXELS, Views(7, shift=2), IMAGE)
    together = feed.view(np.arange(9), 3)
    alone = torch.cat([feed.view(np.array([index]), 3) for index in range(9)])
    assert torch.equal(together, alone)
    assert not torch.equal(together, feed.view(np.arange(9), 4))
    assert not torch.equal(together, feed.plain(np.arange(9)))


def test_a_view_is_seen_before_the_models_own_preprocessing():
    feed = Feed(PIXELS, Views(7, shift=2), IMAGE)
    seen = Views(7, shift=2)(torch.from_numpy(PIXELS), torch.arange(9), 3)
    torch.testing.assert_close(feed.view(np.arange(9), 3), seen.float() / 255, rtol=1e-6, atol=0)


def test_two_models_see_the_same_view_each_in_its_own_preprocessing():
    other = IMAGE.model_copy(update={"scale": 1.0})
    one, two = (Feed(PIXELS, Views(7, shift=2), spec).view(np.arange(9), 1) for spec in (IMAGE, other))
    torch.testing.assert_close(one * 255, two, rtol=1e-6, atol=0)


def test_windows_are_fed_as_the_array_of_all_of_them():
    frames = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    windows = Windows(frames, np.array([0, 1, 3, 4, 5, 6, 8, 9]), 3)
    rows = Preprocessing(input="speech", kind="array", shape=(9,), dtype="float32")
    pool, asked = np.arange(2, 8), np.array([7, 2, 5])
    ours, plain = (
        Feed(array, Views(7, noise=0.1, mixup=0.4), rows, pool, Munge(array, pool, probability=0.5, variance=1.0))
        for array in (windows, np.asarray(windows))
    )
    assert torch.equal(ours.plain(asked), plain.plain(asked))
    assert torch.equal(ours.view(asked, 3), plain.view(asked, 3))
    assert statistics(windows, pool, 1.0) == statistics(np.asarray(windows), pool, 1.0)


MIXED = Views(7, shift=2, crop=1, flip=True, color=0.3, noise=0.1, cutout=2, mixup=0.4)
POOL = np.array([0, 2, 3, 5, 8])


@given(cut=st.integers(0, 9), view=st.integers(0, 50), image=st.booleans())
@settings(max_examples=40, deadline=None)
def test_mixed_views_may_have_their_batch_cut_anywhere(cut: int, view: int, image: bool):
    spec = Preprocessing(input="x", kind="array", shape=(7,), dtype="float32", scale=1.0)
    array = np.random.default_rng(1).normal(size=(9, 7)).astype(np.float32)
    flat = Feed(array, Views(7, noise=0.1, mixup=0.4), spec, POOL)
    feed, indices = Feed(PIXELS, MIXED, IMAGE, POOL) if image else flat, np.array([4, 1, 8, 0, 1, 6, 5, 3, 2])
    pieces = torch.cat([feed.view(indices[:cut], view), feed.view(indices[cut:], view)])
    assert torch.equal(pieces, feed.view(indices, view))


def test_a_sample_is_mixed_with_its_partners_own_view():
    views, indices = Views(7, shift=2, mixup=0.4), np.arange(9)
    found = Feed(PIXELS, views, IMAGE, POOL).view(indices, 3) * 255
    draws = Draws(7, 3, torch.arange(9))
    partners, own = mixup.partners(draws, torch.from_numpy(POOL)), mixup.weights(draws, 0.4) / 2**16
    single = Feed(PIXELS, Views(7, shift=2), IMAGE)
    for row in range(9):
        alone, other = (single.view(np.array([index]), 3)[0] * 255 for index in (row, int(partners[row])))
        expected = own[row] * alone + (1 - own[row]) * other
        torch.testing.assert_close(found[row], expected, rtol=0, atol=0.5 + 1e-3)  # half a grey level of rounding


def test_a_feed_without_mixup_has_every_other_step():
    feed = Feed(PIXELS, MIXED, IMAGE, POOL)
    assert torch.equal(feed.unmixed.view(np.arange(9), 3), Feed(PIXELS, MIXED.unmixed, IMAGE).view(np.arange(9), 3))
    assert not torch.equal(feed.unmixed.view(np.arange(9), 3), feed.view(np.arange(9), 3))


@pytest.mark.parametrize("partners", [None, np.array([], np.int64)])
def test_mixup_with_nobody_is_refused(partners: np.ndarray | None):
    with pytest.raises(DataError) as caught:
        Feed(PIXELS, MIXED, IMAGE, partners)
    assert str(caught.value) == "views.mixup: must have samples to mix with (none)."


def test_a_memory_mapped_set_feeds_without_a_warning(tmp_path):
    np.save(tmp_path / "pixels.npy", PIXELS)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    assert torch.equal(
        Feed(mapped, Views(0), IMAGE).plain(np.arange(3)), Feed(PIXELS, Views(0), IMAGE).plain(np.arange(3))
    )


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    scale=st.sampled_from([1.0, 1 / 255]),
    seed=st.integers(0, 50),
)
@settings(max_examples=25, deadline=None)
def test_statistics_are_those_of_numpy(shape: tuple[int, ...], scale: float, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 256, (12, *shape), np.uint8)
    indices = np.array([0, 3, 4, 11])
    mean, std = statistics(pixels, indices, scale)
    values = pixels[indices].astype(np.float64) * scale
    assert mean == pytest.approx(values.mean(axis=(0, 2, 3)), rel=1e-6)
    expected = values.std(axis=(0, 2, 3))
    assert std == pytest.approx(np.where(expected > 1e-6, expected, 1.0), rel=1e-6)


def test_statistics_of_flat_features_are_one_by_one():
    features = np.array([[0.0, 5.0], [2.0, 5.0]], np.float32)
    assert statistics(features, np.arange(2), 1.0) == ((1.0, 5.0), (1.0, 1.0))


def test_statistics_are_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch):
    whole = statistics(PIXELS, np.arange(9), 1 / 255)
    monkeypatch.setattr("kdeploy.samples.feed._CHUNK_BYTES", 1)
    assert statistics(PIXELS, np.arange(9), 1 / 255) == whole
