"""A piece of a stage that is done, as a training among several: a sealed file, written last, with what the piece came
to and the digests of the files it made. A stage that was killed goes on behind it.

    {"result": ..., "files": {name: SHA-256}, "seal"}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from kdeploy.records.seal import seal_of, sealed
from kdeploy.runtimes import regular_file
from kdeploy.system.files import commit_bytes, hash_file
from kdeploy.system.unaltered import check_unaltered

M = TypeVar("M", bound=BaseModel)


def write_done(path: Path, result: BaseModel, files: Iterable[Path]) -> None:
    """Say that a piece is done; its files lie beside `path`."""
    digests = {file.name: hash_file(file) for file in files}
    document = {"result": result.model_dump(mode="json"), "files": digests}
    commit_bytes(path, sealed(json.dumps(document, indent=1, allow_nan=False) + "\n"))


def read_done(path: Path, kind: type[M], advice: str) -> M | None:
    """The result of a piece, or None where it is not done.

    Raises: IntegrityError when that, or a file that it made, is not as it was written.
    """
    if not path.exists():
        return None
    content = regular_file.read(path)
    seal_of(content, where=str(path), advice=advice)
    document = json.loads(content)
    for name, digest in document["files"].items():
        check_unaltered(path.with_name(name), digest, advice)
    return kind.model_validate(document["result"])
