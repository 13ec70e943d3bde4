"""Zip files that are a pure function of their contents.

Sorted names, one timestamp (1980-01-01, zip's first), mode 0644, nothing compressed: the bytes of a compressed file
would depend on the version of zlib, and weights hardly shrink.
"""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIRST_DATE = (1980, 1, 1, 0, 0, 0)
UNIX = 3  # the system whose modes zip knows


def zip_bytes(contents: Mapping[str, bytes]) -> bytes:
    """A zip of files, name to content: the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.create_system = UNIX
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, contents[name])
    return buffer.getvalue()


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An .npz of arrays of any shape for `numpy.load`. `numpy.savez` would write its own choice of date and mode."""
    return zip_bytes({f"{name}.npy": _npy_bytes(array) for name, array in arrays.items()})


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
