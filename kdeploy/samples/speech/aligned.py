"""Recordings with time-aligned phones as parquet: a folder of `SPLIT-*.parquet` files.

Column `audio` is struct<bytes, path>, 16,000 samples a second; `frame_state` a list of integers, 3 x phone + state for
each frame of 10 ms; the names of the phones stand in the schema metadata under `huggingface`, as the class names of the
list `phone`. Recordings with the same value in the column that `groups` names are never divided between two parts;
without it each recording stands for itself. The parts come from the splits as in `kdeploy.samples.parquet`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.samples import parquet, parquet_columns
from kdeploy.samples.contents import Contents
from kdeploy.samples.room import Room
from kdeploy.samples.speech import corpus, phones
from kdeploy.samples.speech.corpus import STATES, Targets, Utterance


@dataclass(frozen=True)
class AlignedPhones:
    """A folder of parquet files; `context` in frames."""

    folder: Path
    context: int = corpus.CONTEXT
    targets: Targets = "states"
    groups: str | None = None

    @property
    def where(self) -> str:
        return str(self.folder)

    @property
    def origin(self) -> dict[str, str]:
        return {"phones": self.folder.name}

    def files(self) -> list[Path]:
        """Every file that the content hash is over."""
        train, test = parquet.files_of(self.folder)
        return [*train, *test]

    def content_hash(self) -> str:
        return parquet.digest_of(self.files())

    def contents(self, room: Room) -> Contents:
        train, test = parquet.files_of(self.folder)
        names = _phones(train[0])
        return corpus.contents(
            self._utterances(train, len(names)),
            self._utterances(test, len(names)),
            class_names=phones.class_names(names, self.targets),
            context=self.context,
            where=self.where,
            room=room,
        )

    def _utterances(self, files: Sequence[Path], count: int) -> Iterator[Utterance]:
        for file in files:
            columns = ["audio", "frame_state", *([self.groups] if self.groups else [])]
            _check_columns(file)
            for row, cells in enumerate(parquet.rows_of(file, columns)):
                place = f"{file}: row {row}"
                found = cells["frame_state"] or ()
                if cells["audio"] is None or cells["audio"]["bytes"] is None or not found or None in found:
                    must = "must have the bytes of its audio, and a state for each frame"
                    raise DataError(place, must, got="null, or an empty list")
                states = np.asarray(found, np.int64)
                _check_states(states, STATES * count, place)
                labels = states if self.targets == "states" else states // STATES
                group = str(cells[self.groups]) if self.groups else place
                yield Utterance(place, group, cells["audio"]["bytes"], partial(_all, labels))


def _check_columns(file: Path) -> None:
    import pyarrow as pa

    parquet.check_there(file, ("audio", "frame_state"))
    schema = parquet.opened(file).schema_arrow
    audio, states = schema.field("audio").type, schema.field("frame_state").type
    is_list = pa.types.is_list(states) or pa.types.is_large_list(states)
    if not (parquet_columns.has_bytes(audio) and is_list and pa.types.is_integer(states.value_type)):
        must = "must have audio as struct<bytes, path> and frame_state as a list of integers"
        raise DataError(str(file), must, got=f"audio {audio}, frame_state {states}")


def _all(labels: NDArray[np.int64], _count: int) -> NDArray[np.int64]:
    """The labels as they are stored, int64; a list that is shorter than the sound cuts its frames."""
    return labels


def _check_states(states: NDArray[np.int64], count: int, place: str) -> None:
    if states.min() < 0 or states.max() >= count:
        must = f"must have states from 0 to {count - 1}"
        raise DataError(place, must, got=f"{states.min()} to {states.max()}")


def _phones(file: Path) -> tuple[str, ...]:
    features = parquet.features_of(file)
    try:
        names = features["phone"]["feature"]["names"]
    except (KeyError, TypeError) as exc:
        must = "must name its phones in the metadata key huggingface, as the classes of the list phone"
        raise DataError(str(file), must, got="no names") from exc
    return parquet.names_in(names, "phone", file)
