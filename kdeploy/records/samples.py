"""What a sample set is: where it came from, what one sample looks like, and the hashes that pin it down.

Beside this record lie the arrays it describes: `inputs/<name>.npy`, `labels.npy` and `parts.npz`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from kdeploy.outputs.terms import OutputsName
from kdeploy.records.base import Part, Record

InputKind = Literal["image", "array"]


class InputInfo(Part):
    """One canonical input; `shape` is that of one sample, without the batch axis.

    `window`: how many neighbouring frames are a sample, where frames are what is kept.
    """

    kind: InputKind
    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"]
    window: int | None = None


class TransferInfo(Part):
    """The transfer set where it was chosen by class: the classes as they were named, and how many samples."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    counts: dict[str, int]  # of the labelled and the unlabelled part


class Overlap(Part):
    """Samples of a part that are in the test part too: how many, and the indices of the first few."""

    count: int
    first: tuple[int, ...]


class DuplicatesInfo(Part):
    """Exact duplicates of test samples; `transfer` is over the labelled and the unlabelled part.

    With `dropped`, those of the transfer set were taken out of it, and the indices are those from before.
    """

    transfer: Overlap
    held_out: Overlap
    dropped: bool

    @property
    def any(self) -> bool:
        return self.transfer.count > 0 or self.held_out.count > 0

    @property
    def counted(self) -> str:
        """The counts in words: `12 of the transfer set, first 3, 17`, and as much for the held-out part."""
        found = (("transfer set", self.transfer), ("held-out part", self.held_out))
        return "; ".join(
            f"{overlap.count} of the {name}, first {', '.join(map(str, overlap.first))}"
            for name, overlap in found
            if overlap.count
        )

    @property
    def sentence(self) -> str:
        """The duplicates in one line for people; empty when there are none."""
        if not self.any:
            return ""
        done = (
            "those of the transfer set were dropped" if self.dropped else "data.duplicates: drop takes them out of it"
        )
        remedy = f" ({done})" if self.transfer.count else ""
        return f"samples that are in the test part too: {self.counted}{remedy}"


class SamplesRecord(Record):
    """The record of one sample set.

    `content_sha256` is over the bytes of the source's files; `sample_hash` over the canonical arrays, labels and parts;
    `assumed` is what had to be assumed about the data, a line each; `class_names` are the names of what `outputs` says.
    """

    SCHEMA: ClassVar[str] = "kdeploy.samples/2.1"
    APART: ClassVar[str] = "*.np[yz]"  # `sample_hash` is over what they hold, and compared when they are opened

    source: dict[str, str]
    content_sha256: str
    sample_hash: str
    inputs: dict[str, InputInfo]
    class_names: tuple[str, ...]
    counts: dict[str, int]  # samples in each part
    split_seed: int
    transfer: TransferInfo | None = None  # the labelled and the unlabelled part, when null
    duplicates: DuplicatesInfo | None = None  # null in a record from before they were looked for
    assumed: tuple[str, ...] = ()
    outputs: OutputsName = "classes"

    @property
    def any_label(self) -> bool:
        """Is there a label at all? Without one there is no labelled part, and no accuracy."""
        return self.counts["labeled"] > 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what the students read: one sample of the only input, or of the first."""
        return next(iter(self.inputs.values())).shape

    @property
    def kinds(self) -> dict[str, InputKind]:
        """The kind of each input, by name."""
        return {name: info.kind for name, info in self.inputs.items()}

    @property
    def transfer_rows(self) -> int:
        """The number of samples of the transfer set."""
        counts = self.transfer.counts if self.transfer else self.counts
        return counts["labeled"] + counts["unlabeled"]
