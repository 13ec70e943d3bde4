from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kdeploy.samples.draws import Draws
from kdeploy.samples.views import mixup
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.views.views import Views
from tests.samples.views.pictures import pictures


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**63), alpha=st.floats(0.01, 100), view=st.integers(0, 1000))
@example(seed=3610, alpha=0.01, view=0)  # a radius of which e^(-log u / alpha) is too large
def test_the_weight_is_that_of_students_t(seed: int, alpha: float, view: int):
    draws = Draws(seed, view, torch.arange(50))
    radius = draws.uniform(DrawNumber.MIXUP_RADIUS).double().numpy() + 2**-25
    angle = draws.uniform(DrawNumber.MIXUP_ANGLE).double().numpy() + 2**-25
    # 690: the root of e^690 is far beyond where the weight still changes, and e^710 would be too large for a number
    t = np.sqrt(np.expm1((-np.log(radius) / alpha).clip(max=690))) * np.cos(2 * np.pi * angle)
    expected = (1 + np.sign(t) * np.hypot(1, 1 / np.abs(t)) ** -1) / 2
    # half of the last place that is kept, and what float64 does near the edges
    np.testing.assert_allclose(mixup.weights(draws, alpha).numpy() / 2**16, expected, rtol=0, atol=0.5 / 2**16 + 1e-9)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 2.0, 20.0])
def test_the_weights_have_the_moments_of_the_beta_distribution(alpha: float):
    count = 100_000
    found = mixup.weights(Draws(1, 2, torch.arange(count)), alpha).double() / 2**16 - 0.5
    # of Beta(a, a): variance 1 / (4 (2 a + 1)), fourth central moment 3 / (16 (2 a + 1) (2 a + 3))
    variance, fourth = 1 / (4 * (2 * alpha + 1)), 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    assert float(found.mean()) == pytest.approx(0, abs=4 * (variance / count) ** 0.5)
    assert float(found.square().mean()) == pytest.approx(variance, abs=4 * ((fourth - variance**2) / count) ** 0.5)
    assert float(found.pow(4).mean()) == pytest.approx(fourth, rel=0.05)


def test_one_uniform_weight_is_uniform():
    found = mixup.weights(Draws(1, 2, torch.arange(100_000)), 1.0)
    counts = np.bincount((found.numpy() * 50 // (2**16 + 1)), minlength=50)
    assert abs(((counts - 2_000) ** 2 / 2_000).sum() - 49) < 4 * 98**0.5  # 4 standard deviations; the seed is fixed


@pytest.mark.parametrize("alpha", [1e-9, 1e-3, 100.0])
def test_an_extreme_alpha_gives_weights_from_0_to_1(alpha: float):
    found = mixup.weights(Draws(1, 2, torch.arange(10_000)), alpha)
    assert found.dtype == torch.int64
    assert ((found >= 0) & (found <= 2**16)).all()
    assert alpha > 1 or set(found.tolist()) >= {0, 2**16}


def test_partners_are_drawn_from_the_pool_alone_and_evenly():
    pool = torch.tensor([3, 50, 59_999, 7])
    found = mixup.partners(Draws(1, 2, torch.arange(10_000)), pool)
    counts = [int((found == index).sum()) for index in pool]
    assert sum(counts) == 10_000
    assert max(abs(count - 2_500) for count in counts) < 4 * 1_875**0.5  # 4 standard deviations; the seed is fixed


def test_two_inputs_of_a_sample_have_one_partner_and_one_weight():
    image, flat = Views(3, shift=2, mixup=0.4), Views(3, noise=0.1, mixup=0.4)
    samples, pool = torch.arange(40), torch.arange(100, 200)
    one, other = image.draws(samples, 5), flat.draws(samples, 5)
    assert torch.equal(mixup.partners(one, pool), mixup.partners(other, pool))
    assert torch.equal(mixup.weights(one, 0.4), mixup.weights(other, 0.4))


def test_pixels_are_mixed_to_the_nearest_pixel():
    batch, others = pictures(6, 3), pictures(7, 3)[:6]
    own = torch.tensor([0, 1, 2**15, 40_000, 2**16 - 1, 2**16])
    seen = mixup.mix(batch, others, own)
    weight = own.numpy().reshape(-1, 1, 1, 1) / 2**16
    exact = batch.numpy() * weight + others.numpy() * (1 - weight)
    assert seen.dtype == torch.uint8
    np.testing.assert_array_equal(seen.numpy(), np.floor(exact + 0.5))
    assert torch.equal(seen[0], others[0])
    assert torch.equal(seen[5], batch[5])


def test_arrays_are_mixed_as_they_are():
    batch, others = torch.randn(3, 4), torch.randn(3, 4)
    seen = mixup.mix(batch, others, torch.tensor([0, 2**14, 2**16]))
    expected = torch.stack([others[0], 0.25 * batch[1] + 0.75 * others[1], batch[2]])
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-6)
