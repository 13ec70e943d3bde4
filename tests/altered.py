"""Work that was altered: by a flipped bit, by hand, and so that only what rests on it can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdeploy.records.base import Record
from kdeploy.records.seal import sealed
from kdeploy.system.stage_folder import digests


def flip(path: Path, place: int, bit: int = 0) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def rewritten(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit a sealed document, and seal it again."""
    document = json.loads(path.read_bytes())
    del document["seal"]
    edit(document)
    path.write_bytes(sealed(json.dumps(document, indent=1) + "\n"))


def come_out_so(
    folder: Path, kind: type[Record], edit: Callable[[dict[str, Any]], object] = lambda _record: None
) -> None:
    """Make the folder of a stage what it would be, had the stage come out as it lies there; with its run's index."""
    path, runs = folder / "record.json", folder.parents[1]
    path.rename(aside := folder.with_name(f"{folder.name}.json"))
    files = {name: file.model_dump() for name, file in digests(folder, kind.APART).items()}
    aside.rename(path)
    before = json.loads(path.read_bytes())["seal"]

    def edited(record: dict[str, Any]) -> None:
        edit(record)
        record["provenance"]["files"] = files

    rewritten(path, edited)
    seal = json.loads(path.read_bytes())["seal"]
    for index in runs.glob("*.json"):
        rewritten(index, lambda run: run.update(seals=_replaced(run["seals"], before, seal)))


def _replaced(seals: dict[str, str], before: str, seal: str) -> dict[str, str]:
    return {name: seal if one == before else one for name, one in seals.items()}
