"""Utterances with a label for each frame -> rows of a sample set: a frame with its neighbours is one sample.

The first and the last frame of an utterance are repeated where a window reaches beyond them; no window reaches into
another utterance. A frame without a label (-1) is no sample, but its neighbours see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, ResourceError
from kdeploy.samples.contents import Contents
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.room import Room
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.speech import front_end
from kdeploy.samples.split import Rows
from kdeploy.samples.windows import Windows

CONTEXT = 15  # frames of a window, of Ba and Caruana (2014)
STATES = 3  # of a phone, in time
INPUT = "speech"

Targets = Literal["states", "phones", "folded"]
_SOUND = Sounds(sample_rate=front_end.SAMPLE_RATE)


class Utterance(NamedTuple):
    """One recording.

    Args:
        place: what errors name.
        group: its speaker, or itself: what is never divided between training, held-out and test part.
        sound: the bytes of a sound file.
        labels: from a number of frames to the int64 label of each, -1 for none; fewer cut the frames.
    """

    place: str
    group: str
    sound: bytes
    labels: Callable[[int], NDArray[np.int64]]


class _Cut(NamedTuple):
    """One utterance as rows: its frames with the repeated ends, where windows begin in them, the labels of these."""

    frames: NDArray[np.float32]
    first: Rows
    labels: NDArray[np.int64]
    group: str


def contents(
    train: Iterable[Utterance],
    test: Iterable[Utterance],
    *,
    class_names: tuple[str, ...],
    context: int,
    where: str,
    room: Room,
) -> Contents:
    """The rows of a source of speech, one a frame with a label; the sounds are decoded here.

    Args:
        context: frames of a window, odd.
        room: its limit is the most that all frames may take.
    Raises: DataError for a sound that cannot be decoded or has another rate, or no frame with a label; ResourceError
        above the limit; MissingError when a package is not installed.
    """
    cuts: list[_Cut] = []
    limit_bytes = room.limit_bytes
    size_bytes = rows = 0
    for part in (train, test):
        first_test = rows  # of the last part that is gone through
        for utterance in part:
            cuts.append(_cut(utterance, context, room))
            size_bytes, rows = size_bytes + cuts[-1].frames.nbytes, rows + len(cuts[-1].labels)
            if size_bytes > limit_bytes:
                must = f"must have frames of at most {limit_bytes} bytes"
                raise ResourceError(where, must, got=f"more at {utterance.place}", advice="Take fewer recordings.")
    if not first_test:
        raise DataError(where, "must have at least 1 frame with a label to train on", got="0")
    starts = np.cumsum([0, *(len(cut.frames) for cut in cuts)])
    first = np.concatenate([cut.first + start for cut, start in zip(cuts, starts, strict=False)])
    windows = Windows(np.concatenate([cut.frames for cut in cuts]), first, context)
    return Contents(
        labels=np.concatenate([cut.labels for cut in cuts]),
        class_names=class_names,
        decode=lambda some: Decoded({INPUT: (windows.take(some), "array")}),
        where=where,
        first_test=first_test if first_test < rows else None,
        groups=_numbered([cut.group for cut in cuts], [len(cut.labels) for cut in cuts]),
    )


def _cut(utterance: Utterance, context: int, room: Room) -> _Cut:
    encoded = [(utterance.place, utterance.sound)]
    sound = _SOUND.decode(encoded, 1, room=room, where=utterance.place).array[0]
    frames = front_end.frames(sound)
    labels = utterance.labels(len(frames))[: len(frames)]
    frames, known = frames[: len(labels)], labels >= 0
    if len(frames):
        frames = np.pad(frames, ((context // 2, context // 2), (0, 0)), mode="edge")
    return _Cut(frames, np.flatnonzero(known), labels[known], utterance.group)


def _numbered(groups: list[str], rows: list[int]) -> NDArray[np.int64]:
    """The number of the group of each row, int64 (rows,)."""
    _, numbers = np.unique(groups, return_inverse=True)
    return np.repeat(numbers.astype(np.int64), rows)
