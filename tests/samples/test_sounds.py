from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import DataError, KdeployError, MissingError, ResourceError
from kdeploy.samples.room import Room
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.sources import load

soundfile = pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'audio'")

RAMP = np.arange(-60, 60, dtype=np.int16)[:, None] * 500  # (frames, channels)


def wav(samples: np.ndarray = RAMP, *, rate: int = 100) -> bytes:
    """A file as the standard library writes it, so that soundfile is not tested by itself."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def decoded(*files: bytes, limit_bytes: int = 1 << 20, **asked: float) -> np.ndarray:
    places = ((f"file {number}", data) for number, data in enumerate(files))
    return Sounds(**asked).decode(places, len(files), room=Room(limit=limit_bytes), where="sounds").array


def refused(*files: bytes, kind: type[KdeployError] = DataError, limit_bytes: int = 1 << 20, **asked: float) -> str:
    with pytest.raises(kind) as caught:
        decoded(*files, limit_bytes=limit_bytes, **asked)
    return str(caught.value)


def test_sixteen_bits_become_floats_from_minus_one_to_one():
    np.testing.assert_array_equal(decoded(wav()), (RAMP.T / 32768).astype(np.float32), strict=True)


def test_channels_are_averaged():
    stereo = np.concatenate([RAMP, -3 * (RAMP // 5)], axis=1)
    np.testing.assert_allclose(decoded(wav(stereo)), (stereo.mean(1) / 32768)[None], rtol=0, atol=1e-7)


def test_flac_is_the_same_sound(tmp_path: Path):
    soundfile.write(tmp_path / "a.flac", RAMP, 100, subtype="PCM_16")
    np.testing.assert_array_equal(decoded((tmp_path / "a.flac").read_bytes()), decoded(wav()), strict=True)


def test_sounds_are_cut_or_filled_up_to_the_seconds():
    found = decoded(wav(RAMP[:30]), wav(), seconds=0.5)
    whole = (RAMP[:, 0] / 32768).astype(np.float32)
    np.testing.assert_array_equal(found, [np.append(whole[:30], np.zeros(20, np.float32)), whole[:50]])


def test_sounds_of_different_lengths_need_seconds():
    assert refused(wav(), wav(RAMP[:30])) == "file 1: must have 120 samples like the first (30). Set data.seconds."


def test_another_sample_rate_is_refused_and_not_resampled():
    assert refused(wav(), wav(rate=200)) == "file 1: must have 100 samples a second (200). Resample it first."
    assert refused(wav(), sample_rate=50) == "file 0: must have 50 samples a second (100). Resample it first."


def test_bytes_that_are_no_sound_are_refused():
    assert refused(wav(), b"no sound") == (
        "file 1: must be a sound that can be decoded (Format not recognised). Remove or repair it, "
        "or set data.skip_bad to true to leave it out."
    )


def test_a_flac_with_damage_is_refused(tmp_path: Path):
    noise = np.random.default_rng(0).integers(-9000, 9000, 20_000, dtype=np.int16)
    soundfile.write(tmp_path / "a.flac", noise, 8000, subtype="PCM_16")
    data = (tmp_path / "a.flac").read_bytes()
    message = refused(data[: len(data) // 2])
    assert message.startswith("file 0: must be a sound that can be decoded (")


def test_a_sound_without_samples_is_refused():
    assert refused(wav(RAMP[:0])) == "file 0: must have at least 1 sample (0). Set data.seconds."


def test_no_sounds_are_refused():
    assert refused() == "sounds: must have at least 1 sample (0)."


def test_sounds_beyond_the_size_limit_are_refused():
    assert refused(wav(), wav(), kind=ResourceError, limit_bytes=900) == (
        "sounds: must decode to at most 900 bytes (960). Take fewer samples with split, or set data.seconds."
    )


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    assert refused(wav(), kind=MissingError) == (
        "data.audio: must find the package soundfile (not installed). Install it with: pip install 'kdeploy[audio]'"
    )


def test_a_folder_of_sounds_is_a_sample_set(tmp_path: Path):
    for name, step in (("up", 1), ("down", -1)):
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / f"{number}.wav").write_bytes(wav(RAMP[::step] + number))
    samples = load({"audio": str(tmp_path), "seconds": 1.0}, split={"labeled": 10, "held_out": 2, "test": 4})
    assert samples.class_names == ("down", "up")
    assert samples.inputs["sound"].shape == (20, 100)
    assert samples.kinds == {"sound": "array"}
