"""Models that no recipe knows: verified and timed, or refused in a whole sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kdeploy
from kdeploy import runtimes
from kdeploy.foreign import made_inputs
from kdeploy.runtimes.openvino import OpenVino
from kdeploy.runtimes.protocol import Refused, Source
from kdeploy.store import hash_file
from tests import made
from tests.program import inside
from tests.stages.test_export_made_elsewhere import two_pairs


def test_inputs_are_noise_of_the_models_shape_and_the_same_each_time(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    inputs = made_inputs(path, 5)
    assert (inputs.shape, inputs.dtype) == ((5, 1, 4, 4), np.float32)
    assert inputs.min() >= 0
    assert inputs.max() < 1
    assert np.array_equal(inputs, made_inputs(path, 5))


def test_models_made_elsewhere_are_verified_through_every_runtime(tmp_path):
    paths = [made.linear(tmp_path / f"{name}.onnx", (1, 4, 4), seed=seed) for seed, name in enumerate("ab")]
    found = inside("verify", *paths, "--json")
    assert found.code == 0, found.stderr
    rows = found.document["rows"]
    assert {row["model"] for row in rows} == {"a.onnx", "b.onnx"}
    reading = set(runtimes.available()) - {"executorch", "litert"}  # they start from a torch module
    assert {row["runtime"] for row in rows} == reading >= {"reference", "onnxruntime", "openvino", "ort"}
    assert all(row["passed"] for row in rows)


def test_a_runtime_that_refuses_a_model_made_elsewhere_is_left_out_and_said(tmp_path, monkeypatch):
    def refuse(self: OpenVino, source: Source, folder: Path, *, precision: str) -> Path:
        raise Refused("it does not take models of this kind")

    monkeypatch.setattr(OpenVino, "convert", refuse)
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    found = inside("verify", path, "--json")
    assert found.code == 0, found.stderr
    assert "openvino" not in {row["runtime"] for row in found.document["rows"]}
    said = " ".join(found.stderr.split())
    assert "a.onnx: left out on openvino: it does not take models of this kind" in said


def test_a_runtime_asked_for_by_name_that_refuses_is_an_error(tmp_path, monkeypatch):
    def refuse(self: OpenVino, source: Source, folder: Path, *, precision: str) -> Path:
        raise Refused("it does not take models of this kind")

    monkeypatch.setattr(OpenVino, "convert", refuse)
    path = made.linear(tmp_path / "a.onnx", (1, 4, 4))
    found = inside("bench", path, "--vs", path, "--runtime", "openvino", "--runs", tmp_path / "runs")
    assert found.code == 3
    assert found.stderr == (
        "error: runtime 'openvino': must take a.onnx in fp32 (it does not take models of this kind). "
        "Ask for it in export.formats, where the torch module and inputs to calibrate on are at hand.\n"
    )


@pytest.mark.parametrize("words", [["verify"], ["bench", "--runtime", "onnxruntime", "--quick"]])
def test_what_is_no_model_is_refused(tmp_path, words):
    good = made.linear(tmp_path / "good.onnx", (2,))
    missing, text, folder = (tmp_path / f"{name}.onnx" for name in ("missing", "text", "folder"))
    text.write_text("this is no model")
    folder.mkdir()
    corrupt = "Error parsing message with type 'onnx.ModelProto': Wire format was corrupt"
    sentences = {
        missing: "must be an ONNX file (there is no such file).",
        folder: "must be an ONNX file (a folder).",
        text: f"must be an ONNX model ({corrupt}). Export the model again.",
    }
    for path, sentence in sentences.items():
        found = inside(words[0], good, path, *words[1:], "--runs", tmp_path / "runs")
        assert (found.code, found.stdout) == (3, "")
        assert found.stderr == f"error: {path}: {sentence}\n"


def test_a_graph_whose_types_do_not_fit_is_refused(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (2,), weights_dtype="float64")
    found = inside("verify", path)
    assert (found.code, found.stdout) == (3, "")
    got = "[ShapeInferenceError] (op_type:MatMul): B has inconsistent type tensor(double)"
    assert found.stderr == f"error: {path}: must pass ONNX's checker ({got}). Export the model again.\n"


def test_a_runtime_of_another_name_is_refused(tmp_path):
    path = made.linear(tmp_path / "a.onnx", (2,))
    found = inside("bench", path, "--vs", path, "--runtime", "fast", "--runs", tmp_path / "runs")
    assert found.code == 7
    assert found.stderr == (
        f"error: runtime 'fast': must be one of {', '.join(runtimes.names())}. "
        "Choose one of these, or install the package that brings it.\n"
    )


@pytest.mark.slow
def test_two_models_are_timed_against_each_other(tmp_path: Path) -> None:
    small = made.linear(tmp_path / "small.onnx", (1, 8, 8), width=8)
    large = made.linear(tmp_path / "large.onnx", (1, 8, 8), width=2048)
    runs = tmp_path / "runs"
    found = inside("bench", large, small, "--runtime", "onnxruntime", "--quick", "--runs", runs, "--json")
    assert found.code == 0, found.stderr
    [comparison] = found.document["comparison"]
    assert comparison["claim"]["status"] in {"indicative", "refused"}  # eight pairs never support a claim
    assert (comparison["runtime"], comparison["batch"], comparison["threads"]) == ("onnxruntime", 1, 1)
    assert len(list(runs.glob("bench/*/record.json"))) == 1


def test_a_model_made_elsewhere_is_exported_once_and_handed_over(tmp_path: Path) -> None:
    path = two_pairs(tmp_path / "net.onnx")
    words = ("export", path, "--bottleneck", "fuse", "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    found = inside(*words, "--json")
    assert found.code == 0, found.stderr
    record = found.document
    assert record["schema"] == "kdeploy.export-model/1"
    assert record["bottleneck"]["shipped"] == "fused"
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["model.onnx", "record.json"]
    assert record["model"]["sha256"] == hash_file(tmp_path / "out" / "model.onnx")
    [folder] = (tmp_path / "runs" / "model").iterdir()
    stamp = (folder / "model.onnx").stat().st_mtime_ns
    again = inside(*words)
    assert again.code == 0, again.stderr
    assert (folder / "model.onnx").stat().st_mtime_ns == stamp
    assert "bottleneck: shipped fused (asked for (--bottleneck fuse))\n" in again.stdout
    assert again.stdout.endswith(f"model: {tmp_path / 'out' / 'model.onnx'}\n")
    assert again.stderr.endswith(f"next: kdeploy bench {path} --vs {tmp_path / 'out' / 'model.onnx'}\n")


def test_what_was_made_does_not_replace_what_it_was_made_from(tmp_path: Path) -> None:
    path = two_pairs(tmp_path / "model.onnx")
    before = path.read_bytes()
    found = inside("export", path, "--bottleneck", "fuse", "--runs", tmp_path / "runs", "--out", tmp_path)
    assert (found.code, path.read_bytes()) == (3, before)
    assert found.stderr.endswith(f"error: --out: must be another folder than the model's ({tmp_path}).\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a.onnx", "--bottleneck", "rank:3"], "--bottleneck of an .onnx file must be auto, fuse, factored"),
        (["a.onnx", "--formats", "openvino"], "--formats and --set are for recipes and runs"),
        (["tiny", "--out", "here"], "--out is for .onnx files"),
    ],
)
def test_options_that_do_not_fit_the_subject_are_usage_errors(words: list[str], sentence: str) -> None:
    found = inside("export", *words)
    assert found.code == 2
    assert found.stderr == f"Invalid value: {sentence}\nTry: kdeploy --help\n"


def test_a_model_that_is_none_and_a_target_that_is_none_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("this is no model")
    assert inside("export", text, "--runs", tmp_path / "runs").code == 3
    path = made.linear(tmp_path / "a.onnx", (2,))
    assert inside("export", path, "--target", "fast", "--runs", tmp_path / "runs").code == 7
    assert not list(tmp_path.glob("runs/model/*"))


def test_the_api_exports_a_model_made_elsewhere(tmp_path: Path) -> None:
    path = two_pairs(tmp_path / "net.onnx")
    options = kdeploy.Options(runs=tmp_path / "runs")
    file, record = kdeploy.export_model(path, options, bottleneck="factored")
    assert file.read_bytes() == path.read_bytes()
    plain = made.linear(tmp_path / "a.onnx", (2,))
    assert kdeploy.export(plain, options).bottleneck.shipped == "plain"
    assert record.bottleneck.shipped == "factored"
