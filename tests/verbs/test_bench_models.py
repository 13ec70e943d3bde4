"""Two external models: what may be given, on what they are tried, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import InputError, IntegrityError
from kdeploy.pipeline.store import Store
from kdeploy.records.bench import BenchRecord
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Source
from kdeploy.system.progress import Progress
from kdeploy.timing.recompute import recompute
from kdeploy.verbs import bench_models
from kdeploy.verbs.external_models import admitted
from tests import made
from tests.bundles.conftest import build
from tests.stages.test_bench import SHORT

SHAPE = (1, 4, 4)


def classes(folder: Path, names: tuple[str, ...] = ("a", "b", "c"), each: int = 4) -> Path:
    """Arrays of the shape, in a folder for each class."""
    draws = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            np.save(folder / name / f"{number}.npy", draws.random(SHAPE, dtype=np.float32))
    return folder


def openvino_file(model: Path, folder: Path) -> Path:
    folder.mkdir()
    source = Source(model, None, {"x": np.zeros((3, *SHAPE), np.float32)}, None)
    return installed.find("openvino").convert(source, folder, precision="fp32")


def measured(first: Path, second: Path, place: Path, names: list[str], folder: Path | None = None) -> BenchRecord:
    return bench_models.bench_models(
        first,
        second,
        names=names,
        sizes=[(1, 1)],
        settings=SHORT,
        store=Store(place / "runs"),
        command=("kdeploy", "bench"),
        progress=Progress(),
        folder=folder,
    )[1]


def test_folders_of_classes_give_labels() -> None:
    found = bench_models.labels_of(["b/1.png", "a/2.png", "b/x/3.png"], 2)
    assert found is not None
    assert list(found) == [1, 0, 1]


@pytest.mark.parametrize("names", [["1.png", "2.png"], ["a/1.png", "2.png"], ["a/1.png", "b/2.png", "c/3.png"], []])
def test_inputs_without_a_folder_a_class_have_no_labels(names: list[str]) -> None:
    assert bench_models.labels_of(names, 2) is None


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    must = "must be an ONNX file, the folder of a bundle, or a file of the runtime that --runtime names"
    with pytest.raises(InputError) as caught:
        bench_models.model_at(tmp_path / "model.xml", ["openvino"])
    assert str(caught.value) == f"{tmp_path / 'model.xml'}: {must} (no such file)."
    (tmp_path / "model.xml").write_text("<net/>")
    with pytest.raises(InputError) as caught:
        bench_models.model_at(tmp_path / "model.xml", [])
    assert str(caught.value) == f"{tmp_path / 'model.xml'}: {must} (runtimes: none)."


def test_two_files_of_a_runtime_say_not_what_they_read(tmp_path: Path) -> None:
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text("<net/>")
    with pytest.raises(InputError) as caught:
        measured(tmp_path / "a.xml", tmp_path / "b.xml", tmp_path, ["openvino"])
    assert str(caught.value) == (
        "bench: must be at least one ONNX file or bundle, which says what both models read (a.xml and b.xml)."
    )


def test_a_spoiled_bundle_is_not_timed(tmp_path: Path) -> None:
    build(tmp_path)
    model = tmp_path / "out" / "bundle" / "student.onnx"
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(IntegrityError):
        bench_models.model_at(tmp_path / "out" / "bundle", [])


@pytest.mark.slow
def test_a_file_of_openvino_is_timed_against_an_onnx_file_on_labelled_inputs(tmp_path: Path) -> None:
    first, second = (
        made.linear(tmp_path / f"{name}.onnx", SHAPE, width=width) for name, width in (("a", 64), ("b", 8))
    )
    converted = openvino_file(second, tmp_path / "second")
    record = measured(first, converted, tmp_path, ["openvino"], classes(tmp_path / "inputs"))
    teacher, student = record.arms
    assert (teacher.model, student.model) == ("a.onnx", "model.xml")
    assert student.artifact.format == "xml"
    assert teacher.quality is not None
    assert student.quality is not None
    assert teacher.quality.n == student.quality.n == 12
    assert teacher.quality.dataset_sha256 == student.quality.dataset_sha256
    assert "R04" not in {reason.code for reason in record.comparison[0].claim.reasons}
    [folder] = (tmp_path / "runs" / "bench").iterdir()
    assert recompute(folder) == record


@pytest.mark.slow
def test_a_bundle_is_timed_against_a_model(tmp_path: Path) -> None:
    build(tmp_path)
    [model] = admitted([tmp_path / "out" / "bundle" / "student.onnx"])
    other = made.linear(tmp_path / "other.onnx", model.shape)
    record = measured(other, tmp_path / "out" / "bundle", tmp_path, ["onnxruntime"])
    assert record.arms[1].model == "bundle"
    assert record.comparison[0].claim.status in {"indicative", "refused", "no_difference_shown"}


def test_two_files_of_one_name_are_called_by_their_role(tmp_path: Path) -> None:
    alike, other = tmp_path / "a" / "model.onnx", tmp_path / "b" / "model.onnx"
    assert bench_models.called(alike, other) == ("baseline (model.onnx)", "candidate (model.onnx)")
    assert bench_models.called(alike, tmp_path / "b.onnx") == ("model.onnx", "b.onnx")
