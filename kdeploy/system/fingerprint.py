"""What a stage's result depends on, as 16 digits: SHA-256 over canonical JSON of its settings, what it read, and its
record's schema.
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
