"""TIMIT, which the Linguistic Data Consortium licenses and no part of which is here: `timit: FOLDER` is the user's own.

    FOLDER/TRAIN/DR1/FCJF0/SX37.WAV  SPHERE (NIST_1A) as the consortium ships it, or RIFF (also as SX37.WAV.wav)
    FOLDER/TRAIN/DR1/FCJF0/SX37.PHN  a line a segment: first sample, sample behind it, one of 61 phones

in capitals or not. TEST is the test part. The sentences SA1 and SA2, which every speaker read, are left out as in all
published results; no speaker is in two parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kdeploy.errors import DataError
from kdeploy.runtimes import regular_file
from kdeploy.samples.contents import Contents
from kdeploy.samples.room import Room
from kdeploy.samples.speech import corpus, phones
from kdeploy.samples.speech.corpus import Targets, Utterance
from kdeploy.samples.speech.phones import PHONES, Segment

_SOUNDS = (".wav", ".wav.wav", ".sph", ".flac")


@dataclass(frozen=True)
class Timit:
    """A folder of TIMIT; `context` in frames."""

    folder: Path
    context: int = corpus.CONTEXT
    targets: Targets = "states"

    @property
    def where(self) -> str:
        return str(self.folder)

    @property
    def origin(self) -> dict[str, str]:
        return {"timit": self.folder.name}

    def files(self) -> list[Path]:
        """Every file that the content hash is over."""
        return [one for part in ("train", "test") for pair in _recordings(self.folder, part) for one in pair]

    def content_hash(self) -> str:
        """SHA-256 over the place and the SHA-256 of each file that is read."""
        digest = hashlib.sha256()
        for file in self.files():
            place = file.relative_to(self.folder).as_posix()
            digest.update(f"{place} {hashlib.sha256(regular_file.read(file)).hexdigest()}\n".encode())
        return digest.hexdigest()

    def contents(self, room: Room) -> Contents:
        return corpus.contents(
            self._utterances("train"),
            self._utterances("test"),
            class_names=phones.class_names(PHONES, self.targets),
            context=self.context,
            where=self.where,
            room=room,
        )

    def _utterances(self, part: str) -> Iterator[Utterance]:
        for transcript, sound in _recordings(self.folder, part):
            labels = partial(phones.labels, segments(transcript), targets=self.targets)
            yield Utterance(str(sound), transcript.parent.name.lower(), regular_file.read(sound), labels)


def _is_place(word: str) -> bool:
    """Whether it is the number of a sample: 18 digits fit into 64 bits, and no recording is as long."""
    return word.isdecimal() and len(word) <= 18


def segments(transcript: Path) -> list[Segment]:
    """The segments of a .PHN file.

    Raises: DataError with the line that is none.
    """
    sequence: list[Segment] = []
    for number, line in enumerate(regular_file.read(transcript).decode("ascii", errors="replace").splitlines(), 1):
        words = line.split()
        end = sequence[-1].stop if sequence else 0
        if not (len(words) == 3 and all(map(_is_place, words[:2])) and words[2] in PHONES):
            must = "must be a first sample, a last one and one of the 61 phones of TIMIT"
            raise DataError(f"{transcript}:{number}", must, got=repr(line))
        if not end <= int(words[0]) < int(words[1]):
            must = f"must be a segment of at least 1 sample that begins at {end} or later"
            raise DataError(f"{transcript}:{number}", must, got=repr(line))
        sequence.append(Segment(int(words[0]), int(words[1]), PHONES.index(words[2])))
    if not sequence:
        raise DataError(str(transcript), "must have at least 1 segment", got="0")
    return sequence


def _recordings(folder: Path, part: str) -> Iterator[tuple[Path, Path]]:
    """Transcript and sound of each sentence of a part, in an order of their own."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.lower() == part)
    if not inside:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        advice = "Give the folder of TIMIT that has them."
        raise DataError(str(folder), "must hold the folders TRAIN and TEST", got=names, advice=advice)
    for transcript in sorted(inside[0].rglob("*")):
        if transcript.suffix.lower() == ".phn" and not transcript.name.lower().startswith("sa"):
            yield transcript, _sound_of(transcript)


def _sound_of(transcript: Path) -> Path:
    stem = transcript.stem.lower()
    names = [stem + suffix for suffix in _SOUNDS]
    sounds = sorted(path for path in transcript.parent.iterdir() if path.name.lower() in names)
    if not sounds:
        must = "must have its sound beside it"
        raise DataError(str(transcript), must, got=f"no {transcript.stem}.WAV", advice="Copy it from your TIMIT.")
    return sounds[0]
