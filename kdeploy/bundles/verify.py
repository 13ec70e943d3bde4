"""Check a bundle, a folder or a zip, from outside it.

The files are checked by `bundle_core`, the very file that lies in the bundle (ours, never the received one), and the
golden samples are computed again by kdeploy's own ONNX Runtime. Integrity only, not authenticity.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.unpack import unpacked
from kdeploy.errors import BundleError, IntegrityError, KdeployError, ParityError
from kdeploy.records.bundle import BundleVerdict
from kdeploy.runtimes import installed
from kdeploy.runtimes.scratch import scratch_folder

RUNTIME = "onnxruntime"
ERRORS: dict[type[core.Problem], type[KdeployError]] = {
    core.Broken: IntegrityError,
    core.Differs: ParityError,
}


def verify(path: Path) -> BundleVerdict:
    """Is this bundle, byte for byte and answer for answer, what was tested?

    Raises: BundleError when it is no bundle this version reads, IntegrityError when a file was changed, added or
        removed, ParityError when its model gives other outputs here, MissingError without ONNX Runtime.
    """
    with _translated(), _opened(path) as folder:
        manifest = core.read_manifest(folder, str(path))
        contents = core.check_files(folder, manifest, str(path))
        return _rerun(manifest, contents, str(path))


class Models(NamedTuple):
    """The files of one model in a bundle."""

    onnx: Path
    formats: dict[str, Path]  # by runtime


def models_of(folder: Path) -> Models:
    """The model of a bundle folder, every file of which is what its manifest says.

    Raises: BundleError, IntegrityError.
    """
    with _translated():
        manifest = core.read_manifest(folder, str(folder))
        core.check_files(folder, manifest, str(folder))
    listed = json.loads((folder / core.MANIFEST).read_bytes()).get("formats", {})
    return Models(folder / core.MODEL, {name: folder / file for name, file in listed.items() if file in manifest.files})


def _rerun(manifest: core.Manifest, contents: dict[str, bytes], shown: str) -> BundleVerdict:
    """The golden run, by a private copy of the model's bytes as they were hashed."""
    runtime = installed.find(RUNTIME)
    version = f"{runtime.name} {runtime.version()}"
    with scratch_folder(f"{shown}/{core.MODEL}") as private:
        model = private / core.MODEL
        model.write_bytes(contents[core.MODEL])
        session = runtime.load(model, threads=1)
        try:
            agreement = core.check_golden(manifest, contents, shown, session.run, version)
        finally:
            session.close()
    return BundleVerdict.model_validate(core.verdict(manifest, agreement, version))


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
            yield folder
    else:
        raise BundleError(str(path), "must be a bundle folder or its zip", got=f"a {core.file_kind(mode)}")


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the refusals of bundle_core, which knows nothing of kdeploy, into errors of kdeploy."""
    try:
        yield
    except core.Problem as problem:
        error = ERRORS.get(type(problem), BundleError)
        raise error(problem.where, problem.must, got=problem.got, advice=problem.advice) from problem
