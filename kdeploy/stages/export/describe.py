"""What an ONNX file is: its hash, sizes, counts and versions, all read back from the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from kdeploy import counting
from kdeploy.models.adapters import signature
from kdeploy.records.export import Model
from kdeploy.store import hash_file


def describe(path: Path, shape: Sequence[int]) -> Model:
    """Describe a classifier for samples of this shape; multiply-adds are those of one sample."""
    header = onnx.load(path, load_external_data=False)
    taken = signature(path)
    batch = taken.batch or 1
    cost = counting.count(path, {taken.input: (batch, *shape)})
    return Model(
        file=path.name,
        sha256=hash_file(path),
        bytes=path.stat().st_size,
        multiply_adds=cost.multiply_adds // batch,
        parameters=cost.parameters,
        opset=max(item.version for item in header.opset_import if item.domain in ("", "ai.onnx")),
        ir_version=header.ir_version,
        uncounted=dict(cost.uncounted),
    )
