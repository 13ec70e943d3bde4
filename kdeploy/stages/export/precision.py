"""What a precision below fp32 costs on the held-out inputs; and the guard: where int8 costs too much, fp32 is kept.

The network that was trained on labels alone, the baseline, is quantised in the same way, so that one can see whether
what a student learned from its teacher survives int8.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kdeploy.evaluation.precision_cost import Labeled, precision_cost
from kdeploy.outputs.by_name import kind_of
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.export import ExportRecord, Format
from kdeploy.records.precision import Cost
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Refused
from kdeploy.stages.export.formats import divided, source_of
from kdeploy.system.files import folder_bytes

INT8 = "int8"


def judge(
    folder: Path, record: ExportRecord, *, held_out: Mapping[str, Labeled], transfer: np.ndarray, max_int8_drop: float
) -> ExportRecord:
    """The record with what each format in a lower precision costs, and without int8 that costs the student too much.

    Args:
        folder: of the export.
        held_out: for `student`, which the baseline reads too, and for `teacher`.
        transfer: the inputs that the student's formats were made with, float32 (inputs, *shape); the baseline is
            calibrated on the same.
        max_int8_drop: percentage points of accuracy; where nothing is labelled, of decisions that differ from fp32's.
    """
    calibration, _ = divided(held_out["student"].inputs, transfer)
    formats: list[Format] = []
    for format_ in record.formats:
        if format_.precision == "fp32" or format_.refused is not None:
            formats.append(format_)
            continue
        judged = _with_cost(folder, format_, held_out[format_.model], len(calibration))
        formats.append(_guarded(folder, judged, max_int8_drop))
        if record.baseline is not None and (format_.model, format_.precision) == ("student", INT8):
            formats += _baseline(folder, judged, held_out["student"], calibration)
    return record.model_copy(update={"formats": tuple(formats)})


def _with_cost(folder: Path, format_: Format, on: Labeled, calibration_inputs: int) -> Format:
    request = FormatRequest(format_.runtime, format_.precision)
    cost = precision_cost(format_.model, folder / f"{format_.model}.onnx", folder / format_.file, request, on)
    count = calibration_inputs if format_.precision == INT8 else None
    return format_.model_copy(update={"cost": cost.model_copy(update={"calibration": count})})


def _guarded(folder: Path, format_: Format, max_int8_drop: float) -> Format:
    """The format, or why there is none: only the student ships, so only its loss matters."""
    cost = format_.cost
    if cost is None or (format_.model, format_.precision) != ("student", INT8) or cost.drop_points <= max_int8_drop:
        return format_
    shutil.rmtree(_place(folder, format_))
    reason = (
        f"int8 loses {cost.drop_points:.3g} {_loss(cost)} {cost.inputs} held-out inputs, {cost.words}, "
        f"more than the {max_int8_drop:g} allowed: fp32 is kept"
    )
    return format_.model_copy(update={"file": "", "bytes": 0, "refused": reason, "processors": None})


def _loss(cost: Cost) -> str:
    """What is lost, in words."""
    if cost.accuracy is not None:
        return f"points of {kind_of(cost.outputs).metric} on"
    return "% of the decisions of fp32 on" if cost.outputs == "classes" else "points of agreement with fp32 on"


def _baseline(folder: Path, student: Format, held_out: Labeled, calibration: np.ndarray) -> list[Format]:
    """The baseline in the same format; nothing where the runtime makes it from more than an ONNX file."""
    onnx, request = folder / "baseline.onnx", FormatRequest(student.runtime, student.precision)
    format_ = student.model_copy(update={"model": "baseline", "parity": None})
    place = _place(folder, format_)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    source = source_of(onnx, held_out.inputs, calibration)
    try:
        artefact = installed.find(request.runtime).convert(source, place, precision=request.precision)
    except Refused:
        shutil.rmtree(place)
        return []
    format_ = format_.model_copy(update={"file": artefact.relative_to(folder).as_posix(), "bytes": folder_bytes(place)})
    return [_with_cost(folder, format_, held_out, len(calibration))]


def _place(folder: Path, format_: Format) -> Path:
    return folder / "formats" / FormatRequest(format_.runtime, format_.precision).folder / format_.model
