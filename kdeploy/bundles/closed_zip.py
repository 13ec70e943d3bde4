"""The layout of a zip whose bytes all belong: two readers cannot find two archives in it, nor anything beside one.

    file    = entry* directory end
    entry   = header (30 bytes) name data [descriptor]           one behind the other, from the first byte on
    directory = as many headers (46 bytes) name                  each agreeing with the header in front of its data
    end     = 22 bytes                                           no comment, and the last of the file

A zip may hold more, and readers differ in what they look at: some go by the directory, some by the headers in front of
the data, and what neither owns can be a program or another zip. So there is no comment, no extra field, no second end,
no zip64, and no byte between, before or behind.

What is refused with which code: a file that neither begins nor ends as a zip is another kind of file, and one that
begins as a zip and has no end was cut off: both are bad input. All else is a zip in which a byte was changed, something
does not belong or two places disagree: a matter of integrity.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.errors import BundleError, IntegrityError

MAX_DIRECTORY_BYTES = 2 * 1024 * 1024
LONGEST_TAIL = 16 * 1024 * 1024  # so far from its end a file is searched for the end of a zip
HEADER = struct.Struct("<4s5H3L2H")  # signature, version, flags, method, time, date, CRC, sizes, lengths
DIRECTORY = struct.Struct("<4s6H3L5H2L")  # maker in front of the same; then lengths, disk, attributes, place
END = struct.Struct("<4s4H2LH")  # signature, disks, counts, size and place of the directory, length of a comment
DESCRIPTOR = struct.Struct("<3L")  # CRC and sizes, with a signature in front or without
ENCRYPTED, DESCRIBED, UTF8 = 1 << 0, 1 << 3, 1 << 11
NEWEST = 63  # of the versions that are needed to unpack a file, 6.3: our reader knows none beyond it
KNOWN_FLAGS = ENCRYPTED | 0b110 | DESCRIBED | UTF8  # 0b110: how hard the compressor tried
PLAIN_ZIP = "Unpack it and verify the folder, or pack it as a plain zip."


class Sums(NamedTuple):
    """What is said of the data of an entry: in the directory, in its header, and perhaps behind the data."""

    crc: int
    packed: int  # bytes in the archive
    size: int  # bytes when unpacked


class Entry(NamedTuple):
    """One file of a zip, as its directory says."""

    name: str
    flags: int
    method: int
    sums: Sums
    mode: int
    start: int  # of its header
    data: int  # where those begin


def entries_of(file: BinaryIO, where: str) -> list[Entry]:
    """The entries of a zip, in the order of the directory; their names are as they came, and nothing is unpacked.

    Raises: BundleError for what is no whole zip, IntegrityError for one in which something does not belong.
    """
    length = os.fstat(file.fileno()).st_size
    place, size, count = _directory(file, length, where)
    entries = list(_listed(_read(file, place, size), where))
    if len(entries) != count:
        raise IntegrityError(where, f"must hold the {count} files that its end says", got=f"{len(entries)}")
    located = [_located(file, entry, where) for entry in entries]
    _check_filled(file, sorted(located, key=lambda entry: entry.start), place, where)
    return located


def _read(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _refuse(where: str, must: str, got: str) -> IntegrityError:
    return IntegrityError(where, must, got=got, advice=PLAIN_ZIP)


# -- the end


def _directory(file: BinaryIO, length: int, where: str) -> tuple[int, int, int]:
    """Where the directory begins, its bytes, and how many files it lists."""
    start, tail = _read(file, 0, 4), _read(file, max(0, length - END.size), END.size)
    if len(tail) < END.size or not tail.startswith(b"PK\x05\x06"):
        raise _not_whole(file, length, start, where)
    _, disk, first_disk, here, count, size, place, comment = END.unpack(tail)
    if comment:
        raise _refuse(where, "must end with its end record, and without a comment", f"a comment of {comment} bytes")
    if disk or first_disk or here != count:
        raise _refuse(where, "must be one file and not a part of one", f"part {disk}, {here} of {count} files")
    if count > core.MAX_FILES or size > MAX_DIRECTORY_BYTES:
        got = f"{count} files, {size} bytes of names"
        raise IntegrityError(where, f"must hold at most {core.MAX_FILES} files", got=got)
    if place + size != length - END.size:
        got = f"{length - END.size - place - size} bytes more"
        raise _refuse(where, "must be a zip from its first byte to its last", got)
    return place, size, count


def _not_whole(file: BinaryIO, length: int, start: bytes, where: str) -> BundleError | IntegrityError:
    """The error of a file that does not end with an end record: is there a zip in it, or was one cut off?"""
    is_zip = start in (b"PK\x03\x04", b"PK\x05\x06")
    if is_zip and _ends_but_for_its_mark(_read(file, max(0, length - END.size), END.size), length):
        return _refuse(where, "must end with its end record, and without a comment", "an end that was altered")
    for end, record in _ends(file, length):
        *_, size, place, comment = END.unpack(record)
        behind = length - end - END.size
        if comment == behind:
            return _refuse(
                where, "must end with its end record, and without a comment", f"a comment of {comment} bytes"
            )
        if is_zip and place + size == end:  # unlike the end of a zip among the files of one that was cut off
            return _refuse(where, "must be a zip from its first byte to its last", f"{behind} bytes behind its end")
    if is_zip:
        return BundleError(where, "must be a whole zip file", got="it does not end as one")
    return BundleError(where, "must be a bundle folder or its zip", got="another kind of file")


def _ends_but_for_its_mark(tail: bytes, length: int) -> bool:
    """Whether the last bytes are an end record, with a changed byte in its signature."""
    if len(tail) < END.size:
        return False
    mark, *_, size, place, comment = END.unpack(tail)
    changed = sum(one != other for one, other in zip(mark, b"PK\x05\x06", strict=True))
    return changed == 1 and place + size == length - END.size and not comment


def _ends(file: BinaryIO, length: int) -> Iterator[tuple[int, bytes]]:
    """The places near the end of a file where the end of a zip may be, and the 22 bytes there, the last first."""
    start = max(0, length - LONGEST_TAIL)
    tail = _read(file, start, LONGEST_TAIL)
    for found in reversed([match.start() for match in re.finditer(rb"PK\x05\x06", tail)]):
        if found + END.size <= len(tail):
            yield start + found, tail[found : found + END.size]


# -- the directory


def _listed(directory: bytes, where: str) -> Iterator[Entry]:
    at, count = 0, 0
    while at < len(directory):
        if len(directory) - at < DIRECTORY.size or directory[at : at + 4] != b"PK\x01\x02":
            raise _refuse(where, "must have a directory of files alone", f"other bytes behind file {count}")
        if (count := count + 1) > core.MAX_FILES:
            raise IntegrityError(where, f"must hold at most {core.MAX_FILES} files", got=f"{count} or more")
        _, _, version, flags, method, _, _, *sums, length, extra, comment, disk, _, attributes, start = (
            DIRECTORY.unpack_from(directory, at)
        )
        at += DIRECTORY.size + length
        if at > len(directory):
            raise _refuse(where, "must have a directory of files alone", f"a name of {length} bytes beyond its end")
        name = _decoded(directory[at - length : at], flags)
        if extra or comment or disk:
            got = f"{extra} bytes of extra fields, {comment} of a comment, on disk {disk}"
            raise _refuse(f"{where}/{core.printable(name)}", "must have a name and data, and nothing else", got)
        _check_version(version, f"{where}/{core.printable(name)}")
        yield Entry(name, flags, method, Sums(*sums), attributes >> 16, start, data=0)


def _check_version(version: int, shown: str) -> None:
    """Refuse a file that needs a newer zip to be unpacked than there is one."""
    if version > NEWEST:
        got = f"version {version / 10:.1f}"
        raise _refuse(shown, f"must need version {NEWEST / 10:.1f} or less of a zip to be unpacked", got)


def _decoded(name: bytes, flags: int) -> str:
    return name.decode("utf-8" if flags & UTF8 else "cp437", errors="replace")


# -- the entries


def _located(file: BinaryIO, entry: Entry, where: str) -> Entry:
    """An entry with the place of its data, once the header in front of them is found to say what the directory does."""
    shown = f"{where}/{core.printable(entry.name)}"
    header = _read(file, entry.start, HEADER.size)
    if len(header) < HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise _refuse(shown, "must have its header where the directory says", f"none at byte {entry.start}")
    _, version, flags, method, _, _, *sums, name_length, extra = HEADER.unpack(header)
    _check_version(version, shown)
    name = _read(file, entry.start + HEADER.size, name_length)
    if _decoded(name, flags) != entry.name:
        raise _refuse(shown, "must have one name", f"and '{core.printable(_decoded(name, flags))}' in its header")
    if extra:
        raise _refuse(shown, "must have a name and data, and nothing else", f"{extra} bytes of extra fields")
    late = flags & DESCRIBED and sums == [0, 0, 0]  # they were not known yet
    if (flags, method) != (entry.flags, entry.method) or not (tuple(sums) == entry.sums or late):
        expected = f"{entry.flags}, {entry.method}, {tuple(entry.sums)}"
        got = f"flags {flags}, method {method}, {tuple(sums)} and {expected}"
        raise _refuse(shown, "must have a header that says what the directory does", got)
    if flags & ~KNOWN_FLAGS:
        raise _refuse(shown, "must have no flags but those of a plain zip", f"flags {flags:#06x}")
    return entry._replace(data=entry.start + HEADER.size + name_length)


def _check_filled(file: BinaryIO, entries: list[Entry], end: int, where: str) -> None:
    """Refuse an archive that the entries, in the order of their places, do not fill up to its directory."""
    at = 0
    for entry in entries:
        _check_gap(at, entry.start, where)
        at = entry.data + entry.sums.packed
        if entry.flags & DESCRIBED:
            at += _descriptor(file, entry, at, f"{where}/{core.printable(entry.name)}")
    _check_gap(at, end, where)


def _check_gap(at: int, following: int, where: str) -> None:
    if at > following:
        raise _refuse(where, "must have bytes of their own for each of its files", f"an overlap at byte {following}")
    if at < following:
        got = f"{following - at} bytes at byte {at}"
        raise _refuse(where, "must hold no bytes that belong to none of its files", got)


def _descriptor(file: BinaryIO, entry: Entry, at: int, shown: str) -> int:
    """The length of what stands behind the data of an entry: again its CRC and sizes."""
    found, expected = _read(file, at, 4 + DESCRIPTOR.size), DESCRIPTOR.pack(*entry.sums)
    if found == b"PK\x07\x08" + expected:
        return len(found)
    if found[: DESCRIPTOR.size] == expected:
        return DESCRIPTOR.size
    raise _refuse(shown, "must have behind its data what the directory says of them", "another CRC or other sizes")
