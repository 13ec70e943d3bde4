"""The seal of a document: its last field, by which it shows that it was altered.

    {"schema": ..., ..., "seal": SHA-256 of every byte in front of this field}

It finds a flipped bit, a truncation and an edit by hand. Whoever computes the seal anew is found by those who wrote it
down: the index of a run, and the records that rest on this one.
"""

from __future__ import annotations

import hashlib
import re

from kdeploy.errors import IntegrityError

_MUST = "must be as it was written"
_END = re.compile(rb',\n "seal": "([0-9a-f]{64})"\n}\n')
_LENGTH = len(',\n "seal": ""\n}\n') + 64


def sealed(text: str) -> bytes:
    """A JSON object, indented by one and ended by a line break, with its seal as the last field."""
    return with_field(text, "seal", f'"{_digest(_before_end(text).encode())}"').encode()


def with_field(text: str, name: str, value: str) -> str:
    """A JSON object, indented by one, with one more field at its end; `value` is JSON."""
    return f'{_before_end(text)},\n "{name}": {value}\n}}\n'


def is_sealed(data: bytes) -> bool:
    """Whether a document ends with a seal, right or wrong."""
    return _END.fullmatch(data[-_LENGTH:]) is not None


def seal_of(data: bytes, *, where: str, advice: str = "") -> str:
    """The seal of a document, 64 hexadecimal digits.

    Args:
        where, advice: for the message.
    Raises: IntegrityError when it has none, or another one than its bytes.
    """
    found = _END.fullmatch(data[-_LENGTH:])
    if found is None:
        raise unsealed(where, advice)
    digest, seal = _digest(data[:-_LENGTH]), found[1].decode()
    if seal != digest:
        got = f"sealed {seal[:12]}, its bytes give {digest[:12]}"
        raise IntegrityError(where, _MUST, got=got, advice=advice)
    return digest


def unsealed(where: str, advice: str) -> IntegrityError:
    """The error of a document without a seal."""
    return IntegrityError(where, _MUST, got="it has no seal", advice=advice)


def again(stage: str) -> str:
    """What to do about work of a stage that was altered."""
    return f"Do it again: kdeploy run RUN --force {stage}, or remove its folder."


def _before_end(text: str) -> str:
    assert text.endswith("\n}\n")
    return text[: -len("\n}\n")]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
