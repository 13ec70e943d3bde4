"""What a piece of work ran on: recorded beside results, never part of a fingerprint unless something was timed."""

from __future__ import annotations

from kdeploy.records.base import Part


class ComputedOn(Part):
    """Device, threads and versions of one piece of work."""

    device: str
    threads: int
    precision: str
    versions: dict[str, str]
