"""What a path leads to, in words, without opening it: a FIFO would block, and a device never ends."""

from __future__ import annotations

import stat
from pathlib import Path

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def not_a_file(path: Path) -> str:
    """Why a path is not a regular file; empty when it is one."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a broken link" if path.is_symlink() else "there is no such file"
    except OSError as exc:
        return exc.strerror or str(exc)
    except ValueError:
        return "a name with a NUL in it"
    return kind_of(mode)


def kind_of(mode: int) -> str:
    """The kind of what has a mode; empty for a regular file."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "a device")
