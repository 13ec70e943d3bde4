"""Check a bundle, a folder or a zip, from outside it.

    files: names, sizes, hashes -> the model, inspected as one that came from outside -> the golden run, in a child

The files are checked by `bundle_core`, the very file that lies in the bundle (ours, never the received one), and the
golden samples are computed again by kdeploy's own ONNX Runtime. Integrity only, not authenticity.

A model that the inspector refuses is a matter of integrity here, unless it is no model at all: kdeploy bundles none
with an endless Loop, so that one came from elsewhere.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kdeploy.bundles.golden import RUNTIME
from kdeploy.bundles.problems import translated
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.unpack import top_folder, unpacked
from kdeploy.errors import BundleError, IntegrityError, ModelError
from kdeploy.graphs.inspector.admit import inspect
from kdeploy.graphs.inspector.record import InspectionLimits
from kdeploy.records.bundle import BundleVerdict
from kdeploy.runtimes import installed
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system.bounded import ask
from kdeploy.system.limits import COMPLAINTS_BYTES, GIB, Limits

NOT_MADE_HERE = "kdeploy bundles no such model: do not run it, and get the bundle again from where it came."


def verify(path: Path) -> BundleVerdict:
    """Is this bundle, byte for byte and answer for answer, what was tested?

    Raises: BundleError when it is no bundle this version reads, IntegrityError when a file was changed, added or
        removed or its model is none that kdeploy bundles, ParityError when that gives other outputs here, ResourceError
        when it takes more than a golden run may, MissingError without ONNX Runtime.
    """
    with translated(), _opened(path) as folder:
        manifest = core.read_manifest(folder, str(path))
        contents = core.check_files(folder, manifest, str(path))
        return _rerun(folder, manifest, contents, str(path))


class Models(NamedTuple):
    """The files of one model in a bundle."""

    onnx: Path
    formats: dict[str, Path]  # by runtime


def models_of(folder: Path) -> Models:
    """The model of a bundle folder, every file of which is what its manifest says.

    Raises: BundleError, IntegrityError.
    """
    with translated():
        manifest = core.read_manifest(folder, str(folder))
        core.check_files(folder, manifest, str(folder))
    _inspect(folder / core.MODEL, str(folder / core.MODEL))
    listed = json.loads((folder / core.MANIFEST).read_bytes()).get("formats", {})
    return Models(folder / core.MODEL, {name: folder / file for name, file in listed.items() if file in manifest.files})


def _rerun(folder: Path, manifest: core.Manifest, contents: dict[str, bytes], shown: str) -> BundleVerdict:
    """The golden run, by a private copy of the bytes that were hashed."""
    installed.find(RUNTIME)
    with scratch_folder(f"{shown}/{core.MODEL}") as private:
        for path, content in contents.items():
            (private / path).parent.mkdir(exist_ok=True)
            (private / path).write_bytes(content)
        (private / core.MANIFEST).write_bytes((folder / core.MANIFEST).read_bytes())
        _inspect(private / core.MODEL, f"{shown}/{core.MODEL}")
        answer = ask(
            "kdeploy.bundles.golden",
            {"folder": str(private), "shown": shown},
            _limits(sum(map(len, contents.values()))),
            where=f"{shown}/{core.MODEL}",
            doing="run on the golden samples",
        )
    agreement = core.Agreement(answer["samples"], answer["largest_error"])
    return BundleVerdict.model_validate(core.verdict(manifest, agreement, answer["runtime"]))


def _limits(size_bytes: int) -> Limits:
    """Those of a golden run, in which a student answers some dozens of samples: time by the bytes that it reads."""
    seconds = core.allowed_seconds(size_bytes, files=1)
    return Limits.of_work(seconds, COMPLAINTS_BYTES)


def _inspect(model: Path, shown: str) -> None:
    """Inspect the model of a bundle, of any size that an ONNX file may have.

    Raises: IntegrityError for what no bundle has in it; ModelError for what is no ONNX file; ResourceError.
    """
    size = model.stat().st_size
    limits = InspectionLimits(
        file_bytes=2 * GIB, weights_bytes=2 * GIB, memory_bytes=GIB + 3 * size, cpu_seconds=10 + size // 2**25
    )
    try:
        inspect(model, limits, where=shown)
    except ModelError as exc:
        if exc.must == "must be an ONNX model":
            raise
        raise IntegrityError(exc.where, exc.must, got=exc.got, advice=NOT_MADE_HERE) from exc


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """The folder of a bundle: the path itself, or a private copy of a zip."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        got = getattr(exc, "strerror", None) or str(exc)
        raise BundleError(core.printable(str(path)), "must be a bundle folder or its zip", got=got) from exc
    if stat.S_ISDIR(mode):
        yield path
    elif stat.S_ISREG(mode):
        with unpacked(path) as folder:
            yield top_folder(folder, str(path))
    else:
        raise BundleError(str(path), "must be a bundle folder or its zip", got=f"a {core.file_kind(mode)}")
