"""Sounds and folders of speech that tests write."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

SECOND = np.random.default_rng(0).integers(-3_000, 3_000, 16_000).astype(np.int16)


def riff(samples: np.ndarray, *, rate: int = 16_000) -> bytes:
    """A .wav file of one channel, as the standard library writes it."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def sphere(samples: np.ndarray, *, order: str = "01") -> bytes:
    """A file with the header of TIMIT's, 1,024 bytes; bytes in the order 01 are little-endian."""
    lines = (
        "NIST_1A\n   1024\ndatabase_id -s5 TIMIT\ndatabase_version -s3 1.0\nutterance_id -s8 fcjf_sx3\n"
        f"channel_count -i 1\nsample_count -i {len(samples)}\nsample_rate -i 16000\nsample_min -i {samples.min()}\n"
        f"sample_max -i {samples.max()}\nsample_n_bytes -i 2\nsample_byte_format -s2 {order}\n"
        "sample_sig_bits -i 16\nend_head\n"
    )
    return lines.encode().ljust(1_024) + samples.astype("<i2" if order == "01" else ">i2").tobytes()


def sentence(folder: Path, name: str, transcript: str, sound: bytes, *, suffix: str = ".WAV") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.PHN").write_text(transcript)
    (folder / f"{name}{suffix}").write_bytes(sound)


def timit(folder: Path, *, speakers: int = 4) -> Path:
    """A folder like TIMIT's: sentences of one second, half silence and half one phone, of two speakers in TEST."""
    for part, count in (("TRAIN", speakers), ("TEST", 2)):
        for speaker in range(count):
            for number, phone in enumerate(("aa", "s")):
                of = folder / part / "DR1" / f"{part[1]}{speaker}"
                sentence(of, f"SX{number}", f"0 8000 h#\n8000 16000 {phone}\n", sphere(SECOND + number))
                sentence(of, "SA1", "0 16000 q\n", sphere(SECOND))
    return folder
