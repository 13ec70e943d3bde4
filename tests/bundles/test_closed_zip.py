"""Zips in which something does not belong: bytes of nobody, a second archive, two stories about one file."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from kdeploy.bundles.closed_zip import PLAIN_ZIP, Entry, Sums, entries_of
from kdeploy.bundles.fixed_zip import zip_bytes
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.unpack import unpacked
from kdeploy.errors import BundleError, IntegrityError, KdeployError

CONTENTS = {"a": b"first", "b": b"other"}
GOOD = zip_bytes(CONTENTS)
FILLED = "must hold no bytes that belong to none of its files"
WHOLE = "must be a zip from its first byte to its last"
ALIKE = "must have a header that says what the directory does"
END = struct.Struct("<4s4H2LH")
DIRECTORY = GOOD.index(b"PK\x01\x02")
SECOND = GOOD.index(b"PK\x03\x04", 4)


def read(content: bytes, folder: Path) -> dict[str, bytes]:
    archive = folder / "received.zip"
    archive.write_bytes(content)
    with unpacked(archive) as files:
        return {path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()}


def refusal(content: bytes, folder: Path) -> tuple[int, str]:
    with pytest.raises(KdeployError) as caught:
        read(content, folder)
    return caught.value.exit_code, str(caught.value).removeprefix(str(folder / "received.zip"))


def repaired(content: bytes, place: int, size: int | None = None, count: int = 2) -> bytes:
    """The archive whose end says that its directory begins at `place`."""
    end = END.pack(b"PK\x05\x06", 0, 0, count, count, len(GOOD) - 22 - DIRECTORY if size is None else size, place, 0)
    return content[:-22] + end


def moved(content: bytes, by: int, entries: range = range(2)) -> bytes:
    """The archive whose directory says that some of the files begin `by` bytes later."""
    spoiled, at = bytearray(content), content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x01\x02"))
    for number in entries:
        place = at + number * 47 + 42
        spoiled[place : place + 4] = struct.pack("<L", int.from_bytes(spoiled[place : place + 4], "little") + by)
    return bytes(spoiled)


def edited(at: int, fields: bytes, content: bytes = GOOD) -> bytes:
    return content[:at] + fields + content[at + len(fields) :]


def with_comment(comment: bytes) -> bytes:
    return GOOD[:-2] + struct.pack("<H", len(comment)) + comment


def with_entry_comment() -> bytes:
    content = edited(DIRECTORY + 32, struct.pack("<H", 4))
    content = content[: DIRECTORY + 47] + b"junk" + content[DIRECTORY + 47 :]
    return repaired(content, DIRECTORY, len(GOOD) - 22 - DIRECTORY + 4)


def with_extra(*, local: bool, central: bool) -> bytes:
    """The first file has an extra field of 4 bytes without content, or of 8 with 4."""
    field, content = b"\x99\x99\x04\x00junk", GOOD
    if central:
        content = edited(DIRECTORY + 30, struct.pack("<H", 8), content)
        content = content[: DIRECTORY + 47] + field + content[DIRECTORY + 47 :]
    if local:
        content = edited(28, struct.pack("<H", 8), content)
        content = content[:31] + field + content[31:]
    size = len(GOOD) - 22 - DIRECTORY + (8 if central else 0)
    content = repaired(content, DIRECTORY + (8 if local else 0), size)
    if local:
        at = content.rindex(b"PK\x01\x02") + 42
        content = edited(at, struct.pack("<L", SECOND + 8), content)
    return content


class Stream(io.BytesIO):
    """A pipe, into which zipfile writes descriptors."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *_: int) -> int:
        raise OSError


def streamed(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = Stream()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in CONTENTS.items():
            archive.writestr(name, content * 100)
    return stream.getvalue()


def test_the_entries_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "good.zip").write_bytes(GOOD)
    with (tmp_path / "good.zip").open("rb") as file:
        entries = entries_of(file, "good.zip")
    assert entries[1] == Entry("b", 0, 0, Sums(zlib.crc32(b"other"), 5, 5), 0o100644, SECOND, SECOND + 31)


def test_a_closed_zip_is_read(tmp_path: Path) -> None:
    assert read(GOOD, tmp_path) == CONTENTS
    assert read(zip_bytes({}), tmp_path) == {}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_zip_that_was_streamed_is_read(tmp_path: Path, method: int) -> None:
    content = streamed(method)
    assert b"PK\x07\x08" in content
    assert read(content, tmp_path) == {name: content * 100 for name, content in CONTENTS.items()}


def test_descriptors_without_their_signature_are_read(tmp_path: Path) -> None:
    content = streamed(zipfile.ZIP_STORED)
    second, directory = content.index(b"PK\x03\x04", 4), content.index(b"PK\x01\x02")
    bare = content[: second - 16] + content[second - 12 : directory - 16] + content[directory - 12 :]
    at = bare.rindex(b"PK\x01\x02") + 42
    bare = repaired(edited(at, struct.pack("<L", second - 4), bare), directory - 8, 94)
    assert read(bare, tmp_path) == {name: content * 100 for name, content in CONTENTS.items()}


JUNK: dict[str, tuple[bytes, str]] = {
    "in front": (b"#!/bin/sh\nexit\n" + GOOD, f": {WHOLE} (15 bytes more)."),
    "in front, places corrected": (
        repaired(moved(b"junk" + GOOD, 4), DIRECTORY + 4),
        f": {FILLED} (4 bytes at byte 0).",
    ),
    "in front, as a header": (
        repaired(moved(b"PK\x03\x04" + GOOD, 4), DIRECTORY + 4),
        f": {FILLED} (4 bytes at byte 0).",
    ),
    "between the files": (
        repaired(moved(GOOD[:SECOND] + b"junk" + GOOD[SECOND:], 4, range(1, 2)), DIRECTORY + 4),
        f": {FILLED} (4 bytes at byte 36).",
    ),
    "before the directory": (
        repaired(GOOD[:DIRECTORY] + b"junk" + GOOD[DIRECTORY:], DIRECTORY + 4),
        f": {FILLED} (4 bytes at byte {DIRECTORY}).",
    ),
    "a file that is not listed": (
        repaired(GOOD[: DIRECTORY + 47] + GOOD[-22:], DIRECTORY, 47, 1),
        f": {FILLED} (36 bytes at byte 36).",
    ),
    "in the directory": (
        repaired(GOOD[:-22] + b"junk" + GOOD[-22:], DIRECTORY, len(GOOD) - 22 - DIRECTORY + 4),
        ": must have a directory of files alone (other bytes behind file 2).",
    ),
    "behind the directory": (GOOD[:-22] + b"junk" + GOOD[-22:], f": {WHOLE} (4 bytes more)."),
    "behind": (GOOD + b"junk", f": {WHOLE} (4 bytes behind its end)."),
    "far behind": (GOOD + bytes(2**20), f": {WHOLE} (1048576 bytes behind its end)."),
    "behind a zip without files": (zip_bytes({}) + b"junk", f": {WHOLE} (4 bytes behind its end)."),
    "a second end": (GOOD + GOOD[-22:], f": {WHOLE} (22 bytes more)."),
    "a second zip": (GOOD + zip_bytes({"c": b"3"}), f": {WHOLE} ({len(GOOD)} bytes more)."),
    "a second zip, places corrected": (
        GOOD + moved(repaired(GOOD, DIRECTORY + len(GOOD)), len(GOOD)),
        f": {FILLED} ({len(GOOD)} bytes at byte 0).",
    ),
    "a comment": (
        with_comment(b"hello"),
        ": must end with its end record, and without a comment (a comment of 5 bytes).",
    ),
    "a comment that is another end": (with_comment(GOOD[-22:]), f": {WHOLE} (22 bytes more)."),
    "a comment in front of which other bytes lie": (
        b"junk" + with_comment(b"hello"),
        ": must end with its end record, and without a comment (a comment of 5 bytes).",
    ),
    "a comment that is not there": (
        edited(len(GOOD) - 2, b"\x05\x00"),
        ": must end with its end record, and without a comment (a comment of 5 bytes).",
    ),
    "a comment of one file": (
        with_entry_comment(),
        "/a: must have a name and data, and nothing else (0 bytes of extra fields, 4 of a comment, on disk 0).",
    ),
    "an extra field": (
        with_extra(local=True, central=True),
        "/a: must have a name and data, and nothing else (8 bytes of extra fields, 0 of a comment, on disk 0).",
    ),
    "an extra field in the directory": (
        with_extra(local=False, central=True),
        "/a: must have a name and data, and nothing else (8 bytes of extra fields, 0 of a comment, on disk 0).",
    ),
    "an extra field in the header": (
        with_extra(local=True, central=False),
        "/a: must have a name and data, and nothing else (8 bytes of extra fields).",
    ),
    "a part of several": (
        edited(len(GOOD) - 18, b"\x01\x00"),
        ": must be one file and not a part of one (part 1, 2 of 2 files).",
    ),
    "counts that differ": (
        edited(len(GOOD) - 14, b"\x01\x00"),
        ": must be one file and not a part of one (part 0, 1 of 2 files).",
    ),
}


@pytest.mark.parametrize(("content", "message"), JUNK.values(), ids=JUNK)
def test_what_does_not_belong_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert refusal(content, tmp_path) == (4, f"{message} {PLAIN_ZIP}")


def test_a_name_beyond_the_directory_is_refused(tmp_path: Path) -> None:
    content = edited(GOOD.rindex(b"PK\x01\x02") + 28, b"\x09")
    message = ": must have a directory of files alone (a name of 9 bytes beyond its end)."
    assert refusal(content, tmp_path) == (4, f"{message} {PLAIN_ZIP}")


def test_a_count_that_lies_is_refused(tmp_path: Path) -> None:
    content = repaired(GOOD, DIRECTORY, count=3)
    assert refusal(content, tmp_path) == (4, ": must hold the 3 files that its end says (2).")


CRC = zlib.crc32(b"first")


def disagreement(flags: int = 0, method: int = 0, crc: int = CRC, packed: int = 5, size: int = 5) -> str:
    own = f"flags {flags}, method {method}, {(crc, packed, size)}"
    return f"/a: {ALIKE} ({own} and 0, 0, {(CRC, 5, 5)}). {PLAIN_ZIP}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (edited(30, b"c"), f"/a: must have one name (and 'c' in its header). {PLAIN_ZIP}"),
        (edited(6, b"\x00\x08"), disagreement(flags=2048)),
        (edited(8, b"\x08\x00"), disagreement(method=8)),
        (edited(14, bytes(4)), disagreement(crc=0)),
        (edited(18, b"\x06"), disagreement(packed=6)),
        (edited(22, b"\x06"), disagreement(size=6)),
        (edited(14, bytes(12)), disagreement(crc=0, packed=0, size=0)),
        (edited(0, b"PK\x03\x05"), f"/a: must have its header where the directory says (none at byte 0). {PLAIN_ZIP}"),
    ],
    ids=["name", "flags", "method", "CRC", "packed size", "size", "nothing but zeros", "signature"],
)
def test_a_header_that_tells_another_story_than_the_directory_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    assert refusal(content, tmp_path) == (4, message)


@pytest.mark.parametrize("place", [4, DIRECTORY + 6], ids=["header", "directory"])
@pytest.mark.parametrize(("version", "words"), [(b"\x40\x00", "6.4"), (b"\x14\x01", "27.6")])
def test_a_version_that_no_reader_knows_is_refused(tmp_path: Path, place: int, version: bytes, words: str) -> None:
    message = f"/a: must need version 6.3 or less of a zip to be unpacked (version {words}). {PLAIN_ZIP}"
    assert refusal(edited(place, version), tmp_path) == (4, message)


def test_a_flag_that_no_plain_zip_has_is_refused(tmp_path: Path) -> None:
    content = edited(DIRECTORY + 8, b"\x20\x00", edited(6, b"\x20\x00"))
    message = "/a: must have no flags but those of a plain zip (flags 0x0020)."
    assert refusal(content, tmp_path) == (4, f"{message} {PLAIN_ZIP}")


@pytest.mark.parametrize("field", [4, 8, 12], ids=["CRC", "packed size", "size"])
def test_a_descriptor_that_lies_is_refused(tmp_path: Path, field: int) -> None:
    content = bytearray(streamed())
    content[content.index(b"PK\x07\x08") + field] ^= 1
    message = "must have behind its data what the directory says of them (another CRC or other sizes)."
    assert refusal(bytes(content), tmp_path) == (4, f"/a: {message} {PLAIN_ZIP}")


def test_files_that_share_bytes_are_refused(tmp_path: Path) -> None:
    inner = zip_bytes({"b": b"other"})
    header = inner[: inner.index(b"PK\x01\x02")]
    content = zip_bytes({"a": header, "b": b"other"})
    outer = content.index(header)
    at = content.rindex(b"PK\x01\x02") + 42
    content = edited(at, struct.pack("<L", outer), content)
    message = f": must have bytes of their own for each of its files (an overlap at byte {outer})."
    assert refusal(content, tmp_path) == (4, f"{message} {PLAIN_ZIP}")


def test_bytes_behind_the_end_of_packed_data_are_refused(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"first" * 9) + packer.flush() + b"junk"
    archive = zip_bytes({"a": packed})
    directory = archive.index(b"PK\x01\x02")
    for at in (8, directory + 10):
        archive = edited(at, b"\x08\x00", archive)
    for at in (14, directory + 16):
        archive = edited(at, struct.pack("<L", zlib.crc32(b"first" * 9)), archive)
    for at in (22, directory + 24):
        archive = edited(at, struct.pack("<L", 45), archive)
    assert refusal(archive, tmp_path) == (4, "/a: must have no bytes behind its packed data (some).")


CUT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a cut in a file": (lambda content: content[:40], ": must be a whole zip file (it does not end as one)."),
    "a cut in the end": (lambda content: content[:-1], ": must be a whole zip file (it does not end as one)."),
}


@pytest.mark.parametrize(("damage", "message"), CUT.values(), ids=CUT)
def test_what_was_cut_off_is_bad_input(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a"), bytes(range(256)) * 9, zipfile.ZIP_DEFLATED)
    assert refusal(damage(buffer.getvalue()), tmp_path) == (3, message)


def test_packed_data_that_are_none_were_altered(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a"), bytes(range(256)) * 9, zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    reason = "Error -3 while decompressing data: invalid block type"
    assert refusal(content[:31] + b"\xff" * 9 + content[40:], tmp_path) == (
        4,
        f"/a: must unpack to what was packed ({reason}). {core.CHANGED}",
    )


def test_packed_data_without_an_end_were_altered(tmp_path: Path) -> None:
    packed = zlib.compressobj(wbits=-15)
    start = packed.compress(b"") + packed.flush(zlib.Z_SYNC_FLUSH)
    archive = zip_bytes({"a": start})
    directory = archive.index(b"PK\x01\x02")
    for at in (8, directory + 10):
        archive = edited(at, b"\x08\x00", archive)
    for at in (14, directory + 16):
        archive = edited(at, bytes(4), archive)
    for at in (22, directory + 24):
        archive = edited(at, bytes(4), archive)
    assert refusal(archive, tmp_path) == (
        4,
        f"/a: must unpack to what was packed (its packed data have no end). {core.CHANGED}",
    )


def test_one_flipped_byte_anywhere_is_found_or_changes_no_file(tmp_path: Path) -> None:
    for place in range(len(GOOD)):
        spoiled = edited(place, bytes([GOOD[place] ^ 0xFF]))
        try:
            assert read(spoiled, tmp_path) == CONTENTS
        except (BundleError, IntegrityError) as exc:
            assert exc.exit_code in (3, 4)
