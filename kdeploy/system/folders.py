"""Folders that the user names: one that is not there yet may be made, and in the place of one nothing else will do."""

from __future__ import annotations

from pathlib import Path

from kdeploy.errors import InputError
from kdeploy.formatting.file_kinds import kind_of


def must_be_folder(path: Path, option: str) -> None:
    """Check a folder that need not be there.

    Args:
        option: what it was named with.
    Raises: InputError for anything that is no folder.
    """
    if path.exists() and not path.is_dir():
        what = kind_of(path.stat().st_mode) or "a file"
        raise InputError(option, "must be a folder, or not there yet", got=f"{path} is {what}")
