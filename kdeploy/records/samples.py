"""What a sample set is: where it came from, what one sample looks like, and the hashes that pin it down.

Beside this record lie the arrays it describes: `inputs/<name>.npy`, `labels.npy` and `parts.npz`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from kdeploy.records.base import Part, Record

InputKind = Literal["image", "array"]


class InputInfo(Part):
    """One canonical input; `shape` is that of one sample, without the batch axis."""

    kind: InputKind
    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"]


class TransferInfo(Part):
    """The transfer set where it was chosen by class: the classes as they were named, and how many samples."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    counts: dict[str, int]  # of the labelled and the unlabelled part


class SamplesRecord(Record):
    """The record of one sample set.

    `content_sha256` is over the bytes of the source's files; `sample_hash` over the canonical arrays, labels and parts.
    """

    SCHEMA: ClassVar[str] = "kdeploy.samples/1"

    source: dict[str, str]
    content_sha256: str
    sample_hash: str
    inputs: dict[str, InputInfo]
    class_names: tuple[str, ...]
    counts: dict[str, int]  # samples in each part
    split_seed: int
    transfer: TransferInfo | None = None  # the labelled and the unlabelled part, when null

    @property
    def transfer_rows(self) -> int:
        """Samples of the transfer set."""
        counts = self.transfer.counts if self.transfer else self.counts
        return counts["labelled"] + counts["unlabelled"]
