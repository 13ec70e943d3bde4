"""What a stage's result depends on, as 16 digits: SHA-256 over canonical JSON of its settings, what it read, and its
record's schema.

A name with a number, `teacher-3`, is one of several works of its kind, and is kept among all of that kind: `teacher`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


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


def kind_of(stage: str) -> str:
    """`teacher` for `teacher-3`: the kind of work, which names its folder and its record."""
    return stage.partition("-")[0]
