"""Files that must be those whose digests were written down. Each is read for that once a process, in pieces.

A file that was looked at is known by its place, size and times; when one of these changes it is read again. What the
first look costs is the speed of SHA-256, 1 to 2 GB/s: benchmarks/integrity.py.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kdeploy.errors import IntegrityError
from kdeploy.system.files import hash_file


def check_unaltered(path: Path, sha256: str, advice: str) -> None:
    """Compare a file with its digest.

    Raises: IntegrityError when it is another one, or not there.
    """
    must = "must be as it was written"
    try:
        status = path.stat()
        digest = _digest(path, (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    except OSError as exc:
        raise IntegrityError(str(path), must, got=exc.strerror or "it cannot be read", advice=advice) from exc
    if digest != sha256:
        got = f"SHA-256 {digest[:12]}, recorded {sha256[:12]}"
        raise IntegrityError(str(path), must, got=got, advice=advice)


@lru_cache(maxsize=2**16)
def _digest(path: Path, _state: tuple[int, ...]) -> str:
    """The digest of a file in a state: inode, size, time of the content, time of the inode."""
    return hash_file(path)
