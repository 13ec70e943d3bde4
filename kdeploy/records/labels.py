"""The header of a label store, and the record of the stage that fills one."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from kdeploy.records.base import Part, Record
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.software import ComputedOn


class Block(Part):
    """One committed block: rows of one view, in the order of the transfer set."""

    path: str
    rows: int
    bytes: int
    sha256: str


class LabelHeader(Record):
    """What the labels in a store are; a reader refuses a store whose header is not what it expects."""

    SCHEMA: ClassVar[str] = "kdeploy.label-store/2"

    kind: Literal["logits", "probabilities", "topk", "features"]  # see kdeploy.labels.encoding
    dtype: Literal["float16", "float32"]
    teacher: str  # fingerprint
    samples: str  # hash of the sample set
    preprocessing: Preprocessing
    views: dict[str, Any]
    precision: str
    batch: int
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]  # views, samples of the transfer set, classes
    blocks: tuple[Block, ...] = ()
    top: int | None = None  # k of kind topk
    features: str | None = None  # of kind features: the tensor or layer that gives them; None: what the logits read
    components: int | None = None  # of kind features: how many principal components of them are stored; None: all


class LabelsRecord(Record):
    """The labels of one teacher; the store itself is `header.json` and the blocks beside this record."""

    SCHEMA: ClassVar[str] = "kdeploy.labels/2"
    APART: ClassVar[str] = "view-*/*"  # the header has the digest of each block

    header_sha256: str
    rows: int
    bytes: int
    agreement: (
        float | None
    )  # of the teacher's labels on view 0 with the true labels, labelled part only; None with mixup
    duration_ns: int
    software: ComputedOn
