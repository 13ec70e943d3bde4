"""Changes of bytes, as a bad disk, a cut-off download or an attacker makes them."""

from __future__ import annotations

import random


def bytes_changed(content: bytes, draw: random.Random) -> bytes:
    """One to four changes of a kind that the draw decides."""
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        content = draw.choice(CHANGES)(content, draw)
    return content


def _flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content or b"\0")
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _set(content: bytes, draw: random.Random) -> bytes:
    at, few = draw.randrange(len(content) + 1), draw.choice([1, 2, 4, 8])
    return content[:at] + draw.choice([b"\0", b"\xff", b"\x7f", b"\x80", b" "]) * few + content[at + few :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _dropped(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content) + 1)
    return content[:at] + content[at + draw.choice([1, 4, 64]) :]


def _grown(content: bytes, draw: random.Random) -> bytes:
    at = draw.choice([len(content), draw.randrange(len(content) + 1)])
    return content[:at] + draw.randbytes(draw.choice([1, 4, 64])) + content[at:]


def _twice(content: bytes, draw: random.Random) -> bytes:
    at, few = draw.randrange(len(content) + 1), draw.choice([4, 64, 1024])
    return content[: at + few] + content[at : at + few] + content[at + few :]


CHANGES = (_flipped, _flipped, _flipped, _set, _set, _cut, _dropped, _grown, _twice)
