"""Images or sounds as files in a folder.

    FOLDER/CLASS/...                        a folder a class
    FOLDER/train/CLASS/..., test/CLASS/...  with test rows of its own (validation/ where there is no test/)
    FOLDER/...                              no class folders: nothing is labelled

Classes are numbered in the order of their folders' names. Files of other suffixes, and what begins with a dot, are not
looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdeploy.errors import DataError, ResourceError
from kdeploy.runtimes import regular_file
from kdeploy.samples.contents import Contents, Inputs
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.split import Rows

_MOST_FILE_BYTES = 256 << 20  # of one encoded sample


@dataclass(frozen=True)
class MediaFolder:
    """A folder of files, and what decodes them; `key` is the recipe's."""

    key: str
    folder: Path
    decoder: Pictures | Sounds

    @property
    def where(self) -> str:
        return str(self.folder)

    @property
    def origin(self) -> dict[str, str]:
        return {self.key: self.folder.name}

    def content_hash(self) -> str:
        """SHA-256 over path and SHA-256 of each file that is read."""
        digest = hashlib.sha256()
        for file, _ in (*self._files("train"), *self._files("test")):
            with regular_file.opened(file) as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{file.relative_to(self.folder).as_posix()} {found}\n".encode())
        return digest.hexdigest()

    def contents(self, *, limit_bytes: int) -> Contents:
        train, test = self._files("train"), self._files("test")
        names = sorted({name for _, name in train if name is not None})
        for file, name in test:
            if name not in names:
                must = f"must be in a folder of one of the classes {', '.join(names) or '(none)'}"
                raise DataError(str(file), must, got=name or "no class")
        labels = [-1 if name is None else names.index(name) for _, name in (*train, *test)]
        files = [file for file, _ in (*train, *test)]

        def decode(rows: Rows) -> Inputs:
            chosen = [files[row] for row in rows]
            array = self.decoder.decode(encoded(chosen), len(rows), limit_bytes=limit_bytes, where=self.where)
            return {self.decoder.input_name: (array, self.decoder.kind)}

        return Contents(
            np.array(labels, np.int64), tuple(names), decode, self.where, first_test=len(train) if test else None
        )

    def _files(self, split: str) -> list[tuple[Path, str | None]]:
        """Each file of a split with the name of its class."""
        root = self._root(split)
        files = [] if root is None else sorted(self._media(root))
        if split == "train" and not files:
            suffixes = ", ".join(self.decoder.suffixes)
            raise DataError(str(root or self.folder), f"must be a folder with files of {suffixes}", got="none")
        if root is None:
            return []
        classes = [file.relative_to(root).parts[0] if file.parent != root else None for file in files]
        if None in classes and any(classes):
            file = files[classes.index(None)]
            must = "must be in a class folder as others are, or all in none"
            raise DataError(str(file), must, got="no class folder")
        return list(zip(files, classes, strict=True))

    def _root(self, split: str) -> Path | None:
        """The folder of a split: the folder itself is its train split when it has no `train` inside."""
        if not (self.folder / "train").is_dir():
            return self.folder if split == "train" else None
        if split == "train":
            return self.folder / "train"
        return next((root for name in ("test", "validation") if (root := self.folder / name).is_dir()), None)

    def _media(self, root: Path) -> Iterator[Path]:
        for file in root.rglob("*"):
            hidden = any(step.startswith(".") for step in file.relative_to(root).parts)
            if not hidden and file.suffix.lower() in self.decoder.suffixes and file.is_file():
                yield file


def encoded(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes, as a decoder takes them.

    Raises: ResourceError for a file that no sample can be.
    """
    for file in files:
        size_bytes = file.stat().st_size
        if size_bytes > _MOST_FILE_BYTES:
            raise ResourceError(str(file), f"must have at most {_MOST_FILE_BYTES} bytes", got=str(size_bytes))
        yield str(file), regular_file.read(file)
