"""The student with its preprocessing in the graph, `student.raw.onnx`, proved like every other form.

A file in addition to `student.onnx`, and not in its place: what is timed, bundled and compared reads prepared inputs,
and the spec in the record stays what it is for them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdeploy.evaluation.raw_input import compare
from kdeploy.outputs.by_name import kind_of
from kdeploy.parity.compare import raise_if_failed
from kdeploy.parity.truth import onnx_oracle
from kdeploy.records.export import ExportRecord, RawForm
from kdeploy.runtimes.installed import REFERENCE
from kdeploy.samples.preprocessing_numpy import apply_numpy
from kdeploy.stages.export.forms import PROOF_INPUTS
from kdeploy.system.files import hash_file
from kdeploy.transforms import preprocess

RAW = "student.raw.onnx"


def add(
    folder: Path, record: ExportRecord, *, canonical: np.ndarray, layout: preprocess.Layout, target: str
) -> ExportRecord:
    """Write the file into the folder of the export, and say so in its record.

    Args:
        canonical: held-out samples (samples, *shape) as they come; on the first of them the file must give what
            `student.onnx` gives on the same samples prepared by the NumPy reference.
        target: a runtime, which answers in addition to the reference evaluator.
    Raises: ParityError when it does not; ModelError for a layout that the input has not, and a target that does not
        take the file.
    """
    student, path, spec = folder / record.student.file, folder / RAW, record.preprocessing
    preprocess.prepend(student, path, spec, layout)
    samples = canonical[:PROOF_INPUTS]
    oracle = onnx_oracle(student, apply_numpy(spec, samples))._replace(kind=kind_of(record.outputs))
    rows = compare(path, samples, layout, oracle, (REFERENCE, target))
    raise_if_failed(rows)
    form = RawForm(file=RAW, sha256=hash_file(path), bytes=path.stat().st_size, layout=layout, parity=rows)
    return record.model_copy(update={"raw": form})
