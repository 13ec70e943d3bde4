"""External data: where a stored tensor's bytes lie when they are not in the model.

    bytes of a tensor = side file [offset, offset + length)        (onnx.proto, TensorProto.external_data)
    checksum, where there is one = SHA-1 of the side file

A side file is a plain name next to the model and a file of its own: no link, soft or hard, may lead the reader to bytes
that are someone else's (CVE-2024-27318, -2026-27489, -34446, -34447). Its size is looked at, and its checksum where the
model promises one, which no loader compares. The keys are judged here because onnx's own loader sets attributes by them
(CVE-2026-34445). A place outside of the folder, or bytes that are not those promised, are a matter
of integrity; bytes that are not there are a broken model.
"""

from __future__ import annotations

import hashlib
import os
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kdeploy.errors import IntegrityError, ModelError
from kdeploy.graphs.inspector.wording import quoted

if TYPE_CHECKING:
    import onnx

KEYS = frozenset(["location", "offset", "length", "checksum"])
NOT_IN_A_NAME = frozenset("/\\:\0")
LONGEST_NAME = 255
BESIDE = "Put the side file itself beside the model, and name it without a folder."
WHOLE = "Fetch the model and its side files again."


def check_side_file(tensor: onnx.TensorProto, expected_bytes: int, folder: Path, where: str) -> str:
    """The name of the side file that holds a tensor.

    Raises: IntegrityError unless it is a file of its own next to the model, with the checksum that is promised;
        ModelError when it does not hold the tensor's bytes.
    """
    what = f"external data of {quoted(tensor.name)}"
    entries = _entries(tensor, what, where)
    name = entries.get("location", "")
    size = _size(folder, name, what, where)
    offset = _number(entries.get("offset", "0"), f"{what} must have an offset", where)
    length = _number(entries.get("length", str(size - offset)), f"{what} must have a length", where)
    if offset + length > size:
        raise ModelError(
            where,
            f"{what} must lie inside {quoted(name)}, which has {size} bytes",
            got=f"bytes {offset} to {offset + length}",
            advice=WHOLE,
        )
    if length != expected_bytes:
        raise ModelError(where, f"{what} must have {expected_bytes} bytes", got=str(length), advice=WHOLE)
    if "checksum" in entries:
        _check_checksum(folder / name, entries["checksum"], what, where)
    return name


def _entries(tensor: onnx.TensorProto, what: str, where: str) -> dict[str, str]:
    keys = [entry.key for entry in tensor.external_data]
    odd = next((key for key in keys if key not in KEYS or keys.count(key) > 1), None)
    if odd is not None:
        raise IntegrityError(where, f"{what} must have each of {', '.join(sorted(KEYS))} at most once", got=quoted(odd))
    return {entry.key: entry.value for entry in tensor.external_data}


def _size(folder: Path, name: str, what: str, where: str) -> int:
    """The size of a side file in bytes, without following a link."""
    must = f"{what} must be in a file of its own beside the model"
    if not name or name in {".", ".."} or NOT_IN_A_NAME & set(name) or len(name.encode()) > LONGEST_NAME:
        raise IntegrityError(where, must, got=quoted(name), advice=BESIDE)
    try:
        status = (folder / name).lstat()
    except OSError as exc:
        raise IntegrityError(where, must, got=f"{quoted(name)}: {exc.strerror}", advice=BESIDE) from exc
    kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError(where, must, got=f"{quoted(name)} is {kind}", advice=BESIDE)
    if status.st_nlink > 1:
        raise IntegrityError(where, must, got=f"{quoted(name)} is a hard link", advice=BESIDE)
    return status.st_size


def _check_checksum(file: Path, promised: str, what: str, where: str) -> None:
    checksum = _sha1(file, file.lstat().st_mtime_ns)
    if checksum != promised.lower():
        must = f"{what} must be in a file of the SHA-1 {quoted(promised)}"
        raise IntegrityError(where, must, got=checksum, advice=WHOLE)


@cache  # a model of many tensors in one side file promises its checksum as often
def _sha1(file: Path, _changed_ns: int) -> str:
    # no link is followed, though one may have been put there since
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()


def _number(text: str, must: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(where, f"{must} of at least 0", got=quoted(text), advice=WHOLE)
    return int(text)
