"""What every record is: a frozen pydantic model with a `schema`, saved as JSON.

Times are integer nanoseconds (`_ns`), sizes integer bytes, counts `multiply_adds` (FLOPs = 2 x multiply-adds, said here
once). A field that was not measured is null, and its reason stands in `unavailable`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from kdeploy.errors import InputError
from kdeploy.records.seal import is_sealed, seal_of, sealed, unsealed
from kdeploy.runtimes import regular_file

_NO_JSON, _START = "must be a JSON record", b'{\n "schema": "kdeploy.'


class Part(BaseModel):
    """A piece of a record. Unknown fields are ignored, so that an older kdeploy reads a newer minor version."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())


class Unavailable(Part):
    """A field that was not measured, and why."""

    field: str
    reason: str


class Record(Part):
    """A record that travels: one JSON document, `schema` first.

    `APART`: of the files beside a record of its stage, a pattern of those that need no digest in it: they have one in
    another file, or nobody reads them again.
    """

    SCHEMA: ClassVar[str]
    APART: ClassVar[str] = ""

    def to_json(self) -> str:
        try:
            body = self.model_dump_json(indent=1)
        except PydanticSerializationError:  # a name of a file that is not UTF-8 is half of a surrogate pair
            body = json.dumps(self.model_dump(mode="json"), indent=1)
        return '{\n "schema": "' + self.SCHEMA + '",' + body[1:] + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str) -> Self:
        """The record in a JSON text; `where` is what messages call it.

        Raises: InputError when it is not JSON of this schema's major version.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise InputError(where, _NO_JSON, got=str(exc)) from exc
        return cls.from_document(document, where=where)

    @classmethod
    def from_document(cls, document: object, *, where: str) -> Self:
        """The record in what JSON holds. Raises: InputError when it is not of this schema's major version."""
        schema = document.get("schema") if isinstance(document, dict) else None
        if not isinstance(schema, str) or schema.split(".", 2)[:2] != cls.SCHEMA.split(".", 2)[:2]:
            must, got = f"must have the schema {cls.SCHEMA}", f"schema {schema!r}"
            raise InputError(where, must, got=got, advice=_of_another_version(schema, cls.SCHEMA))
        try:
            return cls.model_validate(document)
        except ValidationError as exc:
            raise InputError(where, f"must be a record of {cls.SCHEMA}", got=_first(exc)) from exc

    def sealed(self) -> bytes:
        """The document as it is kept in a file."""
        return sealed(self.to_json())

    @classmethod
    def read(cls, path: Path, *, advice: str = "") -> Self:
        """The record in a file.

        Args:
            advice: what to do about one that was altered.
        Raises: IntegrityError when it is not as it was written; what `from_json` raises, and for a file that another
            version wrote, whose seal may be in another place.
        """
        return cls.from_sealed(regular_file.read(path), where=str(path), advice=advice)

    @classmethod
    def from_sealed(cls, data: bytes, *, where: str, advice: str = "") -> Self:
        """The record in the bytes of a file."""
        if is_sealed(data):
            seal_of(data, where=where, advice=advice)
            return cls.from_json(data, where=where)
        try:
            cls.from_json(data, where=where)
        except InputError as exc:
            if exc.must != _NO_JSON or not data.startswith(_START):  # else it was one, and lost its seal with its form
                raise
        raise unsealed(where, advice)


def _of_another_version(schema: object, known: str) -> str:
    """What to do about a record of another kdeploy; nothing, where the document is no such record at all."""
    name, _, version = str(schema).partition("/")
    ours, _, number = known.partition("/")
    major = version.partition(".")[0]
    if name != ours or not major.isdigit():
        return ""
    older = int(major) < int(number.partition(".")[0])
    return "An older kdeploy wrote it: run that again." if older else "A newer kdeploy wrote it: use that one."


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc'])) or 'the document'}: {detail['msg']}"
