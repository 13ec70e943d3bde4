"""A file is compared with its digest, and read once for that as long as it stays the same."""

from __future__ import annotations

import hashlib
import os

import pytest

from kdeploy.errors import IntegrityError
from kdeploy.system import unaltered
from kdeploy.system.unaltered import check_unaltered
from tests.altered import flip


def test_a_file_is_read_once_and_again_when_it_changed(tmp_path, monkeypatch):
    path, reads = tmp_path / "a", []
    path.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    hash_file = unaltered.hash_file
    monkeypatch.setattr(unaltered, "hash_file", lambda one: reads.append(one) or hash_file(one))
    for _ in range(3):
        check_unaltered(path, digest, "Again.")
    assert reads == [path]
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    flip(path, 1)
    os.utime(path, ns=times)  # the time of the inode changes all the same
    with pytest.raises(IntegrityError) as caught:
        check_unaltered(path, digest, "Again.")
    now = hashlib.sha256(path.read_bytes()).hexdigest()
    assert str(caught.value) == (
        f"{path}: must be as it was written (SHA-256 {now[:12]}, recorded {digest[:12]}). Again."
    )
    assert len(reads) == 2


def test_a_file_that_is_not_there_was_altered(tmp_path):
    with pytest.raises(IntegrityError) as caught:
        check_unaltered(tmp_path / "a", "0" * 64, "Again.")
    assert str(caught.value) == f"{tmp_path / 'a'}: must be as it was written (No such file or directory). Again."
