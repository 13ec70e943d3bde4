"""What the operating system refuses, as one of kdeploy.errors: files and disks are no bug."""

from __future__ import annotations

import errno
import os

from kdeploy.errors import InputError, KdeployError, ResourceError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.EROFS, errno.ETXTBSY}


def error_of(error: BaseException) -> KdeployError | None:
    """The error to show in place of one of the operating system, or of one of a library that was raised from it; None
    where it is about no file and no limit."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, OSError):
        seen = None if isinstance(seen, KdeployError) else seen.__cause__
    if seen is None or seen.errno is None:
        return None
    name, why = seen.filename, os.strerror(seen.errno)
    if seen.errno in _FULL:
        where = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else "a file"
        advice = "Free some space, or raise the limit, and run the same command again; finished work is kept."
        return ResourceError(where, "must have room on its disk", got=why, advice=advice)
    if seen.errno in _BUSY:
        where = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else "this machine"
        return ResourceError(where, "must be able to do what is asked of it", got=why)
    if isinstance(name, str | bytes | os.PathLike):
        return InputError(os.fsdecode(name), "must be a file or folder that can be used here", got=why)
    return None
