"""What every step and all of them together must keep; each step's own test compares it with plain NumPy."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.errors import DataError
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.views.views import Views
from tests.samples.views.pictures import pictures

ON: dict[str, Any] = {"shift": 2, "crop": 3, "rotate": 20.0, "flip": True, "color": 0.5, "noise": 0.1, "cutout": 3}
EACH = [{key: value} for key, value in ON.items()]
STRENGTHS = st.fixed_dictionaries(
    {},
    optional={
        "shift": st.integers(0, 4),
        "crop": st.integers(0, 12),
        "rotate": st.floats(0, 180),
        "zoom": st.floats(0, 0.9),
        "flip": st.booleans(),
        "color": st.floats(0, 1),
        "noise": st.floats(0, 1),
        "cutout": st.integers(0, 9),
    },
)


def together_and_cut(views: Views, cut: int, view: int, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    batch, samples = pictures(11, channels), torch.tensor([9, 2, 2, 77, 0, 5, 8, 1, 59_999, 3, 4])
    pieces = [views(batch[:cut], samples[:cut], view), views(batch[cut:], samples[cut:], view)]
    return views(batch, samples, view), torch.cat(pieces)


@pytest.mark.parametrize("setting", EACH, ids=str)
@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 11), view=st.integers(0, 50), channels=st.sampled_from([1, 3]))
def test_a_step_may_have_its_batch_cut_anywhere(setting: dict[str, Any], cut: int, view: int, channels: int):
    together, pieces = together_and_cut(Views(3, **setting), cut, view, channels)
    assert torch.equal(pieces, together)


@settings(max_examples=60, deadline=None)
@given(STRENGTHS, st.integers(0, 11), st.integers(0, 50), st.sampled_from([1, 3]))
def test_all_steps_together_may_have_their_batch_cut_anywhere(
    setting: dict[str, Any], cut: int, view: int, channels: int
):
    together, pieces = together_and_cut(Views(3, **setting), cut, view, channels)
    assert torch.equal(pieces, together)


@pytest.mark.parametrize("setting", [*EACH, ON], ids=str)
def test_pixels_stay_pixels_and_the_batch_itself_is_left_alone(setting: dict[str, Any]):
    batch, samples = pictures(50, 3), torch.arange(50)
    before = batch.clone()
    seen = Views(0, **setting)(batch, samples, 0)
    assert (seen.dtype, seen.shape) == (torch.uint8, batch.shape)
    assert torch.equal(batch, before)
    assert not torch.equal(seen, before)


@pytest.mark.parametrize("setting", [*EACH, ON], ids=str)
def test_two_views_and_two_seeds_differ(setting: dict[str, Any]):
    batch, samples = pictures(50), torch.arange(50)
    first = Views(0, **setting)(batch, samples, 0)
    assert not torch.equal(first, Views(0, **setting)(batch, samples, 1))
    assert not torch.equal(first, Views(1, **setting)(batch, samples, 0))
    assert torch.equal(first, Views(0, **setting)(batch, samples, 0))


@pytest.mark.parametrize("shape", [(4, 1, 6, 5), (4, 7), (4, 3, 2)])
def test_no_strength_is_the_identity_for_every_input(shape: tuple[int, ...]):
    batch = torch.randn(shape)
    assert torch.equal(Views(0)(batch, torch.arange(4), 3), batch)
    assert Views(0, 0, 0, flip=False, color=0, noise=0, cutout=0, mixup=0).steps == ()


def test_the_steps_follow_each_other_in_one_order():
    batch, samples = pictures(20, 3), torch.arange(20)
    seen = batch
    for setting in EACH:
        seen = Views(0, **setting)(seen, samples, 7)
    assert torch.equal(Views(0, **ON)(batch, samples, 7), seen)


def test_no_draw_number_is_used_twice():
    assert [number.value for number in DrawNumber] == [*range(15), 2**32, 2**48, 2**49]


def test_views_without_mixup_keep_everything_else():
    assert Views(4, mixup=0.3, **ON).unmixed == Views(4, **ON)


@pytest.mark.parametrize("key", ["shift", "crop", "rotate", "zoom", "color", "noise", "cutout", "mixup"])
def test_a_negative_strength_is_refused(key: str):
    with pytest.raises(DataError) as caught:
        Views(0, **{key: -1})
    assert str(caught.value) == f"views.{key}: must be at least 0 (-1)."


def test_a_strength_that_is_no_number_is_refused():
    with pytest.raises(DataError) as caught:
        Views(0, noise=float("nan"))
    assert str(caught.value) == "views.noise: must be at least 0 (nan)."


def test_colour_above_1_is_refused():
    with pytest.raises(DataError) as caught:
        Views(0, color=1.5)
    assert str(caught.value) == "views.color: must be at most 1 (1.5)."


def test_one_index_a_row_is_required():
    with pytest.raises(DataError) as caught:
        Views(0, 2)(pictures(4), torch.arange(3), 0)
    assert str(caught.value) == (
        "views: must be given one int64 sample index a row (torch.int64 (3,) for a batch of 4)."
    )
