"""Hashes of files that were hashed before, by what the file system says of them: nothing is read twice for its hash.

    runs/.known/KEY      KEY = SHA-256 over purpose, path, device, inode, size, mtime and ctime of each file

Any write changes mtime and ctime, and no program sets ctime back. A file that was changed less than two seconds before
it was hashed is not remembered: the clock of a file system may be too coarse to tell a later change from that one. An
entry with damage is as none.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class KnownHashes:
    """The hashes kept in a folder.

    Args:
        folder: made when the first is kept and the folder that it is in is there; None keeps none.
        rehash: compute every hash, whatever is known?
        keeps: may new ones be written down?
    """

    folder: Path | None = None
    rehash: bool = False
    keeps: bool = True
    _computed: dict[str, str] = field(default_factory=dict, repr=False)

    def of(
        self, purpose: str, files: Iterable[Path | str], compute: Callable[[], str], *, below: Path | None = None
    ) -> str:
        """The hash of these files for a purpose: the one that is known, else `compute()`, which is then known.

        Args:
            below: a folder that may be renamed: the files are known by their paths in it.
        """
        if self.folder is None:
            return compute()
        listed = list(files)
        key, changed_ns = _signature(purpose, listed, below)
        known = None if self.rehash else self._known(key)
        if known is not None:
            return known
        started_ns = time.time_ns()
        found = self._computed.get(key) or compute()
        if changed_ns < started_ns - _SETTLED_NS and _signature(purpose, listed, below)[0] == key:
            self._keep(key, found)
        return found

    def _known(self, key: str) -> str | None:
        try:
            found, _, check = Path(self.folder or "", key).read_text(encoding="ascii").partition(" ")
        except (OSError, ValueError):
            return None
        return found if check == _check(key, found) else None

    def _keep(self, key: str, found: str) -> None:
        self._computed[key] = found
        place = Path(self.folder or "", key)
        if not self.keeps:
            return
        temporary = place.with_name(f"{key}.{os.getpid()}")
        with suppress(OSError):  # a folder that cannot be written costs time, and nothing else
            place.parent.mkdir(exist_ok=True)
            temporary.write_text(f"{found} {_check(key, found)}", encoding="ascii")
            temporary.replace(place)


def _signature(purpose: str, files: Iterable[Path | str], below: Path | None) -> tuple[str, int]:
    """The key of an entry, and when the last of the files changed."""
    digest, latest_ns = hashlib.sha256(purpose.encode()), 0
    for file in files:
        found = os.stat(file)  # noqa: PTH116 - of many thousands, each a Path takes its time
        fields = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        name = str(file).removeprefix(str(below))
        digest.update(f"\0{name}\0{fields}".encode("utf-8", "surrogateescape"))
        latest_ns = max(latest_ns, found.st_mtime_ns, found.st_ctime_ns)
    return digest.hexdigest(), latest_ns


def _check(key: str, found: str) -> str:
    return hashlib.sha256(f"{key} {found}".encode()).hexdigest()
