from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kdeploy.errors import DataError, IntegrityError
from kdeploy.labels.pca import Components, fit, samples_needed


def _features(rows: int = 300) -> torch.Tensor:
    """Ten directions of falling spread in 40 dimensions, away from 0."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(40, 10, generator=draw)).Q
    return 3 + torch.randn(rows, 10, generator=draw) * (10 * 0.5 ** torch.arange(10)) @ directions.T


def test_components_are_those_of_the_exact_decomposition():
    features = _features()
    found = fit(features, 4)
    _, values, vectors = torch.linalg.svd((features - features.mean(0)).double(), full_matrices=False)
    exact = vectors[:4].T / (values[:4].square().mean() / 300).sqrt()
    exact = exact * exact.gather(0, exact.abs().argmax(0, keepdim=True)).sign()
    torch.testing.assert_close(found.directions.double(), exact, rtol=0, atol=2e-3)
    assert found.mean.equal(features.mean(0))


def test_their_mean_variance_is_1_and_their_mean_0():
    features = _features()
    reduced = fit(1e3 * features, 5).of(1e3 * features)
    assert reduced.shape == (300, 5)
    assert reduced.var(0, correction=0).mean().item() == pytest.approx(1.0, rel=1e-3)
    torch.testing.assert_close(reduced.mean(0), torch.zeros(5), rtol=0, atol=1e-4)


def test_the_same_features_give_the_same_components_whatever_was_drawn_before():
    one = fit(_features(), 4)
    torch.rand(7)
    again = fit(_features(), 4)
    assert one.directions.equal(again.directions)


def test_features_that_never_change_are_0():
    assert fit(torch.full((50, 8), 2.5), 3).of(torch.full((2, 8), 2.5)).tolist() == [[0.0] * 3] * 2


def test_a_file_gives_back_what_was_written(tmp_path: Path):
    found = fit(_features(), 4)
    found.save(tmp_path / "c.safetensors")
    again = Components.load(tmp_path / "c.safetensors")
    assert again.mean.equal(found.mean)
    assert again.directions.equal(found.directions)


def test_a_damaged_file_says_what_to_do(tmp_path: Path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"no")
    with pytest.raises(IntegrityError) as caught:
        Components.load(path)
    assert str(caught.value) == (
        f"{path}: must be the components of these labels (it has no seal). "
        "Do it again: kdeploy run RUN --force labels, or remove its folder."
    )


@pytest.mark.parametrize(("rows", "count"), [(300, 41), (20, 21)])
def test_more_components_than_there_can_be_are_refused(rows: int, count: int):
    with pytest.raises(DataError) as caught:
        fit(_features(rows), count)
    assert str(caught.value) == (
        f"labels.components: must be at most the teacher's 40 features, and at most the {rows} samples they are found "
        f"from ({count}). Lower it, or leave it out to store all features."
    )


def test_components_are_found_from_as_many_samples_as_fit():
    assert samples_needed(width=14_400, count=256, available=49_000) == 2000
    assert samples_needed(width=14_400, count=256, available=900) == 900
    assert samples_needed(width=1 << 20, count=64, available=49_000) == 256
    assert samples_needed(width=1 << 20, count=256, available=49_000) == 512
