"""Zips from strangers: hostile names, links, bombs, lies and damage."""

from __future__ import annotations

import io
import resource
import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.bundles.fixed_zip import zip_bytes
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.unpack import unpacked
from kdeploy.bundles.verify import verify
from kdeploy.errors import KdeployError, ResourceError
from tests.bundles.conftest import NAME


def outcome(archive: Path) -> tuple[int, str]:
    try:
        verify(archive)
    except KdeployError as exc:
        return exc.exit_code, str(exc).removeprefix(str(archive))
    return 0, ""


def written(folder: Path, content: bytes) -> Path:
    path = folder / "received.zip"
    path.write_bytes(content)
    return path


def with_entry(built: Path, entry: zipfile.ZipInfo, content: bytes) -> bytes:
    """The good zip and one entry more."""
    buffer = io.BytesIO((built / f"{NAME}.zip").read_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(entry, content)
    return buffer.getvalue()


PLAIN = "only letters, digits, '.', '_', '-' and single '/' between names"
DOTS = "'.', '..' or a name ending in a dot"
LONG = "longer than 200 signs or deeper than 8"
NAMES = {
    "../manifest.json": ("../manifest.json", DOTS),
    "a/../../x": ("a/../../x", DOTS),
    "/abs": ("/abs", PLAIN),
    "C:/x": ("C:/x", PLAIN),
    "..\\x": ("..\\\\x", PLAIN),
    "a//b": ("a//b", PLAIN),
    "./a": ("./a", DOTS),
    "a.": ("a.", DOTS),
    "a\nb": ("a\\nb", PLAIN),
    "a\x1b[31m": ("a\\x1b[31m", PLAIN),
    "a\u202eb": ("a\\u202eb", PLAIN),
    "x" * 201: ("x" * 200 + "...", LONG),
    "/".join("abcdefghi"): ("a/b/c/d/e/f/g/h/i", LONG),
    "golden/CON.txt": ("golden/CON.txt", "a device name on Windows"),
    ".github/x": (".github/x", "a name of git's"),
    "folder/": ("folder/", PLAIN),
}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_could_lead_elsewhere_is_refused(built: Path, tmp_path: Path, name: str) -> None:
    shown, fault = NAMES[name]
    shown = shown.replace("\\\\", "\\")
    archive = written(tmp_path, with_entry(built, zipfile.ZipInfo(name), b"x"))
    assert outcome(archive) == (4, f": must name only plain files inside the bundle ('{shown}': {fault}).")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["received.zip"]


def test_a_nul_in_a_name_does_not_hide_the_rest_of_it(built: Path, tmp_path: Path) -> None:
    content = with_entry(built, zipfile.ZipInfo("aaaaXbbb"), b"x").replace(b"aaaaXbbb", b"aaaa\0bbb")
    message = f": must name only plain files inside the bundle ('aaaa\\x00bbb': {PLAIN})."
    assert outcome(written(tmp_path, content)) == (4, message)


@pytest.mark.parametrize("name", [f"{NAME}/manifest.json", f"{NAME}/MANIFEST.json"])
@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile warns while we make the hostile file
def test_a_name_that_comes_twice_is_refused(built: Path, tmp_path: Path, name: str) -> None:
    archive = written(tmp_path, with_entry(built, zipfile.ZipInfo(name), b"{}"))
    assert outcome(archive) == (4, f": must name each file once ('{name}' comes twice).")


@pytest.mark.parametrize(
    ("kind", "word"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "pipe"), (stat.S_IFBLK, "device or socket")],
)
def test_an_entry_that_is_no_file_is_refused(built: Path, tmp_path: Path, kind: int, word: str) -> None:
    entry = zipfile.ZipInfo("link")
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    archive = written(tmp_path, with_entry(built, entry, b"/etc/passwd"))
    assert outcome(archive) == (4, f"/link: must be a regular file ({word}).")


def test_a_bomb_is_refused_before_it_is_unpacked(built: Path, tmp_path: Path) -> None:
    bomb = zipfile.ZipInfo("bomb")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    archive = written(tmp_path, with_entry(built, bomb, bytes(10_000_000)))
    with zipfile.ZipFile(archive) as opened:
        size = opened.getinfo("bomb").compress_size
    assert outcome(archive) == (
        4,
        f"/bomb: must not unpack to more than 200 times its size (10000000 bytes from {size}).",
    )


def test_an_encrypted_or_exotic_entry_is_refused(built: Path, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("packed")
    entry.compress_type = zipfile.ZIP_LZMA
    archive = written(tmp_path, with_entry(built, entry, b"x"))
    assert outcome(archive) == (4, "/packed: must be stored or deflated, not encrypted (method 14).")


def with_sizes(content: bytes, name: bytes, packed: int, size: int) -> bytes:
    """The archive in which both headers of an entry say these sizes."""
    spoiled = bytearray(content)
    sizes = struct.pack("<LL", packed, size)
    local, central = content.index(name) - 30, content.rindex(name) - 46
    spoiled[local + 18 : local + 26] = spoiled[central + 20 : central + 28] = sizes
    return bytes(spoiled)


@pytest.mark.parametrize(("size", "got"), [(60_000, "10"), (9, "more")])
def test_a_size_that_lies_is_refused(built: Path, tmp_path: Path, size: int, got: str) -> None:
    entry = zipfile.ZipInfo("liar")
    entry.compress_type = zipfile.ZIP_DEFLATED
    content = with_entry(built, entry, b"0123456789")
    packed = zipfile.ZipFile(io.BytesIO(content)).getinfo("liar").compress_size
    archive = written(tmp_path, with_sizes(content, b"liar", packed, size))
    assert outcome(archive) == (4, f"/liar: must unpack to the {size} bytes of its header ({got}).")


def test_a_total_beyond_the_cap_is_refused(built: Path, tmp_path: Path) -> None:
    content = zip_bytes({f"{number:03}.bin": bytes(600_000) for number in range(40)})
    for number in range(40):
        content = with_sizes(content, b"%03d.bin" % number, 600_000, 200 * 600_000)
    message = ": must unpack to at most 4294967296 bytes (4800000000)."
    assert outcome(written(tmp_path, content)) == (4, message)


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    content = zip_bytes({f"f{number}": b"" for number in range(4097)})
    code, message = outcome(written(tmp_path, content))
    assert code == 4
    assert message.startswith(": must hold at most 4096 files (4097 files, ")


def test_a_count_that_lies_does_not_hide_entries(tmp_path: Path) -> None:
    content = bytearray(zip_bytes({f"f{number}": b"" for number in range(4097)}))
    content[-14:-10] = struct.pack("<HH", 1, 1)
    assert outcome(written(tmp_path, bytes(content))) == (4, ": must hold at most 4096 files (4097 or more).")


def truncated(content: bytes) -> bytes:
    return content[:-100]


def cut_behind_npz(content: bytes) -> bytes:
    return content[: content.index(b"labels.json") - 10]


def wrong_crc(content: bytes) -> bytes:
    spoiled = bytearray(content)
    spoiled[content.index(b"README.md") + 20] ^= 1
    return bytes(spoiled)


def as_tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("manifest.json"))
    return buffer.getvalue()


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (truncated, ": must be a whole zip file (it does not end as one)."),
    "truncated behind a zip inside": (cut_behind_npz, ": must be a whole zip file (it does not end as one)."),
    "tar": (as_tar, ": must be a bundle folder or its zip (another kind of file)."),
    "empty": (lambda content: b"", ": must be a bundle folder or its zip (another kind of file)."),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_no_whole_zip_is_bad_input(
    built: Path, tmp_path: Path, damage: Callable[[bytes], bytes], message: str
) -> None:
    content = (built / f"{NAME}.zip").read_bytes()
    assert outcome(written(tmp_path, damage(content))) == (3, message)


def test_a_byte_that_was_changed_in_a_file_or_in_the_end_is_found(built: Path, tmp_path: Path) -> None:
    content = (built / f"{NAME}.zip").read_bytes()
    message = f"/{NAME}/README.md: must unpack to what was packed (another CRC). {core.CHANGED}"
    assert outcome(written(tmp_path, wrong_crc(content))) == (4, message)
    for place in (-22, -21, -20, -19):
        spoiled = bytearray(content)
        spoiled[place] ^= 4
        assert outcome(written(tmp_path, bytes(spoiled))) == (
            4,
            ": must end with its end record, and without a comment (an end that was altered). "
            "Unpack it and verify the folder, or pack it as a plain zip.",
        )


def test_a_zip_without_files_is_no_bundle(tmp_path: Path) -> None:
    message = ": must have one folder at its top, with the bundle in it (nothing). "
    advice = "Pack the folder of the bundle, and not the files in it."
    assert outcome(written(tmp_path, zip_bytes({}))) == (3, message + advice)


def test_the_files_of_a_bundle_without_its_folder_are_no_bundle(built: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in (built / "bundle").iterdir() if path.is_file()}
    assert outcome(written(tmp_path, zip_bytes(files))) == (
        3,
        ": must have one folder at its top, with the bundle in it (README.md, bundle_core.py, labels.json). "
        "Pack the folder of the bundle, and not the files in it.",
    )


def test_something_beside_the_folder_is_a_matter_of_integrity(built: Path, tmp_path: Path) -> None:
    archive = written(tmp_path, with_entry(built, zipfile.ZipInfo("run.sh"), b"x"))
    assert outcome(archive) == (
        4,
        f": must have one folder at its top, with the bundle in it (run.sh, {NAME}). "
        "The bundle was changed after it was made: get it again from where it came.",
    )


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", f"{NAME}/golden/desktop.ini"])
def test_a_file_managers_file_is_named_as_that(built: Path, tmp_path: Path, name: str) -> None:
    archive = written(tmp_path, with_entry(built, zipfile.ZipInfo(name), b"x"))
    shown = name.removeprefix(f"{NAME}/")
    message = f"/{shown}: must not be in a bundle (a file manager's, which leaves it where it has looked). Remove it."
    assert outcome(archive) == (3, message)


def test_a_zip_packed_again_by_another_tool_passes(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "received.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((built / "bundle").rglob("*")):
            if path.is_file():
                archive.write(path, Path("any-name", path.relative_to(built / "bundle")))
    assert outcome(tmp_path / "received.zip") == (0, "")


def test_what_is_unpacked_is_private_plain_and_removed(built: Path) -> None:
    with unpacked(built / f"{NAME}.zip") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {path.stat().st_mode & 0o111 for path in folder.rglob("*") if path.is_file()} == {0}
    assert not folder.exists()


def test_a_full_disk_is_a_matter_of_resources(built: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(ResourceError) as caught, unpacked(built / f"{NAME}.zip"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        f"{built / NAME}.zip: must fit on the disk unpacked (File too large). Set TMPDIR to a folder with more room."
    )


def test_a_name_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    archive = written(tmp_path, zip_bytes({"a": b"", "a/b": b""}))
    assert outcome(archive) == (4, ": must name no file that is also a folder ('a').")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_an_archive_that_cannot_be_read_is_bad_input() -> None:
    assert outcome(Path("/proc/self/mem")) == (3, ": must be readable (Input/output error).")


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1), bit=st.integers(0, 7))
def test_one_flipped_bit_in_a_zip_never_crashes_the_reader(place: float, bit: int) -> None:
    content = bytearray(zip_bytes({"a/manifest.json": b"{}", "a/golden/inputs.npz": b"1234"}))
    content[int(place * (len(content) - 1))] ^= 1 << bit
    with tempfile.TemporaryDirectory() as folder:
        assert outcome(written(Path(folder), bytes(content)))[0] in (3, 4)
