"""Files that go where the user says, with `--out`: links are never followed, and what is there is kept unless the user
says otherwise, until the new is whole."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdeploy.errors import InputError, IntegrityError
from kdeploy.formatting.file_kinds import kind_of
from kdeploy.system.files import TEMPORARY, disk_errors, hash_file, sync_folder


def must_take_files(out: Path) -> None:
    """Check a folder that files are to go to, which need not be there.

    Raises: IntegrityError for a link, InputError for anything else that is no folder.
    """
    _must_be(out, "a folder")


def must_be_writable(out: Path, *, overwrite: bool, by: Path | None = None) -> None:
    """Check a file that is to be written.

    Args:
        overwrite: may it be there already?
        by: the file that would replace it; one of the same bytes may.
    Raises: IntegrityError for a link, InputError for anything else that is no file, and for a file that is there.
    """
    _must_be(out, "a file")
    if overwrite or not out.exists() or (by is not None and hash_file(by) == hash_file(out)):
        return
    raise InputError("--out", "must not hold what would be replaced", got=str(out), advice="Pass --overwrite.")


@contextmanager
def filled(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """An empty folder, whose files go to `out` when the block ends, with the folders that they are in: each file whole,
    and none when one may not.

    Raises: what `must_take_files` and `must_be_writable` raise; ResourceError where the disk is full or read-only.
    """
    must_take_files(out)
    with disk_errors(out, out, option="--out"):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=out) as scratch:
            yield Path(scratch)
            files = [path.relative_to(scratch) for path in sorted(Path(scratch).rglob("*")) if path.is_file()]
            for file in files:
                for folder in reversed(file.parents[:-1]):
                    must_take_files(out / folder)
                must_be_writable(out / file, overwrite=overwrite, by=Path(scratch, file))
            for file in files:
                sync_folder(Path(scratch, file))
                (out / file).parent.mkdir(parents=True, exist_ok=True)
                Path(scratch, file).replace(out / file)
            sync_folder(out)


def _must_be(out: Path, kind: str) -> None:
    try:
        mode = os.lstat(out).st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as exc:  # ValueError: a NUL in it
        why = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise InputError("--out", "must be a path that can be written", got=f"{out}: {why}") from exc
    if stat.S_ISLNK(mode):
        advice = "Name the place itself that it leads to."
        raise IntegrityError("--out", "must not be a link, which may lead anywhere", got=str(out), advice=advice)
    found = kind_of(mode) or "a file"
    if found != kind:
        raise InputError("--out", f"must be {kind}, or not there yet", got=f"{out} is {found}")
