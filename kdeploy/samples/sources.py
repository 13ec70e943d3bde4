"""Where samples come from: settings with one of the keys `source`, `parquet` or `numpy` -> a SampleSet.

    {source: mnist-5k}    a data set that a dependency ships             builtin.py
    {parquet: FOLDER}     images in Hugging Face's parquet convention    parquet.py
    {numpy: FILE.npz}     arrays                                         numpy_file.py

`content_hash` reads bytes and decodes nothing. Paths come resolved: the data root is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from kdeploy.errors import DataError
from kdeploy.samples.builtin import Builtin
from kdeploy.samples.choice import Choice
from kdeploy.samples.contents import Contents
from kdeploy.samples.numpy_file import NumpyFile
from kdeploy.samples.parquet import ParquetFolder
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.split import Counts

SIZE_LIMIT_BYTES = 4 << 30  # of decoded samples, which are in memory until they are saved


class Source(Protocol):
    """One kind of source; `where` is what its errors name."""

    @property
    def where(self) -> str: ...
    @property
    def origin(self) -> dict[str, str]: ...  # for the record: no path of this machine
    def content_hash(self) -> str: ...
    def contents(self, *, limit_bytes: int) -> Contents: ...


def content_hash(settings: Mapping[str, str]) -> str:
    """SHA-256 of the bytes that the source reads.

    Raises: DataError when a file is absent; MissingError when the package that ships the data is.
    """
    return source_of(settings).content_hash()


def load(
    settings: Mapping[str, str],
    *,
    split: Mapping[str, int] | None = None,
    seed: int = 0,
    transfer: Mapping[str, Sequence[str]] | None = None,
    limit_bytes: int = SIZE_LIMIT_BYTES,
) -> SampleSet:
    """Read, decode and divide a source.

    Args:
        split: samples a part (labelled, unlabelled, held_out, test); a part left out takes its default.
        seed: of the division.
        transfer: the classes of the transfer set, under one of the keys `only` and `without`; all when left out.
        limit_bytes: the most that the decoded samples may take.
    Raises: DataError, and IntegrityError for a file that would run code; ResourceError above the limit;
        MissingError when the package that ships the data is not installed.
    """
    source = source_of(settings)
    counts = Counts.of(split or {}, where=source.where)
    contents = source.contents(limit_bytes=limit_bytes)
    return contents.sample_set(
        contents.divided(counts, seed=seed),
        source=source.origin,
        content_sha256=source.content_hash(),
        split_seed=seed,
        choice=Choice.of(transfer or {}),
    )


def source_of(settings: Mapping[str, str]) -> Source:
    """The source that the settings name; exactly one key."""
    match dict(settings):
        case {"source": name, **rest} if not rest:
            return Builtin(name)
        case {"parquet": folder, **rest} if not rest:
            return ParquetFolder(Path(folder))
        case {"numpy": file, **rest} if not rest:
            return NumpyFile(Path(file))
    got = ", ".join(settings) or "nothing"
    raise DataError("data", "must have one of the keys source, parquet, numpy", got=got)
