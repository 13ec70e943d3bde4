"""Images or sounds as files in a folder.

    FOLDER/CLASS/...                        a folder a class
    FOLDER/train/CLASS/..., test/CLASS/...  with test rows of its own; val/ is held out, or tests where no test/ is
    FOLDER/...                              no class folders: nothing is labelled

Split folders may be called training, valid, validation, testing or train_set too, in letters of either case. Classes
are numbered in the order of their folders' names, or of their numbers where all of them are numbers. Links to files and
folders are followed. Files of other suffixes are counted and named; what begins with a dot is not looked at.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdeploy.errors import DataError, MissingError, ResourceError
from kdeploy.runtimes import regular_file
from kdeploy.samples.arrays.labels import in_order
from kdeploy.samples.arrays.names import WORDS, Split
from kdeploy.samples.contents import Contents
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.room import Room
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.split import Rows
from kdeploy.samples.split_folders import split_folders
from kdeploy.samples.tree import Entry, files_in

_MOST_FILE_BYTES = 256 << 20  # of one encoded sample
_NAMED = 3  # of the files that are left out


class _Listed(NamedTuple):
    """The files of each split, each with the name of its class, and what was assumed."""

    files: dict[Split, list[tuple[str, str | None]]]
    assumed: tuple[str, ...]


@dataclass(frozen=True)
class MediaFolder:
    """A folder of files, and what decodes them; `key` is the recipe's, `classes` what it says are classes."""

    key: str
    folder: Path
    decoder: Pictures | Sounds
    classes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        return str(self.folder)

    @property
    def origin(self) -> dict[str, str]:
        return {self.key: self.folder.name}

    def files(self) -> list[str]:
        """Every file that the content hash is over."""
        return [file for file, _ in self._all()]

    def content_hash(self) -> str:
        """SHA-256 over path and SHA-256 of each file that is read."""
        digest = hashlib.sha256()
        for file in map(Path, self.files()):
            with regular_file.opened(file) as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{file.relative_to(self.folder).as_posix()} {found}\n".encode())
        return digest.hexdigest()

    def contents(self, room: Room) -> Contents:
        """The files with their labels; they are decoded later."""
        listed, everything = self._listed, self._all()
        self._check_packages([file for file, _ in everything])
        names = in_order(name for _, name in listed.files["train"] if name is not None)
        number = {name: position for position, name in enumerate(names)}
        for file, name in everything[len(listed.files["train"]) :]:
            if name not in number:
                must = f"must be in a folder of one of the classes {', '.join(names) or '(none)'}"
                raise DataError(file, must, got=name or "no class")
        ends = np.cumsum([len(some) for some in listed.files.values()]).tolist()

        def decode(rows: Rows) -> Decoded:
            chosen = [Path(everything[row][0]) for row in rows]
            found = self.decoder.decode(encoded(chosen), len(rows), room=room, where=self.where)
            return Decoded({self.decoder.input_name: (found.array, self.decoder.kind)}, found.left_out, found.assumed)

        return Contents(
            np.array([-1 if name is None else number[name] for _, name in everything], np.int64),
            names,
            decode,
            self.where,
            first_test=ends[-2] if len(ends) > 1 else None,
            first_held_out=ends[0] if len(ends) > 2 else None,
            assumed=(*listed.assumed, *(() if self.classes else _said_of_order(names))),
        )

    def _all(self) -> list[tuple[str, str | None]]:
        """Each file with the name of its class, split after split; of many thousands a Path each takes its time."""
        return [pair for some in self._listed.files.values() for pair in some]

    @cached_property
    def _listed(self) -> _Listed:
        if not self.folder.is_dir():
            raise self._nothing(self.folder)
        splits = split_folders(self.folder, self._holds_media, self.classes)
        roots = splits or {"train": self.folder}
        files: dict[Split, list[tuple[str, str | None]]] = {}
        left_out: list[Path] = []
        for split, root in roots.items():
            here = list(files_in(root))
            media = [entry.name for entry in here if self._is_media(entry)]
            left_out += [root / entry.name for entry in here if not self._is_media(entry)]
            files[split] = [(f"{root}/{name}", top) for name, top in zip(media, _class_names(root, media), strict=True)]
        if not files["train"]:
            raise self._nothing(roots["train"])
        self._check_links(left_out)
        return _Listed(files, (*_said_of_splits(splits), *self._said_of(left_out)))

    def _check_links(self, left_out: Sequence[Path]) -> None:
        """Refuse links that lead nowhere: what they led to, a class perhaps, would silently be missing."""
        broken = [] if self.decoder.skip_bad else [file for file in left_out if not file.exists()]
        if broken:
            advice = "Remove them, or set data.skip_bad to true to leave them out."
            must = "must have no links that lead nowhere"
            raise DataError(self.where, must, got=self._named(broken), advice=advice)

    def _nothing(self, root: Path) -> DataError:
        suffixes = ", ".join(self.decoder.suffixes)
        return DataError(str(root), f"must be a folder with files of {suffixes}", got="none")

    def _holds_media(self, folder: Path) -> bool:
        return any(self._is_media(entry) for entry in files_in(folder))

    def _is_media(self, entry: Entry) -> bool:
        return entry.is_file and entry.suffix in self.decoder.suffixes

    def _said_of(self, left_out: Sequence[Path]) -> tuple[str, ...]:
        count = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
        return (f"{count} left out, no {self.decoder.noun}: {self._named(left_out)}",) if left_out else ()

    def _named(self, files: Sequence[Path]) -> str:
        """The first of some files, by their paths in the folder, and how many more there are."""
        names = ", ".join(file.relative_to(self.folder).as_posix() for file in files[:_NAMED])
        return names + (f" and {len(files) - _NAMED} more" if len(files) > _NAMED else "")

    def _check_packages(self, files: Sequence[str]) -> None:
        """Refuse, before anything is decoded, a file that needs a package which is not here."""
        for suffix, (module, package) in {} if self.decoder.skip_bad else self.decoder.packages.items():
            file = next((file for file in files if file.lower().endswith(suffix)), None)
            if file is not None and importlib.util.find_spec(module) is None:
                must = f"must find the package {package}, which decodes {suffix}"
                advice = (
                    f"Install it with: pip install {package}, or set data.skip_bad to true to leave such files out."
                )
                raise MissingError(file, must, got="not installed", advice=advice)


def _class_names(root: Path, names: Sequence[str]) -> list[str | None]:
    """The name of the class of each file, which is that of the folder that it or its folders are in."""
    classes = [name.partition("/")[0] if "/" in name else None for name in names]
    if None in classes and any(classes):
        must = "must be in a class folder as others are, or all in none"
        raise DataError(str(root / names[classes.index(None)]), must, got="no class folder")
    return classes


def _said_of_order(names: tuple[str, ...]) -> tuple[str, ...]:
    numbered = list(names) != sorted(names)
    return (f"classes are in the order of their numbers, {names[0]} to {names[-1]}",) if numbered else ()


def _said_of_splits(roots: Mapping[Split, Path]) -> tuple[str, ...]:
    parts = {split: f"the {split} part" for split, root in roots.items() if root.name.lower() not in WORDS}
    if "val" in roots:
        parts["val"] = "held out" if "test" in roots else "the test part"
    return tuple(f"{roots[split].name} is {part}" for split, part in parts.items())


def encoded(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes, as a decoder takes them.

    Raises: ResourceError for a file that no sample can be.
    """
    for file in files:
        size_bytes = file.stat().st_size
        if size_bytes > _MOST_FILE_BYTES:
            raise ResourceError(str(file), f"must have at most {_MOST_FILE_BYTES} bytes", got=str(size_bytes))
        yield str(file), regular_file.read(file)
