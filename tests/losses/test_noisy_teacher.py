from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.losses.noisy_teacher import perturbed
from kdeploy.losses.options import Noise
from kdeploy.samples.draws import Draws

ALL = Noise(0.5, 1.0)


def factors(noise: Noise, samples: int = 20_000, *, classes: int = 3, seed: int = 0, epoch: int = 0) -> torch.Tensor:
    """What each logit is multiplied by."""
    return perturbed(torch.ones(samples, classes), noise, seed=seed, epoch=epoch, samples=torch.arange(samples))


def test_every_logit_is_multiplied_by_a_normal_factor_of_its_own():
    found = ((factors(ALL) - 1) / 0.5).numpy()  # standard normal; 60,000 of them, and the seed is fixed
    assert abs(found.mean()) < 4 / found.size**0.5
    assert abs(found.var() - 1) < 4 * (2 / found.size) ** 0.5
    assert abs((np.abs(found) < 1.959964).mean() - 0.95) < 4 * (0.95 * 0.05 / found.size) ** 0.5
    correlations = np.corrcoef(found.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4 / len(found) ** 0.5


def test_only_the_share_of_the_samples_is_touched_and_each_whole():
    changed = factors(Noise(0.5, 0.3)) != 1
    assert torch.equal(changed.any(1), changed.all(1))
    assert abs(changed[:, 0].double().mean().item() - 0.3) < 4 * (0.3 * 0.7 / 20_000) ** 0.5
    assert torch.equal(factors(Noise(0.5, 0.0)), torch.ones(20_000, 3))


def test_noise_multiplies():
    logits = torch.tensor([[0.0, 3.0, -2.0]])
    found = perturbed(logits, ALL, seed=0, epoch=0, samples=torch.tensor([7]))
    assert torch.equal(found, logits * factors(ALL, 8)[7:])


@settings(deadline=None)
@given(samples=st.lists(st.integers(0, 2**40), min_size=1, max_size=8), data=st.data())
def test_a_batch_may_be_cut_anywhere(samples: list[int], data: st.DataObject):
    cut, indices = data.draw(st.integers(0, len(samples))), torch.tensor(samples)
    logits = torch.arange(1.0, 4 * len(samples) + 1).reshape(-1, 4)
    whole = perturbed(logits, ALL, seed=3, epoch=2, samples=indices)
    parts = [
        perturbed(logits[part], ALL, seed=3, epoch=2, samples=indices[part]) for part in (slice(cut), slice(cut, None))
    ]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}])
def test_noise_of_another_seed_or_epoch_is_independent(other: dict[str, int]):
    correlation = np.corrcoef(factors(ALL).flatten(), factors(ALL, **other).flatten())[0, 1]
    assert abs(correlation) < 4 / 60_000**0.5


@pytest.mark.parametrize("seed", [0, 1])
def test_the_samples_chosen_are_independent_of_their_views(seed: int):
    chosen = (factors(Noise(0.5, 0.5), seed=seed)[:, 0] != 1).double().numpy()
    shifts = Draws(seed, 0, torch.arange(20_000)).uniform(0).double().numpy()
    assert abs(np.corrcoef(chosen, shifts)[0, 1]) < 4 / 20_000**0.5


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    factors(ALL, 10)
    assert torch.equal(torch.rand(3), expected)
