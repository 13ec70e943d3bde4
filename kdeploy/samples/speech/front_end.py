"""A sound -> frames: the front end of Ba and Caruana's experiments on TIMIT (2014), from kaldi-native-fbank.

    c_t = (log energy, 40 log mel filter banks) of 25 ms from sample 160 t on, under a Hamming window
    d_t = sum of k (c_{t+k} - c_{t-k}) / 10 over k = 1, 2,   the ends repeated
    frame t = (c_t, d_t, dd_t),   3 x 41 = 123 values every 10 ms

The deltas are the regression of HTK and Kaldi. Pre-emphasis 0.97, the mean of a window taken off, filters from 20 Hz
to half the sample rate: Kaldi's defaults, without its dither, so that a sound always gives the same frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import MissingError

SAMPLE_RATE = 16_000  # samples a second
SHIFT, LENGTH = 160, 400  # samples from one frame to the next, and of its window
VALUES = 123
_FULL_SCALE = 32_768  # Kaldi reads 16-bit numbers


def frames(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The frames of a sound whose window lies inside it, float32.

    Args:
        sound: (samples,) from -1 to 1, 16,000 a second.
    Returns: (1 + (samples - 400) // 160, 123); none of a sound below 25 ms.
    Raises: MissingError when kaldi-native-fbank is not installed.
    """
    static = _filter_banks(sound)
    first = _differences(static)
    return np.concatenate([static, first, _differences(first)], axis=1)


def _filter_banks(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log energy and 40 log mel filter banks, (frames, 41)."""
    library = _library()
    options = library.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE
    options.frame_opts.window_type = "hamming"
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = 40
    options.use_energy = True
    banks = library.OnlineFbank(options)
    banks.accept_waveform(SAMPLE_RATE, sound * _FULL_SCALE)
    banks.input_finished()
    found = [banks.get_frame(number) for number in range(banks.num_frames_ready)]
    return np.array(found, np.float32).reshape(-1, VALUES // 3)


def _differences(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The slope of each value over five frames, (frames, values) to the same shape."""
    if not len(values):
        return values
    count = len(values)
    wide = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    slope = (wide[3 : 3 + count] - wide[1 : 1 + count] + 2 * (wide[4:] - wide[:count])) / 10
    return slope.astype(np.float32)


def _library() -> Any:  # noqa: ANN401 - an optional package
    try:
        import kaldi_native_fbank
    except ImportError as exc:
        must, advice = "must find the package kaldi-native-fbank", "Install it with: pip install 'kdeploy[speech]'"
        raise MissingError("speech", must, got="not installed", advice=advice) from exc
    return kaldi_native_fbank
