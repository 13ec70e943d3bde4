"""bundle: the shipped student with all it takes to run it, and to prove on the device that it is what was tested."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdeploy.bundles.verify import verify
from kdeploy.bundles.write import Golden, write
from kdeploy.evaluation.exported_run import ExportedRun, exported_logits
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.export import ExportRecord
from kdeploy.samples.preprocessing_numpy import apply_numpy

GOLDEN_SAMPLES = 32
GOLDEN_RELATIVE = 1e-4  # of the largest logit: float32 on another processor, far below any spoiled weight


def run(
    folder: Path,
    *,
    name: str,
    exported: ExportedRun,
    canonical: np.ndarray,
    evidence: Mapping[str, bytes],
    versions: Mapping[str, str],
) -> BundleRecord:
    """Write `folder/bundle/` and `folder/<name>.zip`, and check the bundle as whoever gets it will.

    The golden outputs are the trained network's, so that a model file that is not that network is no bundle.

    Args:
        canonical: the first test samples (samples, *shape) as they come, of which 32 become the golden ones.
        evidence: path to content: the records that back what the bundle claims.
        versions: of the runtimes that the student was verified with.
    Raises: ParityError when the exported student does not answer as the trained network does.
    """
    place, record = exported.folder, exported.record
    written = write(
        folder,
        name=name,
        model=place / record.student.file,
        formats=formats_of(place, record),
        preprocessing=[record.preprocessing],
        class_names=record.class_names,
        golden=_golden(exported, canonical),
        evidence=evidence,
        versions=versions,
        outputs=record.outputs,
    )
    verify(folder / written.folder)
    return written


def formats_of(place: Path, record: ExportRecord) -> dict[str, Path]:
    """The student's files in other formats, by the folders that they have in the bundle."""
    made = [one for one in record.formats if one.model == "student" and one.refused is None]
    formats = {FormatRequest(one.runtime, one.precision).folder: place / one.file for one in made}
    formats.pop("onnx", None)  # that is student.onnx itself
    return formats | ({"raw": place / record.raw.file} if record.raw else {})


def _golden(exported: ExportedRun, canonical: np.ndarray) -> Golden:
    """Samples and what the trained network says about them."""
    preprocessing, canonical = exported.record.preprocessing, np.ascontiguousarray(canonical[:GOLDEN_SAMPLES])
    logits = exported_logits(exported, apply_numpy(preprocessing, canonical))[: len(canonical)]
    return Golden(
        inputs={preprocessing.input: canonical},
        logits=logits,
        atol=GOLDEN_RELATIVE * float(np.abs(logits).max()),
    )
