"""Where work is kept: fingerprints, stage folders that appear by one rename, a lock for work in progress, run indexes.

    runs/<stage>/<fingerprint>/record.json ...   finished work, shared by all recipes
    runs/.work/<stage>/<fingerprint>/            unfinished work that a later run goes on with; never swept
    runs/<name>.json                             the fingerprints of a recipe's last run

A name with a number, `teacher-3`, is one of several works of its kind, and is kept among all of that kind: `teacher`.

The fingerprint of a stage is SHA-256 over canonical JSON of its own settings, what it read, and its record's schema.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from kdeploy.errors import BusyError, InputError, KdeployError, ResourceError
from kdeploy.records.base import Record

RECORD = "record.json"
TEMPORARY = ".kdeploy-tmp-"

R = TypeVar("R", bound=Record)


def fingerprint(schema: str, settings: Mapping[str, Any], reads: Mapping[str, str]) -> str:
    """16 hexadecimal digits over everything a stage's result depends on.

    Args:
        schema: the schema of the stage's record: a new format makes new work.
        settings: the stage's own settings, plain JSON values.
        reads: fingerprints or content hashes of all it reads, by name.
    """
    body = {"schema": schema, "settings": settings, "reads": reads}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def commit_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: after a crash it holds the old content or the new, never part of one."""
    # a link is followed first, or the rename would replace the link itself
    path = path.resolve()
    with _disk_errors(path, path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
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
        _sync_folder(path.parent)


def kind_of(stage: str) -> str:
    """`teacher` for `teacher-3`: the kind of work, which names its folder and its record."""
    return stage.partition("-")[0]


class Store:
    """The folder `runs/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, print_: str) -> Path:
        """Where the finished work of a stage is, or will be."""
        return self.root / kind_of(stage) / print_

    def has(self, stage: str, print_: str) -> bool:
        return (self.folder(stage, print_) / RECORD).is_file()

    def read(self, stage: str, print_: str, kind: type[R]) -> R:
        """The record of finished work. Raises: InputError when it is not there or not a record of that kind."""
        path = self.folder(stage, print_) / RECORD
        if not path.is_file():
            raise InputError(str(path), "must be the record of a finished stage", got="there is no such file")
        return kind.read(path)

    @contextmanager
    def work(self, stage: str, print_: str) -> Iterator[Path]:
        """A locked folder for unfinished work; what an earlier, killed run left in it is still there.

        Raises: BusyError when another process works on the same.
        """
        folder = self._work(stage, print_)
        with _disk_errors(folder, self.root):
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_name(f"{print_}.lock")):
                folder.mkdir(parents=True, exist_ok=True)  # the lock's last holder may have finished and renamed it
                yield folder

    def commit(self, stage: str, print_: str, record: Record, *, replace: bool = False) -> Path:
        """Write the record into the work folder and make that the stage folder, by one rename.

        When another process finished the same work first, its result stays, unless `replace` is set.
        """
        work, target = self._work(stage, print_), self.folder(stage, print_)
        trash = self.root / ".work" / f"trash-{kind_of(stage)}-{print_}"
        with _disk_errors(target, self.root):
            if self.has(stage, print_) and not replace:
                shutil.rmtree(work, ignore_errors=True)
                return target
            commit_bytes(work / RECORD, record.to_json().encode())
            _sync_tree(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(trash, ignore_errors=True)
            if target.exists():
                target.rename(trash)
            work.rename(target)
            _sync_folder(target.parent)
            shutil.rmtree(trash, ignore_errors=True)
        return target

    def discard_work(self, stage: str, print_: str) -> None:
        """Throw away unfinished work of a stage, for a run that was told to do it anew."""
        shutil.rmtree(self._work(stage, print_), ignore_errors=True)

    def _work(self, stage: str, print_: str) -> Path:
        return self.root / ".work" / kind_of(stage) / print_

    def sweep(self) -> None:
        """Remove temporary files of ours that a killed process left more than an hour ago."""
        # os.walk goes on when another process renames a folder under it, where Path.rglob raises
        for folder, _, names in os.walk(self.root):
            for path in (Path(folder, name) for name in names if name.startswith(TEMPORARY)):
                with suppress(OSError):
                    found = path.lstat()
                    if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime > 3600:
                        path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock that the kernel lets go of when the holder dies, however it dies."""
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            stream.seek(0)
            holder = stream.read(32).strip()
            raise BusyError(
                str(path.with_suffix("")),
                "must not be in use",
                got=f"in use by pid {holder}" if holder else "in use by another process",
                advice="Wait for it to end, or stop it.",
            ) from exc
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)  # the next holder must not be taken for this one before it has written its pid


@contextmanager
def _disk_errors(path: Path, ours: Path) -> Iterator[None]:
    """Translate a full or read-only disk, for files inside `ours`.

    Not by exception type alone: some libraries raise a bare RuntimeError.
    """
    try:
        yield
    except KdeployError:
        raise
    except Exception as exc:
        number = getattr(exc, "errno", None)
        if _is_outside(exc, ours):
            raise
        if number in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} or (number is None and _free_bytes(path) < 1 << 16):
            why = "" if number is None else f"{os.strerror(number)}, "
            advice = "Free some space, or raise the limit, and run the same command again; finished work is kept."
            got = f"{why}{_free_bytes(path)} bytes free"
            raise ResourceError(str(path), "must have room on its disk", got=got, advice=advice) from exc
        if number in {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EIO}:
            advice = "Name another folder with --runs."
            raise ResourceError(str(path), "must be writable", got=os.strerror(number), advice=advice) from exc
        raise


def _is_outside(error: Exception, ours: Path) -> bool:
    """Is it about a file of somebody else's, that was read while we worked?"""
    named = getattr(error, "filename", None)
    if not isinstance(named, str | os.PathLike):
        return False
    path, ours = Path(named).absolute(), ours.absolute()
    return not path.is_relative_to(ours) and not ours.is_relative_to(path)


def _free_bytes(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def _mode_for(path: Path) -> int:
    if path.exists():
        return path.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync_folder(path)
    _sync_folder(folder)
