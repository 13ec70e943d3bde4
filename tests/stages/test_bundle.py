from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kdeploy.bundles.verify import verify
from kdeploy.errors import ParityError
from kdeploy.evaluation.exported_run import ExportedRun
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import bundle
from kdeploy.system.files import hash_file
from tests.stages.conftest import Done

EVIDENCE = {"evidence/verify.json": b'{"schema": "kdeploy.parity/1"}\n'}


@pytest.fixture
def whole(exported: Done, distilled: Done, taught: Done) -> ExportedRun:
    return ExportedRun(exported.folder, exported.record, distilled, taught, [taught])


def make(folder: Path, digits: SampleSet, exported_run: ExportedRun) -> bundle.BundleRecord:
    folder.mkdir(exist_ok=True)
    return bundle.run(
        folder,
        name="tiny",
        exported=exported_run,
        canonical=digits.inputs["image"][digits.parts["test"]],
        evidence=EVIDENCE,
        versions={"onnxruntime": "1.0"},
    )


def test_the_bundle_holds_the_shipped_student_and_checks_itself(digits: SampleSet, whole: ExportedRun, tmp_path: Path):
    record = make(tmp_path, digits, whole)
    place = tmp_path / record.folder
    assert hash_file(place / "student.onnx") == whole.record.student.sha256
    assert (place / "evidence" / "verify.json").read_bytes() == EVIDENCE["evidence/verify.json"]
    assert verify(place).samples == record.golden_samples == bundle.GOLDEN_SAMPLES
    assert json.loads((place / "labels.json").read_bytes())


def test_the_formats_go_along_but_the_onnx_file_only_once(digits: SampleSet, whole: ExportedRun, tmp_path: Path):
    record = make(tmp_path, digits, whole)
    manifest = json.loads((tmp_path / record.folder / "manifest.json").read_bytes())
    assert list(manifest["formats"]) == ["openvino"]
    assert [file.path for file in record.files if file.path.endswith(".onnx")] == ["student.onnx"]


def test_the_golden_logits_are_those_of_the_trained_student(
    digits: SampleSet, distilled: Done, whole: ExportedRun, tmp_path: Path
):
    record = make(tmp_path, digits, whole)
    with np.load(tmp_path / record.folder / "golden" / "outputs.npz") as golden:
        logits = golden[golden.files[0]]
    expected = np.load(distilled.folder / distilled.record.chosen.logits)[: bundle.GOLDEN_SAMPLES]
    np.testing.assert_array_equal(logits, expected)
    assert record.golden_atol == bundle.GOLDEN_RELATIVE * float(np.abs(logits).max())


def test_the_same_records_give_the_same_bytes(digits: SampleSet, whole: ExportedRun, tmp_path: Path):
    one, other = (make(tmp_path / name, digits, whole) for name in ("one", "other"))
    assert one.archive_sha256 == other.archive_sha256


def test_a_file_that_is_not_the_trained_student_is_no_bundle(digits: SampleSet, whole: ExportedRun, tmp_path: Path):
    """Whatever its digest is: the golden outputs are not asked of the file that is bundled."""
    place = Path(shutil.copytree(whole.folder, tmp_path / "export"))
    model = onnx.load(place / "student.onnx")
    [weight] = [one for one in model.graph.initializer if one.name == model.graph.node[-1].input[1]]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.1), weight.name))
    onnx.save(model, place / "student.onnx")
    with pytest.raises(ParityError) as caught:
        make(tmp_path / "out", digits, replace(whole, folder=place))
    assert caught.value.must == "must be what the model computes"
