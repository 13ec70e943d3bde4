from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from kdeploy.errors import ModelError
from kdeploy.runtimes.openvino import OpenVino
from kdeploy.runtimes.protocol import Refused, Source
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import bundle
from kdeploy.stages.export import with_preprocessing
from kdeploy.system.files import hash_file
from tests.stages.conftest import IMAGE, Done, inputs_of


@pytest.fixture
def place(exported: Done, tmp_path: Path) -> Path:
    shutil.copyfile(exported.folder / "student.onnx", tmp_path / "student.onnx")
    return tmp_path


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_bytes_go_in_and_the_students_logits_come_out(exported: Done, digits: SampleSet, place: Path, layout: str):
    canonical = digits.inputs["image"][digits.parts["held_out"]]
    record = with_preprocessing.add(place, exported.record, canonical=canonical, layout=layout, target="onnxruntime")
    assert record.raw is not None
    assert (record.raw.file, record.raw.layout) == ("student.raw.onnx", layout)
    assert (record.raw.sha256, record.raw.bytes) == (
        hash_file(place / "student.raw.onnx"),
        (place / "student.raw.onnx").stat().st_size,
    )
    assert [(row.model, row.runtime, row.inputs, row.passed) for row in record.raw.parity] == [
        ("student with its preprocessing", "reference", 50, True),
        ("student with its preprocessing", "onnxruntime", 50, True),
    ]
    session = onnxruntime.InferenceSession(place / "student.raw.onnx", providers=["CPUExecutionProvider"])
    pixels = canonical if layout == "nchw" else canonical.transpose(0, 2, 3, 1)
    plain = onnxruntime.InferenceSession(place / "student.onnx", providers=["CPUExecutionProvider"])
    expected = plain.run(None, {"image": inputs_of(digits, IMAGE, "held_out")})[0]
    # pixels / 255 as a product or a quotient: a rounding of the input
    np.testing.assert_allclose(session.run(None, {"image": pixels})[0], expected, rtol=0, atol=1e-4)


def test_a_target_that_does_not_take_bytes_is_refused(
    exported: Done, digits: SampleSet, place: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(self: OpenVino, source: Source, folder: Path, *, precision: str) -> Path:
        raise Refused("it takes float32, and input 'image' is uint8")

    monkeypatch.setattr(OpenVino, "convert", refuse)
    canonical = digits.inputs["image"][digits.parts["held_out"]]
    with pytest.raises(ModelError) as caught:
        with_preprocessing.add(place, exported.record, canonical=canonical, layout="nchw", target="openvino")
    assert str(caught.value) == (
        "runtime 'openvino': must take student.raw.onnx in fp32 (it takes float32, and input 'image' is uint8). "
        "Choose another, or ask for it in export.formats of a recipe, which has the torch module."
    )


def test_what_is_shipped_and_its_spec_stay(exported: Done, digits: SampleSet, place: Path):
    before = hash_file(place / "student.onnx")
    canonical = digits.inputs["image"][digits.parts["held_out"]]
    record = with_preprocessing.add(place, exported.record, canonical=canonical, layout="nchw", target="onnxruntime")
    assert hash_file(place / "student.onnx") == before == record.student.sha256
    assert record.model_copy(update={"raw": None}) == exported.record


def test_the_bundle_takes_it_along(exported: Done, digits: SampleSet, place: Path):
    canonical = digits.inputs["image"][digits.parts["held_out"]]
    record = with_preprocessing.add(place, exported.record, canonical=canonical, layout="nhwc", target="onnxruntime")
    only = record.model_copy(update={"formats": ()})
    [(name, raw)] = bundle.formats_of(place, only).items()
    assert (name, raw.name) == ("raw", "student.raw.onnx")
    given = onnx.load(raw).graph.input[0]
    assert [dim.dim_value for dim in given.type.tensor_type.shape.dim][1:] == [28, 28, 1]
