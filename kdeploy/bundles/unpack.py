"""Unpack a received zip without trusting it: names first, then bounded inflation into a private folder.

Python's own extraction never leaves the folder but renames silently (`../a` becomes `a`, of two equal names the last
wins), so a hostile archive could replace the real manifest. Here such a name is refused. Only zip is read: tar can
carry links and devices, and its filters were bypassed more than once.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kdeploy.bundles.closed_zip import ENCRYPTED, Entry, entries_of
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.errors import BundleError, IntegrityError, ResourceError
from kdeploy.runtimes.full_disk import FULL
from kdeploy.runtimes.scratch import scratch_folder

MAX_TOTAL_BYTES = 4 * 1024**3
MAX_RATIO = 200
SMALL = 64 * 1024  # a file this small may be all zeros, and is no bomb
CHUNK = 1 << 16
STORED, DEFLATED = 0, 8


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """A private copy of the files of a zip, removed at the end.

    Raises: BundleError when it is no whole zip, IntegrityError when it is a hostile one, ResourceError when the disk
        is full.
    """
    with scratch_folder(str(archive)) as folder:
        _extract(archive, folder)
        yield folder


def top_folder(folder: Path, where: str) -> Path:
    """The one folder that an unpacked bundle has at its top.

    Raises: BundleError where the files of a bundle are at the top themselves, or a file manager left something there;
        IntegrityError for anything else beside the folder.
    """
    tops = sorted(folder.iterdir())
    if len(tops) == 1 and tops[0].is_dir():
        return tops[0]
    must, got = "must have one folder at its top, with the bundle in it", ", ".join(path.name for path in tops[:3])
    if not any((path / core.MANIFEST).is_file() for path in tops):
        advice = "Pack the folder of the bundle, and not the files in it."
        raise BundleError(where, must, got=got or "nothing", advice=advice)
    for path in tops:
        if path.name in core.FILE_MANAGERS:
            raise BundleError(f"{where}/{path.name}", core.NOT_IN_A_BUNDLE, got=core.LEFT, advice="Remove it.")
    raise IntegrityError(where, must, got=got, advice=core.CHANGED)


def _extract(archive: Path, folder: Path) -> None:
    where = str(archive)
    try:
        with archive.open("rb") as file:
            entries = entries_of(file, where)
            _check_entries(entries, where)
            for entry in entries:
                _write(file, entry, folder / entry.name, f"{where}/{entry.name}")
    except OSError as exc:
        if exc.errno in FULL:
            advice = "Set TMPDIR to a folder with more room."
            raise ResourceError(where, "must fit on the disk unpacked", got=str(exc.strerror), advice=advice) from exc
        raise BundleError(where, "must be readable", got=str(exc.strerror)) from exc


def _check_entries(entries: list[Entry], where: str) -> None:
    """Refuse an entry that is no plain file under a name of its own; nothing is unpacked before."""
    try:
        core.check_names([entry.name for entry in entries], where)
    except core.Broken as problem:
        raise IntegrityError(where, problem.must, got=problem.got) from problem
    for entry in entries:
        _check_entry(entry, f"{where}/{entry.name}")
    total = sum(entry.sums.size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        raise IntegrityError(where, f"must unpack to at most {MAX_TOTAL_BYTES} bytes", got=f"{total}")


def _check_entry(entry: Entry, place: str) -> None:
    kind = stat.S_IFMT(entry.mode)
    if kind not in (0, stat.S_IFREG):
        raise IntegrityError(place, "must be a regular file", got=core.file_kind(kind))
    if entry.flags & ENCRYPTED or entry.method not in (STORED, DEFLATED):
        raise IntegrityError(place, "must be stored or deflated, not encrypted", got=f"method {entry.method}")
    if entry.sums.size > max(SMALL, MAX_RATIO * entry.sums.packed):
        got = f"{entry.sums.size} bytes from {entry.sums.packed}"
        raise IntegrityError(place, f"must not unpack to more than {MAX_RATIO} times its size", got=got)


def _write(file: BinaryIO, entry: Entry, target: Path, where: str) -> None:
    """Unpack one file: a new one, no link, and not executable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    crc, written = 0, 0
    with os.fdopen(os.open(target, flags, 0o644), "wb") as unpacked_file:
        for chunk in _unpacked(file, entry, where):
            crc, written = zlib.crc32(chunk, crc), written + len(chunk)
            if written > entry.sums.size:
                break
            unpacked_file.write(chunk)
    if written != entry.sums.size:
        got = f"{written}" if written < entry.sums.size else "more"
        raise IntegrityError(where, f"must unpack to the {entry.sums.size} bytes of its header", got=got)
    if crc != entry.sums.crc:
        raise IntegrityError(where, "must unpack to what was packed", got="another CRC", advice=core.CHANGED)


def _unpacked(file: BinaryIO, entry: Entry, where: str) -> Iterator[bytes]:
    """The content of one file in bounded pieces.

    Raises: IntegrityError when its data go on behind their end.
    """
    packed = _packed(file, entry)
    if entry.method == STORED:
        yield from packed
        return
    inflation = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in packed:
            yield inflation.decompress(piece, CHUNK)
            while inflation.unconsumed_tail:
                yield inflation.decompress(inflation.unconsumed_tail, CHUNK)
            if inflation.unused_data or (inflation.eof and next(packed, b"")):
                raise IntegrityError(where, "must have no bytes behind its packed data", got="some")
        yield inflation.flush(CHUNK)
    except zlib.error as exc:
        got = core.printable(str(exc))
        raise IntegrityError(where, "must unpack to what was packed", got=got, advice=core.CHANGED) from exc
    if not inflation.eof:
        got = "its packed data have no end"
        raise IntegrityError(where, "must unpack to what was packed", got=got, advice=core.CHANGED)


def _packed(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    file.seek(entry.data)
    left = entry.sums.packed
    while chunk := file.read(min(CHUNK, left)):
        left -= len(chunk)
        yield chunk
