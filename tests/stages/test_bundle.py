from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from kdeploy.bundles.verify import verify
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import bundle
from kdeploy.system.files import hash_file
from tests.stages.conftest import Done

EVIDENCE = {"verify.json": b'{"schema": "kdeploy.parity/1"}\n'}


def make(folder: Path, digits: SampleSet, exported: Done) -> bundle.BundleRecord:
    folder.mkdir(exist_ok=True)
    return bundle.run(
        folder,
        name="tiny",
        exported=(exported.folder, exported.record),
        canonical=digits.inputs["image"][digits.parts["test"]],
        evidence=EVIDENCE,
        versions={"onnxruntime": "1.0"},
    )


def test_the_bundle_holds_the_shipped_student_and_checks_itself(digits: SampleSet, exported: Done, tmp_path: Path):
    record = make(tmp_path, digits, exported)
    place = tmp_path / record.folder
    assert hash_file(place / "student.onnx") == exported.record.student.sha256
    assert (place / "evidence" / "verify.json").read_bytes() == EVIDENCE["verify.json"]
    assert verify(place).samples == record.golden_samples == bundle.GOLDEN_SAMPLES
    assert json.loads((place / "labels.json").read_bytes())


def test_the_formats_go_along_but_the_onnx_file_only_once(digits: SampleSet, exported: Done, tmp_path: Path):
    record = make(tmp_path, digits, exported)
    manifest = json.loads((tmp_path / record.folder / "manifest.json").read_bytes())
    assert list(manifest["formats"]) == ["openvino"]
    assert [file.path for file in record.files if file.path.endswith(".onnx")] == ["student.onnx"]


def test_the_golden_logits_are_those_of_the_shipped_file(
    digits: SampleSet, distilled: Done, exported: Done, tmp_path: Path
):
    record = make(tmp_path, digits, exported)
    with np.load(tmp_path / record.folder / "golden" / "outputs.npz") as golden:
        logits = golden[golden.files[0]]
    expected = np.load(distilled.folder / distilled.record.chosen.logits)[: bundle.GOLDEN_SAMPLES]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert record.golden_atol == bundle.GOLDEN_RELATIVE * float(np.abs(logits).max())


def test_the_same_records_give_the_same_bytes(digits: SampleSet, exported: Done, tmp_path: Path):
    one, other = (make(tmp_path / name, digits, exported) for name in ("one", "other"))
    assert one.archive_sha256 == other.archive_sha256
