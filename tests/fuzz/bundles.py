"""Mutants of the bundle of a released version, as a folder and as a zip: its bytes, names, fields and files.

Some are sealed again, so that what was changed is read and not only hashed.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from kdeploy.bundles.programs import bundle_core as core
from tests.bundles.make_golden import GOLDEN
from tests.fuzz.campaign import Words
from tests.fuzz.models import mutant
from tests.fuzz.mutations import bytes_changed
from tests.fuzz.recipes import ODD, places
from tests.program import REPOSITORY

Files = dict[str, bytes]
PROGRAMS = ("verify.py", "predict.py", "bundle_core.py")
DATA = ("student.onnx", "golden/inputs.npz", "golden/outputs.npz", "preprocessing.json", "labels.json")
SUPERVISED_ONE_IN = 10  # its other runs begin where the program's own child does, without the start of two Pythons
NAMES = (
    "../a",
    "/a",
    "a/../b",
    "a\\b",
    "C:a",
    "CON",
    "é",
    "e\u0301",
    "A.JSON",
    "a" * 300,
    ".",
    "",
    "a/",
    "x\n",
    "\u202e",
)
NUMBERS = (0, 1, 2, 8, 20, 45, 63, 64, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)


@cache
def sound() -> Files:
    """The files of the bundle, by name, with the programs that this checkout puts into one."""
    newest = sorted(GOLDEN.iterdir())[-1]
    with zipfile.ZipFile(newest / "plain.zip") as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    for name in PROGRAMS:
        files[name] = (REPOSITORY / "kdeploy" / "bundles" / "programs" / name).read_bytes()
        _seal(files, name)
    return files


def _seal(files: Files, name: str) -> None:
    """Let the manifest promise the file that is there."""
    manifest = _manifest(files)
    entry = manifest.get("files", {}).get(name)
    if isinstance(entry, dict):
        entry |= {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
        files["manifest.json"] = _written(manifest)


def case(number: int, folder: Path) -> list[Words]:
    """A mutant, a zip in every other case, through kdeploy verify; a folder through its own verify.py too."""
    draw = random.Random(f"bundle {number}")
    if number % 2:
        (folder / "b.zip").write_bytes(zip_mutant(draw))
        return [["kdeploy", "verify", "b.zip", *draw.choice([[], ["--json"]])]]
    files = folder_mutant(draw)
    for name, content in files.items():
        (folder / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "b" / name).write_bytes(content)
    (folder / "b").mkdir(exist_ok=True)
    commands = [["kdeploy", "verify", "bundle", "b"]]
    if files.get("verify.py") == sound()["verify.py"]:  # another program is no longer ours
        alone = draw.randrange(SUPERVISED_ONE_IN) > 0
        commands.append([str(folder / "b" / "verify.py"), *(["--limited"] if alone else [])])
    return commands


# -- folders


def folder_mutant(draw: random.Random) -> Files:
    files = dict(sound())
    for _ in range(draw.choice([0, 1, 1, 1, 2])):
        draw.choice(FILE_CHANGES)(files, draw)
    return files


def _bytes(files: Files, draw: random.Random) -> None:
    name = draw.choice(sorted(files))
    files[name] = bytes_changed(files[name], draw)


def _sealed(files: Files, draw: random.Random) -> None:
    """One file changed, and the manifest with it."""
    name = draw.choice(DATA)
    files[name] = _other(name, files.get(name, b""), draw)
    _seal(files, name)


def _manifest(files: Files) -> dict[str, Any]:
    try:
        manifest = json.loads(files.get("manifest.json", b"{}"))
    except (ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _written(manifest: Any) -> bytes:
    """A manifest that is sealed, whatever is in it."""
    fields = {key: value for key, value in manifest.items() if key != "seal"} if isinstance(manifest, dict) else {}
    try:
        return core.sealed(fields) if fields else json.dumps(manifest).encode()
    except ValueError:  # NaN
        return json.dumps(manifest).encode()


def _other(name: str, content: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.3:
        return bytes_changed(content, draw)
    try:
        if name.endswith(".onnx"):
            return mutant(onnx.load_from_string(content), draw)
        if name.endswith(".npz"):
            return _arrays(content, draw)
        document = {"": json.loads(content)}
    except Exception:  # changed before, and no longer read by those who made it
        return bytes_changed(content, draw)
    holder, key = draw.choice(list(places(document)))
    holder[key] = draw.choice(ODD)
    return json.dumps(document[""]).encode()


def _arrays(content: bytes, draw: random.Random) -> bytes:
    """An archive of which one array has another type, shape, value or name."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = draw.choice(sorted(arrays))
    changes: list[Callable[[np.ndarray], np.ndarray]] = [
        *(
            lambda x: x[:0],
            lambda x: x[..., :1],
            lambda x: x.T,
            lambda x: x.astype(np.float64),
            lambda x: x.astype("S3"),
        ),
        *(lambda x: np.full_like(x, 255), lambda x: x.astype(np.float32) * np.nan, np.asfortranarray),
        *(lambda x: x.reshape(-1), lambda x: np.repeat(x, 3, axis=0), lambda x: np.array(7)),
    ]
    arrays[draw.choice([name, name, "more"])] = draw.choice(changes)(arrays[name])
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _field(files: Files, draw: random.Random) -> None:
    """A field of the manifest."""
    document = {"": _manifest(files)}
    holder, key = draw.choice(list(places(document)))
    match draw.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw.choice([*NAMES, "more"])] = holder[key]
        case 2 if isinstance(holder[key], int | float):
            holder[key] = draw.choice([-holder[key], holder[key] * 2**40, holder[key] / 2, str(holder[key])])
        case _:
            holder[key] = draw.choice(ODD)
    files["manifest.json"] = _written(document.get("", []))


def _lost(files: Files, draw: random.Random) -> None:
    if files:
        del files[draw.choice(sorted(files))]


def _added(files: Files, draw: random.Random) -> None:
    files[draw.choice(["more.txt", "numpy.py", "golden/x.npz", "a/b/c", ".hidden", "é", "__pycache__/verify.pyc"])] = (
        b"x"
    )


FILE_CHANGES = (_bytes, _sealed, _sealed, _sealed, _field, _field, _lost, _added)

# -- zips

HEADERS = {b"PK\x03\x04": "<4s5H3L2H", b"PK\x01\x02": "<4s6H3L5H2L", b"PK\x05\x06": "<4s4H2LH"}


def zip_mutant(draw: random.Random) -> bytes:
    match draw.randrange(6):
        case 0:
            return _zipped(folder_mutant(draw), draw)
        case 1:
            return _zipped(_renamed(draw), draw)
        case 2:
            return bytes_changed(_zipped(sound(), draw), draw)
        case 3:
            return _zipped(sound(), draw) + _zipped({"a": b"b"}, draw)
        case _:
            return _with_field(_zipped(sound(), draw), draw)


def _zipped(files: Files, draw: random.Random) -> bytes:
    method = draw.choice(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = draw.choice([b"", b"", b"", b"a comment"])
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"bundle/{name}")
            entry.external_attr = (
                draw.choice([0o644, 0o644, 0o755, 0o120777, 0o040755]) << 16 if draw.random() < 0.1 else 0
            )
            archive.writestr(entry, content, method)
    return buffer.getvalue()


def _renamed(draw: random.Random) -> Files:
    files = dict(sound())
    name = draw.choice(sorted(files))
    files[draw.choice([*NAMES, name.upper(), name + "/x"])] = files[name] if draw.random() < 0.5 else files.pop(name)
    return files


def _with_field(content: bytes, draw: random.Random) -> bytes:
    """One number of a header, of the directory or of the end, changed."""
    mark = draw.choice(list(HEADERS))
    at = draw.choice([found for found in range(len(content) - 4) if content.startswith(mark, found)])
    form = struct.Struct(HEADERS[mark])
    numbers = list(form.unpack_from(content, at))
    place = draw.randrange(1, len(numbers))
    most = 0xFFFF if _kind(HEADERS[mark], place) == "H" else 0xFFFFFFFF
    numbers[place] = draw.choice([number for number in NUMBERS if number <= most])
    return content[:at] + form.pack(*numbers) + content[at + form.size :]


def _kind(form: str, place: int) -> str:
    """The letter of a field in a form like `<4s5H3L`, in which the string is field 0."""
    kinds, count = "s", ""
    for letter in form[3:]:
        if letter.isdigit():
            count += letter
        else:
            kinds, count = kinds + letter * int(count or 1), ""
    return kinds[place]
