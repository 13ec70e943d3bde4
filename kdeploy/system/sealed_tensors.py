"""Safetensors that show when they were altered: the SHA-256 of the file stands in its own metadata.

    metadata["seal"] = SHA-256 of the file with zeros in the place of the seal

The format finds a file that was cut off, not a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from kdeploy.errors import IntegrityError
from kdeploy.runtimes import regular_file

_ZEROS = "0" * 64
_MARK = '"seal":"'  # as the format writes its header


def sealed(save: Callable[[dict[str, str]], bytes], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file with its seal; `save` gives those of a file with some metadata."""
    content = save({**metadata, "seal": _ZEROS})
    return content.replace((_MARK + _ZEROS).encode(), (_MARK + hashlib.sha256(content).hexdigest()).encode(), 1)


def read_sealed(path: Path, *, must: str, advice: str) -> tuple[bytes, dict[str, str]]:
    """The bytes of a sealed file, and its metadata.

    Args:
        must, advice: for the message.
    Raises: IntegrityError when it is not as it was written; OSError when it cannot be read.
    """
    content = regular_file.read(path)
    try:
        length = int.from_bytes(content[:8], "little")
        metadata: dict[str, str] = json.loads(content[8 : 8 + length])["__metadata__"]
        seal = metadata.pop("seal")
        blank = content.replace((_MARK + seal).encode(), (_MARK + _ZEROS).encode(), 1)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise IntegrityError(str(path), must, got="it has no seal", advice=advice) from exc
    digest = hashlib.sha256(blank).hexdigest()
    if digest != seal:
        got = f"sealed {seal[:12]}, its bytes give {digest[:12]}"
        raise IntegrityError(str(path), must, got=got, advice=advice)
    return content, metadata
