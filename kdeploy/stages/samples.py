"""samples: decode the data once into canonical arrays with fixed parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kdeploy.errors import DataError
from kdeploy.records.samples import SamplesRecord
from kdeploy.samples import sources
from kdeploy.samples.duplicates import Policy
from kdeploy.samples.room import Room
from kdeploy.system.known_hashes import KnownHashes
from kdeploy.system.progress import Progress


def run(
    folder: Path,
    *,
    source: Mapping[str, Any],
    split: Mapping[str, int],
    seed: int,
    transfer: Mapping[str, Sequence[str]] | None = None,
    duplicates: Policy = "report",
    progress: Progress | None = None,
    known: KnownHashes | None = None,
) -> SamplesRecord:
    """Load a source, say what had to be assumed about it, and save its sample set in `folder`.

    Args: those of `kdeploy.samples.sources.load`.
    Raises: DataError when no sample is held out: the exported seed is chosen on those.
    """
    room = Room(folder)
    samples = sources.load(
        source, split=split, seed=seed, transfer=transfer, duplicates=duplicates, room=room, known=known
    )
    if not len(samples.parts["held_out"]):
        raise DataError(
            "data",
            "must leave at least 1 sample held out",
            got="0",
            advice="Set data.split.held_out, or bring more samples.",
        )
    for line in samples.assumed:
        (progress or Progress()).say(f"  assumed: {line}")
    record = samples.save(folder)
    if known is not None:
        samples.remember(folder, known)
    return record
