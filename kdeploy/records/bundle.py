"""The records of a bundle: that it was written, and that it was checked. Its manifest is `kdeploy.bundle/1.1`."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record


class BundleFile(Part):
    """One file of the bundle; `path` is relative to its folder."""

    path: str
    sha256: str
    bytes: int


class BundleRecord(Record):
    """A bundle that was written. Beside the record: the folder `bundle/`, and the same files as `<name>.zip`."""

    SCHEMA: ClassVar[str] = "kdeploy.bundled/3"

    name: str
    folder: str
    archive: str
    archive_sha256: str
    archive_bytes: int
    files: tuple[BundleFile, ...]  # manifest.json among them
    bytes: int  # of all files of the folder
    golden_samples: int
    golden_atol: float


class BundleVerdict(Record):
    """A passed check of a bundle; `bytes` leaves out the manifest. Errors are absolute differences of logits."""

    SCHEMA: ClassVar[str] = "kdeploy.bundle-verdict/1"

    name: str
    files: int
    bytes: int
    samples: int
    largest_error: float
    allowed_error: float
    runtime: str
    promise: str
