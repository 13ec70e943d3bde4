"""The record of an inspected file, and the limits of everything in it."""

from __future__ import annotations

from kdeploy.records.base import Part


class InspectionLimits(Part):
    """The most that a file, and the process that reads it, may take.

    A file is in memory twice while it is parsed, so `file_bytes` is less than half of `memory_bytes`; weights in side
    files are read in pieces.
    """

    file_bytes: int = 384 * 2**20
    weights_bytes: int = 2 * 2**30
    activation_bytes: int = 4 * 2**30
    nodes: int = 50_000
    ports: int = 256
    name_length: int = 512
    memory_bytes: int = 2**30
    cpu_seconds: int = 10


class Value(Part):
    """An input or an output; a free length is its symbol, or None."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


class Inspection(Part):
    """An ONNX file that a runtime may see, without the nodes that no output needs."""

    opset: int
    ir_version: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: dict[str, int]  # operator -> number of nodes
    left_out: int  # nodes that no output needs
    weights_bytes: int  # of all stored tensors, side files included
    activation_bytes: int  # the most that is alive at once, at one row
    side_files: tuple[str, ...]
    unrepeatable: tuple[str, ...]  # nodes that are random, or in training mode
