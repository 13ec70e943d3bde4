"""Files that are whole or not there: replaced atomically, their digests, and an error for a disk that takes no more."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kdeploy.errors import KdeployError, ResourceError
from kdeploy.runtimes import regular_file
from kdeploy.runtimes.full_disk import is_outside, lack_of_room
from kdeploy.system.user_code import calling

TEMPORARY = ".kdeploy-tmp-"


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with regular_file.opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_folder(folder: Path) -> dict[str, str]:
    """The digest of each file that lies in a folder itself, by name."""
    return {path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.is_file()}


def folder_bytes(folder: Path) -> int:
    """The bytes of all files below a folder; links take none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def hash_module(name: str) -> str | None:
    """The digest of a module's file, not of what that imports; None for a module that cannot be found."""
    with calling(name, "must be importable"):  # the packages that it is in are imported
        try:
            spec = importlib.util.find_spec(name)
        except ImportError:
            return None
    origin = None if spec is None else spec.origin
    return hash_file(Path(origin)) if origin and Path(origin).is_file() else None


def commit_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: after a crash it holds the old content or the new, never part of one.

    Raises: InputError where something else than a file is; ResourceError where the disk takes no more.
    """
    # a link is followed first, or the rename would replace the link itself
    path = path.resolve()
    with disk_errors(path, path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            regular_file.check(path)  # or the rename would put a file in the place of a device
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                os.fchmod(stream.fileno(), _mode_for(path))
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sweep_temporary(root: Path) -> None:
    """Remove the temporary files below a folder that a killed process left more than an hour ago."""
    # os.walk goes on when another process renames a folder under it, where Path.rglob raises
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names if name.startswith(TEMPORARY)):
            with suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > 3600:
                    path.unlink()


@contextmanager
def disk_errors(path: Path, root: Path, *, option: str = "--runs") -> Iterator[None]:
    """Translate a full or read-only disk, for files inside `root`.

    Args:
        option: what names another folder.
    """
    try:
        yield
    except Exception as exc:
        full = lack_of_room(exc, path, root)
        if full is not None:
            raise full from exc
        number = None if isinstance(exc, KdeployError) or is_outside(exc, root) else getattr(exc, "errno", None)
        if number in {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EIO}:
            advice = f"Name another folder with {option}."
            raise ResourceError(str(path), "must be writable", got=os.strerror(number), advice=advice) from exc
        raise


def _mode_for(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def sync_folder(path: Path) -> None:
    """Flush a file or folder to its disk: a rename inside a folder lasts only when that was flushed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Flush a folder and all that is in it to its disk."""
    for path in folder.rglob("*"):
        sync_folder(path)
    sync_folder(folder)
