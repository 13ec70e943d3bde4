"""Hashes that are known: by what the file system says of files, and only where that is enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy.system import known_hashes
from kdeploy.system.known_hashes import KnownHashes


class Counted:
    """A hash that counts how often it was computed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"hash-{self.count}"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(known_hashes, "_SETTLED_NS", -(10**12))  # as if all were written long ago
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_what_did_not_change_is_not_hashed_twice(tmp_path: Path, files: list[Path]):
    known, compute = KnownHashes(tmp_path / "known"), Counted()
    assert [known.of("x", files, compute) for _ in range(3)] == ["hash-1"] * 3
    assert known.of("y", files, compute) == "hash-2"
    assert known.of("x", files[:1], compute) == "hash-3"
    assert compute.count == 3


def rewritten(file: Path) -> None:
    file.write_text("z")


def rewritten_with_its_old_times(file: Path) -> None:
    before = file.stat()
    file.write_text("z")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("b")
    other.replace(file)


@pytest.mark.parametrize("change", [rewritten, rewritten_with_its_old_times, replaced])
def test_any_change_is_seen(tmp_path: Path, files: list[Path], change):
    known, compute = KnownHashes(tmp_path / "known"), Counted()
    known.of("x", files, compute)
    change(files[1])
    assert known.of("x", files, compute) == "hash-2"


def test_files_of_a_folder_that_is_renamed_are_known_by_their_paths_in_it(tmp_path: Path, files: list[Path]):
    known, compute = KnownHashes(tmp_path / "known"), Counted()
    work = tmp_path / "work"
    work.mkdir()
    files[0].rename(work / "a")
    known.of("x", [work / "a"], compute, below=work)
    done = work.rename(tmp_path / "done")
    assert known.of("x", [done / "a"], compute, below=done) == "hash-1"
    assert known.of("x", [done / "a"], compute) == "hash-2"


def test_rehash_computes_and_keeps(tmp_path: Path, files: list[Path]):
    compute = Counted()
    KnownHashes(tmp_path / "known").of("x", files, compute)
    assert KnownHashes(tmp_path / "known", rehash=True).of("x", files, compute) == "hash-2"
    assert KnownHashes(tmp_path / "known").of("x", files, compute) == "hash-2"


def test_what_was_computed_before_there_was_a_folder_is_kept_when_there_is(tmp_path: Path, files: list[Path]):
    known, compute = KnownHashes(tmp_path / "runs" / "known"), Counted()
    known.of("x", files, compute)
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs").mkdir()
    assert known.of("x", files, compute) == "hash-1"
    assert KnownHashes(tmp_path / "runs" / "known").of("x", files, compute) == "hash-1"


def test_a_file_of_just_now_is_not_trusted(tmp_path: Path):
    (tmp_path / "a").write_text("a")
    known, compute = KnownHashes(tmp_path / "known"), Counted()
    assert [known.of("x", [tmp_path / "a"], compute) for _ in range(2)] == ["hash-1", "hash-2"]


def test_an_entry_with_damage_is_as_none(tmp_path: Path, files: list[Path]):
    compute = Counted()
    KnownHashes(tmp_path / "known").of("x", files, compute)
    (entry,) = (tmp_path / "known").iterdir()
    whole = entry.read_bytes()
    for place in range(len(whole)):
        entry.write_bytes(whole[:place] + bytes([whole[place] ^ 0x81]) + whole[place + 1 :])
        assert KnownHashes(tmp_path / "known").of("x", files, compute) == f"hash-{place + 2}"
        entry.write_bytes(whole[:place])
        assert KnownHashes(tmp_path / "known", keeps=False).of("x", files, lambda: "computed") == "computed"


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path, files: list[Path]):
    compute = Counted()
    for known in (KnownHashes(), KnownHashes(tmp_path / "known", keeps=False), KnownHashes(files[0] / "known")):
        known.of("x", files, compute)
    assert compute.count == 3
    assert not (tmp_path / "known").exists()
