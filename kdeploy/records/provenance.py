"""What a finished stage made and what it rested on: the field `provenance` of its record.

{"files": {path: {"sha256", "bytes"}}, "rests_on": {stage: {"seal", "content"}}, "replaces": [seal, ...]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from kdeploy.errors import InputError, IntegrityError
from kdeploy.records.base import Part
from kdeploy.records.seal import again, seal_of
from kdeploy.runtimes import regular_file


class FileDigest(Part):
    """One file of a stage."""

    sha256: str
    bytes: int


class Source(Part):
    """A stage that another rests on: the seal of its record, and one digest over what it came to."""

    seal: str
    content: str


class Provenance(Part):
    """The files beside a record, by their paths in its folder, and what they were made from.

    `replaces`: the seals of the records that stood here before, when a stage was done anew.
    """

    files: dict[str, FileDigest]
    rests_on: dict[str, Source]
    replaces: tuple[str, ...] = ()


class Finished(NamedTuple):
    """Finished work as its record has it: the seal of that, what it says, and what was made from what."""

    seal: str
    body: Mapping[str, Any]
    provenance: Provenance

    def source(self, *, measures: bool) -> Source:
        """As what rests on it writes it down; what was measured is in the record, all else in the files."""
        files = {path: file.sha256 for path, file in self.provenance.files.items()}
        text = json.dumps(self.body if measures else files, sort_keys=True)
        return Source(seal=self.seal, content=hashlib.sha256(text.encode()).hexdigest())

    @property
    def seals(self) -> tuple[str, ...]:
        """The seals that a run may have seen of it."""
        return (*self.provenance.replaces, self.seal)


def read_finished(path: Path, *, stage: str, seen: str | None = None) -> Finished:
    """What the file of a record says.

    Args:
        stage: whose it is, for messages.
        seen: the seal that the record had when a run last saw it; None where none has.
    Raises: InputError when there is no such file; IntegrityError when it is not as it was written, or another one.
    """
    where, advice = str(path), again(stage)
    if not path.is_file():
        must, advice = "must be the record of a finished stage", "Finish the recipe first: kdeploy run RECIPE."
        raise InputError(where, must, got="there is no such file", advice=advice)
    content = regular_file.read(path)
    seal, body = seal_of(content, where=where, advice=advice), json.loads(content)
    del body["seal"]
    try:
        made = Provenance.model_validate(body.pop("provenance", None))
    except ValidationError as exc:
        must, got = "must be the record of a finished stage", "it does not say what it was made from"
        raise IntegrityError(where, must, got=got, advice=advice) from exc
    found = Finished(seal, body, made)
    if seen is not None and seen not in found.seals:
        got = f"sealed {found.seal[:12]}, the run has seen {seen[:12]}"
        raise IntegrityError(where, "must be the record that the run has seen", got=got, advice=advice)
    return found
