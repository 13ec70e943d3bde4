"""Artefacts: the files that a model on disk consists of, and their digest.

A model is its file and what belongs next to it: the weights `x.bin` of an OpenVINO `x.xml` or an ncnn `x.param`, the
external data `x.onnx.data` of an `x.onnx`, the names and shapes `x.pte.json` of an `x.pte`. The digest of one file is
its SHA-256; of several, the SHA-256 of lines of `name NUL sha256 LF`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kdeploy.runtimes import regular_file


def files_of(artefact: Path) -> tuple[Path, ...]:
    """The files of a model, its own first."""
    neighbours = [artefact.with_name(artefact.name + ending) for ending in (".data", ".json")]
    if artefact.suffix in (".xml", ".param"):
        neighbours.append(artefact.with_suffix(".bin"))
    return (artefact, *(path for path in neighbours if path.is_file()))


def digest(artefact: Path) -> str:
    """The SHA-256 of a model, hexadecimal; of several files, that of their names and digests."""
    files = files_of(artefact)
    if len(files) == 1:
        return file_digest(artefact)
    lines = (f"{path.name}\0{file_digest(path)}\n".encode() for path in files)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def size_bytes(artefact: Path) -> int:
    """The bytes of all files of a model."""
    return sum(path.stat().st_size for path in files_of(artefact))


def file_digest(path: Path) -> str:
    """The SHA-256 of one file, read in pieces."""
    with regular_file.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
