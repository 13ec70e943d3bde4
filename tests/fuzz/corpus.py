"""What campaigns found, kept as text: a file a case in corpus/, with its commands and what they must end with now.

    {"found": what went wrong, "commands": [[...]], "codes": [...], "files": {path: base64 of deflated bytes}}

A generator may change, and its case numbers then mean something else; what is here stays. To keep a case:
`python -m tests.fuzz.corpus models 33 lost-batch "exit 1: its batch is lost"`, with the codes that it ends with now.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.campaign import Generator, Words, endings

CORPUS = Path(__file__).with_name("corpus")


def kept() -> list[Path]:
    return sorted(CORPUS.glob("*.json"))


def case(number: int, folder: Path) -> list[Words]:
    """Unpack the kept case of this number, in the order of names."""
    document = json.loads(kept()[number].read_bytes())
    for path, content in document["files"].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(zlib.decompress(base64.b64decode(content)))
    return list(document["commands"])


def expected(number: int) -> list[int]:
    """The exit codes of its commands."""
    return list(json.loads(kept()[number].read_bytes())["codes"])


def keep(generator: Generator, number: int, name: str, found: str) -> None:
    """Write a case of a campaign into the corpus."""
    with tempfile.TemporaryDirectory() as place:
        commands: Sequence[Words] = generator(number, Path(place))
        files = {
            str(file.relative_to(place)): base64.b64encode(zlib.compress(file.read_bytes(), 9)).decode()
            for file in sorted(Path(place).rglob("*"))
            if file.is_file()
        }
    codes = [ending.code for ending in endings(generator, [number])]
    document = {"found": found, "commands": commands, "codes": codes, "files": files}
    (CORPUS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    campaign, number, name, found = sys.argv[1:]
    keep(importlib.import_module(f"tests.fuzz.{campaign}").case, int(number), name, found)
