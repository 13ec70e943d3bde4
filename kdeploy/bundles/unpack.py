"""Unpack a received zip without trusting it: names first, then bounded inflation into a private folder.

Python's own extraction never leaves the folder but renames silently (`../a` becomes `a`, of two equal names the last
wins), so a hostile archive could replace the real manifest. Here such a name is refused. Only zip is read: tar can
carry links and devices, and its filters were bypassed more than once.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.errors import BundleError, IntegrityError, ResourceError

MAX_TOTAL_BYTES = 4 * 1024**3
MAX_RATIO = 200
SMALL = 64 * 1024  # a file this small may be all zeros, and is no bomb
MAX_DIRECTORY_BYTES = 2 * 1024 * 1024
END = struct.Struct("<4s4H2LH")  # end of central directory: signature, disks, counts, size and offset, comment length
ZIP64 = 0xFFFF


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """A private copy of the files of a zip, removed at the end.

    Raises: BundleError when it is no whole zip, IntegrityError when it is a hostile one, ResourceError when the disk
        is full.
    """
    with tempfile.TemporaryDirectory(prefix="kdeploy-bundle-") as folder:  # mkdtemp makes it 0700
        _extract(archive, Path(folder))
        yield Path(folder)


def _extract(archive: Path, folder: Path) -> None:
    where = str(archive)
    try:
        with archive.open("rb") as file:
            _check_end(file.read(4), _tail(archive), where)
            with zipfile.ZipFile(file) as opened:
                entries = opened.infolist()
                _check_entries(entries, opened.start_dir, where)
                for entry in entries:
                    _inflate(opened, entry, folder, where)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError) as exc:
        raise BundleError(where, "must be a whole zip file", got=core.printable(str(exc))) from exc
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            advice = "Set TMPDIR to a folder with more room."
            raise ResourceError(where, "must fit on the disk unpacked", got=str(exc.strerror), advice=advice) from exc
        raise BundleError(where, "must be readable", got=str(exc.strerror)) from exc


def _tail(archive: Path) -> bytes:
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - END.size))
        return file.read()


def _check_end(start: bytes, tail: bytes, where: str) -> None:
    """Refuse what is not a plain zip from its first byte to its last, with a directory small enough to read."""
    if start not in (b"PK\x03\x04", b"PK\x05\x06"):
        raise BundleError(where, "must be a bundle folder or its zip", got="another kind of file")
    if len(tail) < END.size or not tail.startswith(b"PK\x05\x06"):
        raise BundleError(where, "must be a whole zip file", got="it does not end as one")
    _, _, _, _, count, size, _, _ = END.unpack(tail)
    if count == ZIP64 or count > core.MAX_FILES or size > MAX_DIRECTORY_BYTES:
        raise IntegrityError(
            where, f"must hold at most {core.MAX_FILES} files", got=f"{count} files, {size} bytes of names"
        )


def _check_entries(entries: list[zipfile.ZipInfo], end: int, where: str) -> None:
    """Refuse an entry that is no plain file under a name and in bytes of its own; nothing is unpacked before."""
    if len(entries) > core.MAX_FILES:
        raise IntegrityError(where, f"must hold at most {core.MAX_FILES} files", got=f"{len(entries)}")
    try:
        core.check_names([entry.orig_filename for entry in entries], where)
    except core.Broken as problem:
        raise IntegrityError(where, problem.must, got=problem.got) from problem
    for entry in entries:
        _check_entry(entry, where)
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL_BYTES:
        raise IntegrityError(where, f"must unpack to at most {MAX_TOTAL_BYTES} bytes", got=f"{total}")
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    starts = [entry.header_offset for entry in ordered] + [end]
    for entry, following in zip(ordered, starts[1:], strict=True):
        if entry.header_offset + 30 + len(entry.orig_filename) + entry.compress_size > following:
            raise IntegrityError(
                f"{where}/{entry.filename}", "must not share bytes with another file", got="an overlap"
            )


def _check_entry(entry: zipfile.ZipInfo, where: str) -> None:
    place, kind = f"{where}/{entry.filename}", stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        raise IntegrityError(place, "must be a regular file", got=core.file_kind(kind))
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise IntegrityError(place, "must be stored or deflated, not encrypted", got=f"method {entry.compress_type}")
    _check_ratio(entry, entry.file_size, place)


def _check_ratio(entry: zipfile.ZipInfo, size: int, place: str) -> None:
    if size > max(SMALL, MAX_RATIO * entry.compress_size):
        got = f"{size} bytes from {entry.compress_size}"
        raise IntegrityError(place, f"must not unpack to more than {MAX_RATIO} times its size", got=got)


def _inflate(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, where: str) -> None:
    """Unpack one file, never more of it than its header says: a new one, no link, and not executable."""
    target = folder / entry.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    written = 0
    with os.fdopen(os.open(target, flags, 0o644), "wb") as file, opened.open(entry) as source:
        while chunk := source.read(1 << 16):
            written += len(chunk)
            _check_ratio(entry, written, f"{where}/{entry.filename}")
            file.write(chunk)
    if written != entry.file_size:
        must = f"must unpack to the {entry.file_size} bytes of its header"
        raise IntegrityError(f"{where}/{entry.filename}", must, got=f"{written}")
