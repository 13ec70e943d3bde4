"""What the operating system refuses, as one of kdeploy.errors: files and disks are no bug."""

from __future__ import annotations

import errno
import os

from kdeploy.errors import InputError, KdeployError, ResourceError
from kdeploy.runtimes.full_disk import FULL, no_room

_BUSY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.EROFS, errno.ETXTBSY}


def error_of(error: BaseException) -> KdeployError | None:
    """The error to show in place of one of the operating system, or of one of a library that was raised from it; None
    where it is about no file and no limit."""
    if "surrogates not allowed" in str(error):
        advice = "Rename it, or the folder that it is in."
        return InputError("the name of a file", "must be in UTF-8 for this", got=_not_unicode(error), advice=advice)
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, OSError):
        seen = None if isinstance(seen, KdeployError) else seen.__cause__
    return None if seen is None or seen.errno is None else _of_system(seen, seen.errno)


def _of_system(error: OSError, number: int) -> KdeployError | None:
    if "temporary directory" in str(error):  # that no candidate of tempfile's will do
        return ResourceError("TMPDIR", "must be a folder that can be written", got=str(error.strerror))
    why, named = os.strerror(number), error.filename
    name = os.fsdecode(named) if isinstance(named, str | bytes | os.PathLike) else ""
    if number in FULL:
        return no_room(name or "a file", why)
    if number in _BUSY:
        return ResourceError(name or "this machine", "must be able to do what is asked of it", got=why)
    return InputError(name, "must be a file or folder that can be used here", got=why) if name else None


def _not_unicode(error: BaseException) -> str:
    """The word in which a name is that cannot be written down, where the error says."""
    while error.__cause__ is not None and not isinstance(error, UnicodeEncodeError):
        error = error.__cause__
    return error.object[: error.end].split()[-1] if isinstance(error, UnicodeEncodeError) else ""
