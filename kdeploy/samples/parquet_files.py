"""Which parquet file of a folder holds which split, by a word in its name or by the folder that it is in.

    train-00000-of-00002.parquet, cifar_test.parquet, train/0000.parquet

Words are those of `arrays.names`, in letters of either case. Where no file says a split, all are there to learn from;
where some do, the others are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from kdeploy.errors import DataError
from kdeploy.samples.arrays.names import SPLITS, WORDS, Split, split_in

_NAMED = 3  # of the files that are left out


class ParquetFiles(NamedTuple):
    """The files of each split, sorted, the splits in order; and what was assumed."""

    of: Mapping[Split, list[Path]]
    assumed: tuple[str, ...] = ()

    @property
    def all(self) -> list[Path]:
        return [file for files in self.of.values() for file in files]


def list_files(place: Path) -> ParquetFiles:
    """The files of a folder, and of its folders that are called like splits; a file itself is one to learn from.

    Raises: DataError when there is none to learn from.
    """
    if place.is_file():
        return ParquetFiles({"train": [place]})
    nested = (one for one in place.glob("*/*.parquet") if one.parent.name.lower() in WORDS)
    files = sorted([*place.glob("*.parquet"), *nested])
    found: dict[Split, list[Path]] = {split: [file for file in files if _split(file) == split] for split in SPLITS}
    if files and not any(found.values()):
        return ParquetFiles({"train": files})
    if not found["train"]:
        names = ", ".join(sorted(path.name for path in place.glob("*"))[:5]) or "nothing"
        advice = "Give a folder of Hugging Face parquet files."
        raise DataError(str(place), "must hold train-*.parquet files", got=names, advice=advice)
    of = {split: some for split, some in found.items() if some}
    return ParquetFiles(of, (*_said(place, files), *_held_out(found)))


def folder_of(file: Path) -> Path:
    """The folder that a file is listed with: its own, or that around a folder of a split."""
    return file.parent.parent if file.parent.name.lower() in WORDS else file.parent


def _split(file: Path) -> Split | None:
    """The split that the name of a file says, else that of its folder; None for none, or for several."""
    return split_in(file.stem) or WORDS.get(file.parent.name.lower())


def _said(place: Path, files: list[Path]) -> tuple[str, ...]:
    others = [file.relative_to(place).as_posix() for file in files if _split(file) is None]
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    count = "1 file" if len(others) == 1 else f"{len(others)} files"
    return (f"{count} left out, whose names say no split: {', '.join(others[:_NAMED])}{more}",) if others else ()


def _held_out(found: Mapping[Split, list[Path]]) -> tuple[str, ...]:
    return ("the validation files are held out",) if found["val"] and found["test"] else ()
