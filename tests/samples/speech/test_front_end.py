from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import MissingError
from kdeploy.samples.speech import front_end

pytest.importorskip("kaldi_native_fbank", reason="filter banks come from the extra 'speech'")

NOISE = np.random.default_rng(0).normal(scale=0.1, size=4_000).astype(np.float32)


def mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127 * np.log1p(np.asarray(hertz) / 700)


def by_hand(sound: np.ndarray) -> np.ndarray:
    """Log energy and filter banks as the module says they are, in float64."""
    count = 1 + (len(sound) - 400) // 160
    framed = np.stack([sound[160 * t : 160 * t + 400] for t in range(count)]).astype(np.float64) * 32_768
    framed -= framed.mean(axis=1, keepdims=True)
    energy = np.log(np.square(framed).sum(axis=1))
    before = np.concatenate([framed[:, :1], framed[:, :-1]], axis=1)
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 399)
    power = np.square(np.abs(np.fft.rfft((framed - 0.97 * before) * hamming, 512)))
    edges = np.linspace(mel(20), mel(8_000), 42)
    bins = mel(np.arange(257) * 16_000 / 512)
    rising, falling = (bins - edges[:-2, None]) / np.diff(edges)[0], (edges[2:, None] - bins) / np.diff(edges)[0]
    filters = np.maximum(np.minimum(rising, falling), 0)
    return np.concatenate([energy[:, None], np.log(power @ filters.T)], axis=1)


def test_the_first_41_values_are_log_energy_and_mel_filter_banks():
    found = front_end.frames(NOISE)
    assert (found.shape, found.dtype) == ((23, front_end.VALUES), np.float32)
    np.testing.assert_allclose(found[:, :41], by_hand(NOISE), rtol=0, atol=2e-3)


def test_a_tone_is_loudest_in_the_filter_of_its_pitch():
    tone = np.sin(2 * np.pi * 1_000 * np.arange(4_000) / 16_000).astype(np.float32)
    centres = np.linspace(mel(20), mel(8_000), 42)[1:-1]
    assert front_end.frames(tone)[5, 1:41].argmax() == np.abs(centres - mel(1_000)).argmin()


def test_differences_of_a_straight_line_are_its_slope_away_from_the_ends():
    line = np.arange(8, dtype=np.float32)[:, None] * 3
    # at the first frame the two before are repeated: (1 (3 - 0) + 2 (6 - 0)) / 10
    expected = [1.5, 2.4, 3, 3, 3, 3, 2.4, 1.5]
    np.testing.assert_allclose(front_end._differences(line)[:, 0], expected, rtol=1e-6)


def test_frames_hold_values_their_differences_and_the_differences_of_these():
    found = front_end.frames(NOISE)
    static, first, second = np.split(found, 3, axis=1)
    np.testing.assert_array_equal(first, front_end._differences(static))
    np.testing.assert_array_equal(second, front_end._differences(first))


@given(st.integers(0, 1_500))
def test_a_sound_has_a_frame_for_each_window_inside_it(samples: int):
    expected = 1 + (samples - 400) // 160 if samples >= 400 else 0
    assert front_end.frames(NOISE[:samples]).shape == (expected, 123)


def test_the_same_sound_gives_the_same_bits():
    np.testing.assert_array_equal(front_end.frames(NOISE), front_end.frames(NOISE))


def test_silence_is_finite():
    assert np.isfinite(front_end.frames(np.zeros(4_000, np.float32))).all()


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", None)
    with pytest.raises(MissingError) as caught:
        front_end.frames(NOISE)
    assert str(caught.value) == (
        "speech: must find the package kaldi-native-fbank (not installed). "
        "Install it with: pip install 'kdeploy[speech]'"
    )
