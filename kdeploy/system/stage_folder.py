"""The folders of stages: each appears by one rename, and work in progress has a lock.

root/<stage>/<key>/          finished work
root/.work/<stage>/<key>/    unfinished work that a later command goes on with; never swept
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from kdeploy.records.provenance import FileDigest
from kdeploy.system import in_use
from kdeploy.system.files import TEMPORARY, commit_bytes, disk_errors, hash_file, sync_folder, sync_tree
from kdeploy.system.lock import locked


class StageFolders:
    """The folders below a root; what is removed is renamed first, so that it is never seen with a part of its files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, stage: str, key: str) -> Path:
        """Where the finished work of a stage is, or will be."""
        return self.root / stage / key

    def unfinished(self, stage: str, key: str) -> Path:
        """Where the unfinished work of a stage is, or will be."""
        return self.root / ".work" / stage / key

    @contextmanager
    def work(self, stage: str, key: str, waiting: Callable[[str], None] | None = None) -> Iterator[Path]:
        """A locked folder for unfinished work; what an earlier, killed command left in it is still there.

        Args:
            waiting: is told who works on the same before this waits for that to end; None to wait for nobody.
        Raises: BusyError when another process works on the same, and this does not wait.
        """
        folder = self.unfinished(stage, key)
        with disk_errors(folder, self.root):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder.with_name(f"{key}.lock"), waiting):
                folder.mkdir(parents=True, exist_ok=True)  # the lock's last holder may have finished and renamed it
                yield folder

    def discard_work(self, stage: str, key: str) -> None:
        """Throw away unfinished work of a stage, while it is locked."""
        shutil.rmtree(self.unfinished(stage, key), ignore_errors=True)

    def work_from(self, stage: str, key: str, sources: str) -> None:
        """Throw away unfinished work that was made from something else, while it is locked.

        Args:
            sources: what it is made from now.
        """
        note = self.unfinished(stage, key).with_name(f"{key}.sources")
        if note.is_file() and note.read_text() != sources:
            self.discard_work(stage, key)
            self.unfinished(stage, key).mkdir()
        commit_bytes(note, sources.encode())

    def finish(self, stage: str, key: str) -> Path:
        """Rename unfinished work to where finished work is, in place of what is there; returns that folder."""
        work, target = self.unfinished(stage, key), self.folder(stage, key)
        sync_tree(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        trash = self._throw_away(stage, key)
        work.rename(target)
        sync_folder(target.parent)
        shutil.rmtree(trash, ignore_errors=True)
        return target

    @contextmanager
    def using(self, stages: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Keep others from removing stages, each its name and key, finished or not."""
        with disk_errors(self.root, self.root), in_use.using(self._in_use, map("/".join, stages)):
            yield

    @contextmanager
    def removing(self) -> Iterator[set[str]]:
        """The stages that commands use, `stage/key`; while this lasts, none begins to use more."""
        with in_use.removing(self._in_use) as used:
            yield used

    def remove(self, stage: str, key: str) -> None:
        """Remove finished work, while `removing`."""
        shutil.rmtree(self._throw_away(stage, key))

    @property
    def _in_use(self) -> Path:
        return self.root / ".work" / "in-use"

    def _throw_away(self, stage: str, key: str) -> Path:
        """Rename finished work, where there is some, to where nobody looks for it; returns where."""
        trash, folder = self.root / ".work" / f"trash-{stage}-{key}", self.folder(stage, key)
        shutil.rmtree(trash, ignore_errors=True)
        if folder.exists():
            trash.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(trash)
        return trash


def digests(folder: Path, apart: str) -> dict[str, FileDigest]:
    """The digest of every file in a folder, by its path in it.

    Args:
        apart: a pattern of those to leave out.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: FileDigest(sha256=hash_file(path), bytes=path.stat().st_size)
        for name, path in files.items()
        if not fnmatch(name, apart)
    }


def clear(folder: Path, record: str) -> None:
    """Remove what a killed process left of its last moment: the record, and files that it was about to rename."""
    for path in (folder / record, *folder.rglob(f"{TEMPORARY}*")):
        path.unlink(missing_ok=True)
