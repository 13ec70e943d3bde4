"""bundle: the shipped student with all it takes to run it, and to prove on the device that it is what was tested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdeploy.bundles.write import Golden, write
from kdeploy.models.signature import signature
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.export import ExportRecord
from kdeploy.runtimes import installed
from kdeploy.samples.preprocessing_numpy import apply_numpy

GOLDEN_SAMPLES = 32
GOLDEN_RELATIVE = 1e-4  # of the largest logit: float32 on another processor, far below any spoiled weight


def run(
    folder: Path,
    *,
    name: str,
    exported: tuple[Path, ExportRecord],
    canonical: np.ndarray,
    evidence: Mapping[str, bytes],
    versions: Mapping[str, str],
) -> BundleRecord:
    """Write `folder/bundle/` and `folder/<name>.zip`.

    Args:
        exported: folder and record of the export.
        canonical: test samples (samples, *shape) as they come, of which the first 32 become the golden ones.
        evidence: file name to content: the records that back what the bundle claims.
        versions: of the runtimes that the student was verified with.
    """
    place, record = exported
    made = [one for one in record.formats if one.model == "student" and one.refused is None]
    formats = {FormatRequest(one.runtime, one.precision).folder: place / one.file for one in made}
    formats.pop("onnx", None)  # that is student.onnx itself
    formats |= {"raw": place / record.raw.file} if record.raw else {}
    return write(
        folder,
        name=name,
        model=place / record.student.file,
        formats=formats,
        preprocessing=[record.preprocessing],
        class_names=record.class_names,
        golden=_golden(place / record.student.file, record, canonical[:GOLDEN_SAMPLES]),
        evidence=evidence,
        versions=versions,
    )


def _golden(model: Path, record: ExportRecord, canonical: np.ndarray) -> Golden:
    """Samples and what the shipped file says about them on onnxruntime, with one thread."""
    session = installed.find("onnxruntime").load(model, threads=1)
    prepared = apply_numpy(record.preprocessing, canonical)
    logits = next(iter(session.run({signature(model).input: prepared}).values()))
    session.close()
    return Golden(
        inputs={record.preprocessing.input: np.ascontiguousarray(canonical)},
        logits=logits,
        atol=GOLDEN_RELATIVE * float(np.abs(logits).max()),
    )
