"""The label store: a teacher's outputs for every (view, sample) of the transfer set, in blocks.

    header.json                          what the labels are, and the SHA-256 of every block
    view-00007/rows-00065536.npy         up to 65,536 rows of one view, memory-mapped on reading

How a row is stored, and read back as logits, stands in `kdeploy.labels.encoding`. Rows follow the order of the
transfer set. Writing resumes at the first missing block. fp16 is the default; it is refused for a block whose outputs
come closer than a factor of four to what it can hold.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from kdeploy.errors import DataError, IntegrityError, NonFiniteError
from kdeploy.labels import encoding
from kdeploy.models.ensemble import Rule, combine
from kdeploy.records.labels import Block, LabelHeader
from kdeploy.records.seal import again
from kdeploy.system.files import commit_bytes, hash_file
from kdeploy.system.progress import Progress
from kdeploy.system.unaltered import check_unaltered

BLOCK_ROWS = 65_536
HEADER = "header.json"

# view, first row, row after the last -> (rows, classes) float32; of kind features (rows, classes + width)
Label = Callable[[int, int, int], np.ndarray]


def write(folder: Path, header: LabelHeader, label: Label, progress: Progress) -> LabelHeader:
    """Fill a store, on from what is in the folder already; returns the header with all its blocks.

    Args:
        header: with no blocks.
        label: computes the rows of one block.
    Raises: IntegrityError when the folder holds another store's blocks.
    """
    path = folder / HEADER
    if path.exists():
        existing = LabelHeader.read(path, advice=again("labels"))
        _must_match(path, existing, header)
        header = _intact(folder, existing)
    done = {block.path for block in header.blocks}
    with progress.task("labels", header.shape[0] * header.shape[1]) as advance:
        for view, start, stop in _plan(header):
            name = f"view-{view:05d}/rows-{start:08d}.npy"
            if name not in done:
                header = _append(folder, header, name, label(view, start, stop))
                commit_bytes(path, header.sealed())
            advance(view * header.shape[1] + stop)
    return header


class Reader:
    """Read the labels of any rows of one view.

    Raises: IntegrityError when the header is not `expected` (which has no blocks), naming the fields that differ, or a
        block is not the one that was committed.
    """

    def __init__(self, folder: Path, expected: LabelHeader) -> None:
        path = folder / HEADER
        if not path.is_file():
            raise DataError(str(path), "must be the header of a label store", got="there is no such file")
        self.header = LabelHeader.read(path, advice=again("labels"))
        _must_match(path, self.header, expected)
        self._views = [self._open(folder, view) for view in range(self.header.shape[0])]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Views, samples of the transfer set, classes."""
        return self.header.shape

    def _open(self, folder: Path, view: int) -> list[np.ndarray]:
        blocks = [block for block in self.header.blocks if block.path.startswith(f"view-{view:05d}/")]
        for block in blocks:
            check_unaltered(folder / block.path, block.sha256, again("labels"))
        if sum(block.rows for block in blocks) != self.header.shape[1]:
            raise IntegrityError(str(folder / HEADER), f"must have all rows of view {view}", advice=again("labels"))
        return [np.load(folder / block.path, mmap_mode="r", allow_pickle=False) for block in blocks]

    def rows(self, view: int, rows: np.ndarray) -> np.ndarray:
        """Logits of a view, float32 of shape (len(rows), classes); `rows` are positions in the transfer set."""
        return encoding.decode(self._stored(view, rows), self.header.kind, self.header.shape[2])

    def features(self, view: int, rows: np.ndarray) -> np.ndarray:
        """The teacher's features, or their principal components, float32 of shape (len(rows), width).

        Raises: DataError when the store has none.
        """
        if self.header.kind != "features":
            raise DataError(
                "labels.kind",
                "must be features, so that the store has them",
                got=self.header.kind,
                advice="Set labels.kind to features.",
            )
        return np.asarray(self._stored(view, rows)[:, self.header.shape[2] :], np.float32)

    def _stored(self, view: int, rows: np.ndarray) -> np.ndarray:
        blocks = self._views[view % len(self._views)]
        if len(blocks) == 1:
            return np.asarray(blocks[0][rows])
        outputs = np.empty((len(rows), *blocks[0].shape[1:]), blocks[0].dtype)
        which = rows // BLOCK_ROWS
        for number in np.unique(which):
            outputs[which == number] = blocks[number][rows[which == number] - number * BLOCK_ROWS]
        return outputs

    def members(self, view: int, rows: np.ndarray) -> np.ndarray:
        """The logits as those of an ensemble of one, float32 of shape (1, len(rows), classes)."""
        return self.rows(view, rows)[None]


class Combined:
    """The stores of several teachers, read as the labels of their ensemble."""

    def __init__(self, readers: Sequence[Reader], rule: Rule) -> None:
        self.readers, self.rule = tuple(readers), rule

    @property
    def shape(self) -> tuple[int, int, int]:
        """Views, samples of the transfer set, classes."""
        return self.readers[0].shape

    def rows(self, view: int, rows: np.ndarray) -> np.ndarray:
        """Logits of the ensemble, float32 of shape (len(rows), classes)."""
        logits: np.ndarray = combine(torch.from_numpy(self.members(view, rows)), self.rule).numpy()
        return logits

    def members(self, view: int, rows: np.ndarray) -> np.ndarray:
        """Each member's own logits, float32 of shape (members, len(rows), classes)."""
        return np.stack([reader.rows(view, rows) for reader in self.readers])

    def features(self, view: int, rows: np.ndarray) -> np.ndarray:
        """The members' features side by side, float32 of shape (len(rows), sum of widths)."""
        return np.concatenate([reader.features(view, rows) for reader in self.readers], axis=1)


Labels = Reader | Combined


def _plan(header: LabelHeader) -> list[tuple[int, int, int]]:
    views, rows, _ = header.shape
    return [
        (view, start, min(rows, start + BLOCK_ROWS)) for view in range(views) for start in range(0, rows, BLOCK_ROWS)
    ]


def _append(folder: Path, header: LabelHeader, name: str, outputs: np.ndarray) -> LabelHeader:
    words = "logits and features" if header.kind == "features" else "logits"
    if not np.isfinite(outputs).all():
        raise NonFiniteError(str(folder / name), f"the teacher's {words} must be finite", got="NaN or infinity")
    too_large = np.abs(outputs).max(initial=0) > np.finfo(np.float16).max / 4
    if header.dtype == "float16" and header.kind != "probabilities" and too_large:
        raise DataError(
            str(folder / name),
            f"{words} stored as float16 must be below 16376 in size",
            got=f"{np.abs(outputs).max():g}",
            advice="Set labels.dtype to float32.",
        )
    stream = io.BytesIO()
    np.save(stream, encoding.encode(outputs, header.kind, header.dtype, header.top), allow_pickle=False)
    content = stream.getvalue()
    commit_bytes(folder / name, content)
    block = Block(path=name, rows=len(outputs), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    # in the order of the rows: a block that was computed again comes after later ones
    blocks = sorted((*header.blocks, block), key=lambda done: done.path)
    return header.model_copy(update={"blocks": tuple(blocks)})


def _intact(folder: Path, header: LabelHeader) -> LabelHeader:
    """The header without the blocks that a crash left damaged: those are computed again."""
    good = tuple(
        block
        for block in header.blocks
        if (folder / block.path).is_file() and hash_file(folder / block.path) == block.sha256
    )
    return header.model_copy(update={"blocks": good})


def _must_match(path: Path, existing: LabelHeader, expected: LabelHeader) -> None:
    ours, theirs = (header.model_dump(exclude={"blocks"}) for header in (expected, existing))
    differ = sorted(key for key in ours if ours[key] != theirs[key])
    if differ:
        pairs = "; ".join(f"{key}: {theirs[key]!r} instead of {ours[key]!r}" for key in differ)
        raise IntegrityError(str(path), "must be the header of these labels", got=pairs)
