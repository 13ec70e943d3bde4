"""Write a bundle: a folder and a zip of the same files, a pure function of the arguments: twice gives equal bytes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.bundles.fixed_zip import npz_bytes, zip_bytes
from kdeploy.bundles.manifest import bundled_ports, manifest_bytes
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.bundles.readme import readme
from kdeploy.errors import BundleError
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.bundle import BundleFile, BundleRecord
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.runtimes import artefacts
from kdeploy.samples.preprocessing_numpy import apply_numpy

FOLDER = "bundle"


class Golden(NamedTuple):
    """Samples whose logits the bundle must give wherever it runs.

    Attributes:
        inputs: canonical samples by input name, each (samples, ...).
        logits: (samples, classes), of the shipped model.
        atol: the largest absolute difference that is still the same answer.
    """

    inputs: Mapping[str, NDArray[Any]]
    logits: NDArray[Any]
    atol: float


def write(  # noqa: PLR0913 - a bundle has ten independent parts, and all but the place are named
    folder: Path,
    *,
    name: str,
    model: Path,
    formats: Mapping[str, Path],
    preprocessing: Sequence[Preprocessing],
    class_names: Sequence[str],
    golden: Golden,
    evidence: Mapping[str, bytes],
    versions: Mapping[str, str],
    outputs: OutputsName = "classes",
) -> BundleRecord:
    """Write `folder/bundle/` and `folder/<name>.zip`; what an earlier, killed call left of them is replaced.

    Args:
        folder: exists.
        formats: by runtime, a file, with those that belong to it, or a folder of files.
        evidence: JSON records by path, of `kdeploy.bundles.evidence`.
        versions: of the packages that the bundle was tested with; `onnxruntime` among them.
        outputs: what `class_names` are the names of.
    Raises: BundleError when the parts do not fit together, ModelError when the model cannot be bundled.
    """
    _check_name(name)
    _check_golden(golden, preprocessing, class_names)
    ports = bundled_ports(model)
    carried = {runtime: _format_files(runtime, path) for runtime, path in formats.items()}
    contents = _fixed_files(model, preprocessing, class_names, golden) | dict(evidence)
    for files in carried.values():
        contents |= {path: source.read_bytes() for path, source in files.items()}
    contents["README.md"] = readme(
        name, preprocessing=preprocessing, class_names=class_names, versions=versions, atol=golden.atol, outputs=outputs
    )
    _check_paths([f"{name}/{path}" for path in contents])
    contents[core.MANIFEST] = manifest_bytes(
        name=name,
        ports=ports,
        preprocessing=preprocessing,
        formats={runtime: next(iter(files)) for runtime, files in carried.items()},
        atol=golden.atol,
        versions=versions,
        contents=contents,
        outputs=outputs,
    )
    return _store(folder, name, contents, golden)


def _fixed_files(
    model: Path, preprocessing: Sequence[Preprocessing], class_names: Sequence[str], golden: Golden
) -> dict[str, bytes]:
    """The files that every bundle has, but for README.md and the manifest."""
    programs = resources.files("kdeploy.bundles.programs")
    contents = {program: programs.joinpath(program).read_bytes() for program in core.PROGRAMS}
    prepared = {f"model.{spec.input}": apply_numpy(spec, golden.inputs[spec.input]) for spec in preprocessing}
    canonical = {f"canonical.{spec.input}": golden.inputs[spec.input] for spec in preprocessing}
    return contents | {
        core.MODEL: model.read_bytes(),
        core.PREPROCESSING: _json_bytes([spec.model_dump(mode="json") for spec in preprocessing]),
        core.LABELS: _json_bytes(list(class_names)),
        core.GOLDEN_INPUTS: npz_bytes(canonical | prepared),
        core.GOLDEN_OUTPUTS: npz_bytes({"logits": golden.logits}),
    }


def _json_bytes(value: list[str] | list[dict[str, Any]]) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _format_files(runtime: str, path: Path) -> dict[str, Path]:
    """The files of a format by their paths in the bundle, the one to load first."""
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    else:
        files = {file.name: file for file in artefacts.files_of(path)}
    if not files or not all(file.is_file() for file in files.values()):
        raise BundleError(f"format {runtime}", "must be a model file or a folder of files", got=str(path))
    return {f"formats/{runtime}/{relative}": file for relative, file in files.items()}


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or core.name_fault(name):
        must = "must be at most 100 letters, digits, '.', '_' and '-', and no name that an operating system keeps"
        raise BundleError("bundle name", must, got=f"'{core.printable(name)}'", advice="Change the recipe's name.")


def _check_paths(paths: Sequence[str]) -> None:
    try:
        core.check_names(paths, "bundle")
    except core.Problem as problem:
        raise BundleError(problem.where, problem.must, got=problem.got, advice="Rename the file.") from problem


def _check_golden(golden: Golden, preprocessing: Sequence[Preprocessing], class_names: Sequence[str]) -> None:
    """Refuse golden samples that are none, or do not fit the inputs and the classes."""
    where, wanted = "golden samples", sorted(spec.input for spec in preprocessing)
    if sorted(golden.inputs) != wanted:
        raise BundleError(where, f"must have the inputs {', '.join(wanted)}", got=", ".join(sorted(golden.inputs)))
    counts = {name: len(samples) for name, samples in golden.inputs.items()}
    expected = (max(counts.values(), default=0), len(class_names))
    if set(counts.values()) != {expected[0]} or 0 in expected:
        raise BundleError(where, "must be as many for each input, and some", got=f"{counts}, {expected[1]} classes")
    if golden.logits.shape != expected:
        raise BundleError(where, f"must have logits of shape {expected}", got=f"shape {golden.logits.shape}")
    if not np.isfinite(golden.logits).all():
        raise BundleError(where, "must have finite logits", got="NaN or infinite ones")


def _store(folder: Path, name: str, contents: Mapping[str, bytes], golden: Golden) -> BundleRecord:
    """Write folder and archive, which has the folder as its top; the record of what was written."""
    target, archive = folder / FOLDER, folder / f"{name}.zip"
    if target.exists():
        shutil.rmtree(target)
    for path, content in contents.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(content)
        (target / path).chmod(0o644)
    zipped = zip_bytes({f"{name}/{path}": content for path, content in contents.items()})
    archive.write_bytes(zipped)
    return BundleRecord(
        name=name,
        folder=FOLDER,
        archive=archive.name,
        archive_sha256=hashlib.sha256(zipped).hexdigest(),
        archive_bytes=len(zipped),
        files=tuple(
            BundleFile(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
            for path, content in sorted(contents.items())
        ),
        bytes=sum(map(len, contents.values())),
        golden_samples=len(golden.logits),
        golden_atol=golden.atol,
    )
