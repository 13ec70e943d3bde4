"""Encoded sounds -> canonical ones: float32 (N, samples), one channel, from -1 to 1.

Channels are averaged. The first sound says the sample rate where none is asked for, and the length where no seconds
are; with seconds, a longer sound is cut at its end and a shorter one filled up with zeros. Nothing is resampled.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, MissingError
from kdeploy.records.samples import InputKind
from kdeploy.samples.damage import Damage
from kdeploy.samples.decoded import DecodedArray
from kdeploy.samples.room import Room

if TYPE_CHECKING:
    from soundfile import SoundFile

_DECODABLE, _PRESENT = "must be a sound that can be decoded", "must carry the bytes of its audio"
_FINITE = "must have finite values only"
_REPAIR = "Remove or repair it, or set data.skip_bad to true to leave it out."
_ADVICE = "Take fewer samples with split, or set data.seconds."


@dataclass(frozen=True)
class Sounds:
    """A decoder of sounds of a fixed length; `sample_rate` in samples a second, `skip_bad` leaves out what is none."""

    seconds: float | None = None
    sample_rate: int | None = None
    skip_bad: bool = False
    input_name: ClassVar[str] = "sound"
    kind: ClassVar[InputKind] = "array"
    noun: ClassVar[str] = "sounds"
    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".mp3", ".ogg", ".aiff", ".aif")
    packages: ClassVar[dict[str, tuple[str, str]]] = {}

    def decode(
        self, encoded: Iterable[tuple[str, bytes | None]], count: int, *, room: Room, where: str
    ) -> DecodedArray:
        """Decoded sounds, float32 (count, samples), of `count` pairs of a place, for errors, and bytes.

        Raises: DataError with the place of the first that is not like the others, or of all that cannot be decoded;
            ResourceError when they would take more room than there is; MissingError when soundfile is not installed.
        """
        sounds: NDArray[np.float32] | None = None
        rate, damage, good = self.sample_rate, Damage(self.noun, self.skip_bad), 0
        for position, (place, data) in enumerate(encoded):
            try:
                with _opened(place, data) as file:
                    rate = rate or file.samplerate
                    _must_have_rate(file, rate, place)
                    if sounds is None:
                        length = _length(file.frames if self.seconds is None else round(self.seconds * rate), place)
                        sounds = room.array((count, length), np.float32, where, _ADVICE)
                    if self.seconds is None and file.frames != sounds.shape[1]:
                        must, advice = f"must have {sounds.shape[1]} samples like the first", "Set data.seconds."
                        raise DataError(place, must, got=str(file.frames), advice=advice)
                    heard = _mono(file, sounds.shape[1], place)
            except DataError as exc:
                if exc.must not in (_DECODABLE, _PRESENT, _FINITE):
                    raise
                damage.found(position, exc)
                continue
            sounds[good, : len(heard)] = heard
            good += 1
        left_out, said = damage.settled(count, where)
        if sounds is None:
            raise DataError(where, "must have at least 1 sample", got="0")
        return DecodedArray(sounds[:good], left_out, said)


def _length(samples: int, place: str) -> int:
    if samples < 1:
        raise DataError(place, "must have at least 1 sample", got="0", advice="Set data.seconds.")
    return samples


def _opened(place: str, data: bytes | None) -> SoundFile:
    if data is None:
        advice = "Embed them in the file, or set data.skip_bad to true to leave it out."
        raise DataError(place, _PRESENT, got="null", advice=advice)
    try:
        import soundfile
    except ImportError as exc:
        advice = "Install it with: pip install 'kdeploy[audio]'"
        raise MissingError("data.audio", "must find the package soundfile", got="not installed", advice=advice) from exc
    try:
        return soundfile.SoundFile(io.BytesIO(data))
    except (soundfile.SoundFileError, TypeError, ValueError) as exc:
        raise _undecodable(place, exc) from exc


def _mono(file: SoundFile, length: int, place: str) -> NDArray[np.float32]:
    """At most `length` samples of a sound, the mean of its channels."""
    import soundfile

    try:
        # a header may claim any number of frames: room is made for no more than are wanted
        channels = file.read(min(length, file.frames), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, ValueError) as exc:
        raise _undecodable(place, exc) from exc
    if len(channels) != min(length, file.frames):
        raise _undecodable(place, EOFError(f"{len(channels)} samples of {file.frames}"))
    heard: NDArray[np.float32] = channels.mean(axis=1, dtype=np.float32)
    if not np.isfinite(heard).all():
        raise DataError(place, _FINITE, got="NaN or infinite", advice=_REPAIR)
    return heard


def _must_have_rate(file: SoundFile, rate: int, place: str) -> None:
    if file.samplerate != rate:
        must, advice = f"must have {rate} samples a second", "Resample it first."
        raise DataError(place, must, got=str(file.samplerate), advice=advice)


def _undecodable(place: str, exc: BaseException) -> DataError:
    # the whole sentence of libsndfile's errors names the memory address of the buffer
    reason = str(getattr(exc, "error_string", exc)).rstrip(".")
    return DataError(place, _DECODABLE, got=reason, advice=_REPAIR)
