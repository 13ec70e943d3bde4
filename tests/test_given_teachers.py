"""External teachers and data go all the way: an ONNX file or a torch module, images or plain numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kdeploy.records.samples import SamplesRecord
from kdeploy.records.teacher import TeacherRecord
from tests import made
from tests.models import user_code
from tests.program import STAGES, inside, kdeploy, python

RECIPE = """\
name: given
data: {{numpy: data.npz}}
views: {{count: 2}}
teacher: [{teacher}]
student: {{bottleneck: 2, hidden: [16]}}
distill: {{epochs: 2, batch: 32, seeds: 1, baseline: false}}
export: {{bottleneck: factored}}
bench: {{replicates: 2, max_seconds: 1}}
"""

MODULE = """
import torch
from torch import nn

def build():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        net[1].weight.fill_(0.5)
    return net

def broken():
    return 7
"""


def _write(folder: Path, teacher: str) -> Path:
    path = folder / "given.yaml"
    path.write_text(RECIPE.format(teacher=teacher))
    return path


@pytest.mark.parametrize(
    ("data", "shape", "kind"),
    [(made.images, (1, 8, 8), "image"), (made.points, (2,), "array")],
    ids=["images", "points"],
)
def test_an_onnx_teacher_and_arrays_of_ones_own_go_all_the_way(
    tmp_path: Path, data: Callable[[Path], Path], shape: tuple[int, ...], kind: str
) -> None:
    (tmp_path / "data").mkdir()
    archive = data(tmp_path / "data" / "data.npz")
    made.linear(tmp_path / "teacher.onnx", shape)
    recipe = _write(tmp_path, "{onnx: teacher.onnx}")
    words = ("run", recipe, "--runs", tmp_path / "runs", "--data-root", tmp_path / "data", "--json")
    found = inside(*words)
    assert found.code == 0, found.stderr
    summary = found.document
    assert summary["stages_run"] == list(STAGES)
    assert summary["baseline"] is None
    assert summary["verdict"]["status"] == "NO EVIDENCE"
    assert all(row["passed"] for row in summary["parity"])
    bundle = tmp_path / "runs" / summary["bundle"]
    assert inside("verify", bundle).code == 0
    assert json.loads((bundle / "preprocessing.json").read_bytes())[0]["kind"] == kind
    with np.load(archive, allow_pickle=False) as stored:
        rows = stored["x"][:2].reshape(2, *shape)
    np.save(tmp_path / "rows.npy", rows)
    predicted = python("-I", bundle / "predict.py", tmp_path / "rows.npy", folder=tmp_path)
    assert predicted.code == 0, predicted.stderr
    assert inside(*words).document["stages_run"] == []


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A folder with data, and a module of the user's for PYTHONPATH."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "mine.py").write_text(MODULE)
    made.images(tmp_path / "data.npz")
    return tmp_path


def test_with_trust_the_code_of_a_recipe_builds_the_teacher(module: Path) -> None:
    recipe = _write(module, '{torch: "mine:build"}')
    words = ("label", recipe, "--runs", module / "runs", "--data-root", module)
    refused = kdeploy(*words, PYTHONPATH=str(module / "code"))
    assert (refused.code, (module / "runs").exists()) == (4, False)
    found = kdeploy(*words, "--trust", PYTHONPATH=str(module / "code"))
    assert found.code == 0, found.stderr
    [record] = (module / "runs" / "teacher").glob("*/record.json")
    assert (TeacherRecord.read(record).origin, TeacherRecord.read(record).parameters) == ("torch", 195)


def test_a_function_that_gives_no_module_is_refused(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(module / "code")
    recipe = _write(module, '{torch: "mine:broken"}')
    found = inside("label", recipe, "--runs", module / "runs", "--data-root", module, "--trust")
    assert found.code == 3
    assert found.stderr.splitlines()[-1] == "error: mine:broken: must return a torch.nn.Module (int)."


def test_a_module_that_is_not_there_is_refused(module: Path) -> None:
    recipe = _write(module, '{torch: "nowhere.at_all:build"}')
    found = inside("label", recipe, "--runs", module / "runs", "--data-root", module, "--trust")
    assert found.code == 3
    assert found.stderr.splitlines()[-1] == (
        "error: nowhere.at_all:build: must be an importable package.module:function (No module named 'nowhere'). "
        "Look at PYTHONPATH."
    )


def test_a_teacher_with_other_classes_is_refused(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=draws.random((80, 2), np.float32), y=np.arange(80) % 4)
    made.linear(tmp_path / "teacher.onnx", (2,))
    found = inside("label", _write(tmp_path, "{onnx: teacher.onnx}"), "--runs", tmp_path / "r", "--data-root", tmp_path)
    assert found.code == 3
    assert found.stderr.splitlines()[-1] == (
        "error: teacher.onnx: must give one logit for each of the data's 4 classes (3 logits)."
    )


def test_missing_files_are_named_with_their_lines(tmp_path: Path) -> None:
    recipe = _write(tmp_path, "{onnx: teacher.onnx}")
    found = inside("plan", recipe, "--no-time", "--data-root", tmp_path / "data")
    assert (found.code, found.stdout) == (3, "")
    assert found.stderr == (
        f"{recipe}:2: data.numpy must be an .npz file (got {tmp_path}/data/data.npz: there is no such file). "
        "It is relative to the data root: set --data-root or KDEPLOY_DATA.\n"
        f"{recipe}:4: teacher[0].onnx must be a file (got teacher.onnx: there is no such file). "
        f"It is looked for in {tmp_path}, then in the data root {tmp_path}/data.\n"
    )


def test_the_same_arrays_elsewhere_are_the_same_samples(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        made.points(tmp_path / place / "data.npz")
        made.linear(tmp_path / "teacher.onnx", (2,))
        found = inside(
            "label", _write(tmp_path, "{onnx: teacher.onnx}"), "--runs", tmp_path / "r", "--data-root", tmp_path / place
        )
        assert found.code == 0, found.stderr
    [record] = (tmp_path / "r" / "samples").glob("*/record.json")
    assert SamplesRecord.read(record).class_names == ("0", "1", "2")


def test_several_teachers_go_all_the_way_and_are_redone_together(tmp_path: Path) -> None:
    made.images(tmp_path / "data.npz")
    made.linear(tmp_path / "one.onnx", (1, 8, 8))
    recipe = _write(tmp_path, "{onnx: one.onnx}, {model: deep-cnn, count: 2, train: {steps: 3}}")
    recipe.write_text(recipe.read_text() + "ensemble: {mean: probabilities, weights: [2, 1, 1]}\n")
    words = ("--runs", tmp_path / "runs", "--data-root", tmp_path)
    found = inside("run", recipe, *words, "--json")
    assert found.code == 0, found.stderr
    summary = found.document
    assert summary["teacher"]["name"] == "one.onnx + 2 x deep-cnn"
    assert all(row["passed"] for row in summary["parity"])
    assert inside("verify", tmp_path / "runs" / summary["bundle"]).code == 0
    assert inside("run", recipe, *words, "--force", "labels", "--json").document["stages_run"] == [
        "labels-0",
        "labels-1",
        "labels-2",
        "labels",
    ]
    assert inside("run", recipe, *words, "--force", "teacher-1", "--json").document["stages_run"] == ["teacher-1"]
    refused = inside("run", recipe, *words, "--force", "teacher-3")
    assert (refused.code, "teacher-0, teacher-1, teacher-2, teacher, labels-0" in refused.stderr) == (3, True)
    kept = inside("clean", "--runs", tmp_path / "runs", "--json")
    assert (kept.code, kept.document["unnamed"]) == (0, [])


@pytest.mark.parametrize(
    ("teacher", "labels", "bytes_of_a_row"),
    [
        ("{onnx: teacher.onnx, features: active}", "{kind: features}", 2 * (3 + 16)),
        ("{model: deep-cnn, train: {steps: 2}}", "{kind: features, dtype: float32}", 4 * (3 + 128)),
        ("{model: deep-cnn, features: features.2, train: {steps: 2}}", "{kind: features, components: 5}", 2 * (3 + 5)),
        ("{onnx: teacher.onnx, features: active}", "{kind: features, components: 5}", 2 * (3 + 5)),
        ("{onnx: teacher.onnx}", "{kind: topk, top: 2}", 2 * 2 + 2 * 2 + 4),
        ("{onnx: teacher.onnx}", "{kind: probabilities}", 2 * 3),
    ],
)
def test_labels_of_every_kind_teach_a_student(tmp_path: Path, teacher: str, labels: str, bytes_of_a_row: int) -> None:
    made.images(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8))
    recipe = _write(tmp_path, teacher)
    recipe.write_text(recipe.read_text() + f"labels: {labels}\n")
    words = ("--runs", tmp_path / "runs", "--data-root", tmp_path, "--json")
    found = inside("distill", recipe, *words)
    assert found.code == 0, found.stderr
    record = inside("label", recipe, *words).document
    headers = 2 * 256  # of two .npy files, rounded up to 64 bytes
    assert 0 < record["bytes"] - bytes_of_a_row * record["rows"] <= headers


@pytest.mark.parametrize("bottleneck", ["2", "null"])
def test_a_local_student_that_learns_from_a_layer_goes_all_the_way(tmp_path: Path, bottleneck: str) -> None:
    made.images(tmp_path / "data.npz")
    recipe = _write(tmp_path, "{model: deep-cnn, features: features.6, train: {steps: 20}}")
    recipe.write_text(recipe.read_text() + "labels: {kind: features, components: 6}\n")
    student = f"student={{bottleneck: {bottleneck}, hidden: [18, 16], locality: 2.5, batch_norm: true}}"
    hint = ("--set", "distill.hint_weight=10", "--set", "distill.hint_layer=1")
    words = ("--runs", tmp_path / "runs", "--data-root", tmp_path)
    plan = inside("plan", recipe, "--no-time", *words, "--set", student, *hint, "--json")
    assert plan.code == 0, plan.stderr
    found = inside("run", recipe, *words, "--set", student, *hint, "--json")
    assert found.code == 0, found.stderr
    summary = found.document
    assert summary["student"]["parameters"] == plan.document["student_parameters"]
    assert all(row["passed"] for row in summary["parity"])
    assert inside("verify", tmp_path / "runs" / summary["bundle"]).code == 0
    again = inside("run", recipe, *words, "--set", student, *hint, "--json")
    assert again.document["stages_run"] == []


@pytest.mark.parametrize("key", ["conv={channels: 4}", "locality=2"])
def test_a_student_of_images_is_refused_for_other_samples_before_a_teacher_is_taught(tmp_path: Path, key: str) -> None:
    made.points(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (2,))
    recipe = _write(tmp_path, "{onnx: teacher.onnx}")
    name = key.partition("=")[0]
    for verb in ("plan", "run"):
        found = inside(verb, recipe, "--runs", tmp_path / "runs", "--data-root", tmp_path, "--set", f"student.{key}")
        assert (found.code, found.stderr.splitlines()[-1]) == (
            3,
            f"error: student.{name}: must be left out where samples are not (channels, height, width) "
            f"(samples of shape (2,)). Remove student.{name}.",
        )
    assert not (tmp_path / "runs" / "teacher").exists()


def test_more_top_logits_than_classes_are_refused(tmp_path: Path) -> None:
    made.images(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8))
    words = ("--runs", tmp_path / "runs", "--data-root", tmp_path, "--set", "labels={kind: topk, top: 4}")
    found = inside("label", _write(tmp_path, "{onnx: teacher.onnx}"), *words)
    assert (found.code, found.stderr.splitlines()[-1]) == (
        3,
        "error: labels.top: must be at most the number of classes, 3 (4). Set labels.kind to logits to keep all.",
    )


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A folder with a run `given` up to its student, and the data of it."""
    made.images(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8))
    done = inside("distill", _write(tmp_path, "{onnx: teacher.onnx}"), *_places(tmp_path))
    assert done.code == 0, done.stderr
    return tmp_path


def _places(folder: Path) -> tuple[str | Path, ...]:
    return ("--runs", folder / "runs", "--data-root", folder)


def _second(folder: Path, run: str = "given") -> Path:
    path = folder / "second.yaml"
    path.write_text(RECIPE.format(teacher=f"{{run: {run}}}").replace("name: given", "name: second"))
    return path


def test_the_student_of_a_run_teaches_another_all_the_way(first: Path) -> None:
    found = inside("run", _second(first), *_places(first), "--json")
    assert found.code == 0, found.stderr
    summary = found.document
    assert summary["teacher"]["name"] == "given"
    assert all(row["passed"] for row in summary["parity"])
    given = inside("distill", "given", "--runs", first / "runs", "--json").document
    assert summary["teacher"]["test_accuracy"] == given["students"][0]["test_accuracy"]


def test_a_run_whose_student_changes_is_another_teacher(first: Path) -> None:
    before = inside("plan", _second(first), "--no-time", *_places(first), "--json").document["stages"]
    changed = inside("distill", first / "given.yaml", *_places(first), "--set", "distill.epochs=1")
    assert changed.code == 0, changed.stderr
    after = inside("plan", _second(first), "--no-time", *_places(first), "--json").document["stages"]
    assert (before[0], before[1] != after[1]) == (after[0], True)


def test_a_run_that_is_not_there_is_named_with_those_that_are(first: Path) -> None:
    found = inside("label", _second(first, "gone"), *_places(first))
    assert (found.code, found.stderr.splitlines()[-1]) == (
        3,
        f"error: {first}/second.yaml:4: teacher[0].run must be the name of a run (gone). Runs in {first}/runs: given.",
    )


def test_a_run_without_a_student_says_how_to_finish_it(tmp_path: Path) -> None:
    made.images(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (1, 8, 8))
    inside("label", _write(tmp_path, "{onnx: teacher.onnx}"), *_places(tmp_path))
    found = inside("label", _second(tmp_path), *_places(tmp_path))
    assert (found.code, found.stderr.splitlines()[-1]) == (
        3,
        f"error: {tmp_path}/second.yaml:4: teacher[0].run must be a run that has a student "
        "(given has samples, teacher, labels). Finish it: kdeploy distill given.",
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            {"x": np.zeros((80, 8, 8), np.uint8), "y": np.arange(80) % 3},
            "must have been trained on the classes of this data, 0, 1, 2 (top, middle, bottom).",
        ),
        (
            {
                "x": np.zeros((80, 9, 9), np.uint8),
                "y": np.arange(80) % 3,
                "classes": np.array(["top", "middle", "bottom"]),
            },
            "must read an input that the data has: x (1, 9, 9) (x (1, 8, 8)).",
        ),
    ],
)
def test_a_student_of_other_data_is_refused(first: Path, data: dict[str, np.ndarray], sentence: str) -> None:
    np.savez(first / "data.npz", **data)
    found = inside("label", _second(first), *_places(first))
    assert (found.code, found.stderr.splitlines()[-1]) == (3, f"error: given: {sentence}")


def test_weights_in_a_pickle_of_tensors_are_taken_and_code_is_not(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(module / "code")
    torch.save({"1.weight": torch.full((3, 64), 0.25), "1.bias": torch.zeros(3)}, module / "good.pt")
    torch.save(torch.nn.Flatten(), module / "bad.pt")
    words = (*_places(module), "--trust")
    found = inside("label", _write(module, '{torch: "mine:build", weights: good.pt}'), *words)
    assert found.code == 0, found.stderr
    assert inside("label", _write(module, '{torch: "mine:build", weights: bad.pt}'), *words).code == 4


def test_a_net_of_hugging_face_teaches_with_weights_of_the_users(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the package of the extra huggingface is not here")
    made.images(tmp_path / "data.npz")
    config = made.vision_transformer()
    net = transformers.AutoModelForImageClassification.from_config(config)
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    (tmp_path / "net").mkdir()
    config.save_pretrained(tmp_path / "net")
    processor = {"size": {"height": 8, "width": 8}, "image_mean": [0.5], "image_std": [0.25]}
    (tmp_path / "net" / "preprocessor_config.json").write_text(json.dumps(processor))
    recipe = _write(tmp_path, f"{{huggingface: {tmp_path / 'net'}, weights: weights.pt}}")
    found = inside("run", recipe, *_places(tmp_path), "--json")
    assert found.code == 0, found.stderr
    assert all(row["passed"] for row in found.document["parity"])
    [record] = (tmp_path / "runs" / "teacher").glob("*/record.json")
    assert TeacherRecord.read(record).preprocessing.std == (0.25,)


def test_a_module_for_inputs_of_another_shape_is_refused(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(module / "code")
    made.points(module / "data.npz")
    found = inside("label", _write(module, '{torch: "mine:build"}'), *_places(module), "--trust")
    assert (found.code, found.stderr.splitlines()[-1]) == (
        3,
        "error: mine:build: must take inputs of shape (batch, 2) (mat1 and mat2 shapes cannot be multiplied (48x2 and "
        "64x3)). Set teacher.preprocess, or bring data of the shape that it was trained on.",
    )


def test_teachers_of_ours_are_proved_together(tmp_path: Path) -> None:
    made.images(tmp_path / "data.npz")
    recipe = _write(tmp_path, "{model: deep-cnn, count: 2, train: {steps: 3}}")
    found = inside("verify", recipe, *_places(tmp_path), "--json")
    assert found.code == 0, found.stderr
    rows = [row for row in found.document["rows"] if row["model"] == "teacher"]
    assert rows
    assert all(row["passed"] for row in rows)


CODE, CODE_NAME = Path(user_code.__file__), user_code.__name__
BUILDERS = ("build_nothing", "build_and_leave", "build_without_words", "build_with_a_keyboard", "_raise")
LOGITS = "must answer with logits, one tensor of floats of shape (batch, classes), for 48 inputs"
SHAPE = "must take inputs of shape (batch, 1, 8, 8)"
BRING = "Set teacher.preprocess, or bring data of the shape that it was trained on."


def _line(words: str) -> int:
    """Where these words stand in the user's code."""
    return 1 + next(number for number, line in enumerate(CODE.read_text().splitlines()) if words in line)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("build_nothing", "must build a network (ValueError: there is nothing to build, in {code}:{build_nothing})."),
        ("build_and_leave", "must build a network (SystemExit: 0, in {code}:{build_and_leave})."),
        ("build_without_words", "must build a network (Stop, in {code}:{build_without_words})."),
        ("build_with_a_keyboard", "must build a network (KeyboardInterrupt, in {code}:{build_with_a_keyboard})."),
        ("NUMBER", "must build a network ('int' object is not callable)."),
        ("raises", f"{SHAPE} (ValueError: no answer today, in {{code}}:{{_raise}}). {BRING}"),
        ("raises_nothing", f"{SHAPE} (AssertionError, in {{code}}:{{_raise}}). {BRING}"),
        ("leaves", f"{SHAPE} (SystemExit: 4, in {{code}}:{{_raise}}). {BRING}"),
        ("pair", f"{LOGITS} (tuple)."),
        ("mapping", f"{LOGITS} (dict)."),
        ("nothing", f"{LOGITS} (NoneType)."),
        ("array", f"{LOGITS} (ndarray)."),
        ("whole_numbers", f"{LOGITS} (int64 of shape (48, 3))."),
        ("one_row", f"{LOGITS} (float32 of shape (1, 3))."),
        ("one_number", f"{LOGITS} (float32 of shape ())."),
        ("images", f"{LOGITS} (float32 of shape (48, 3, 1))."),
        (
            "single",
            "must answer in float64 too, which its exports are compared with (RuntimeError: expected m1 and m2 to have "
            "the same dtype, but got: double != float, in {code}:{single}).",
        ),
    ],
)
def test_what_a_teacher_does_wrong_is_told_as_its_own_fault(module: Path, function: str, sentence: str) -> None:
    found = inside("label", _write(module, f'{{torch: "{CODE_NAME}:{function}"}}'), *_places(module), "--trust")
    assert (found.code, found.stdout) == (3, "")
    lines = {name: _line(f"def {name}(") + 1 for name in BUILDERS} | {"single": _line("single = ")}
    assert found.stderr.splitlines()[-1] == f"error: {CODE_NAME}:{function}: {sentence.format(code=CODE, **lines)}"


@pytest.mark.parametrize(
    ("function", "got"),
    [
        ("noisy", r"its logits differ by up to \d\.\d+"),
        ("counted", r"its logits differ by up to 0\.5"),
        ("another_shape", r"\(48, 2\), and then \(48, 3\)"),
        ("build_with_a_secret", r"its logits differ by up to 0\.\d+"),
    ],
)
def test_a_teacher_that_answers_differently_is_refused_before_it_labels(module: Path, function: str, got: str) -> None:
    found = inside("label", _write(module, f'{{torch: "{CODE_NAME}:{function}"}}'), *_places(module), "--trust")
    assert (found.code, found.stdout) == (5, "")
    assert re.fullmatch(
        f"error: {CODE_NAME}:{function}: must answer the same when it is asked twice in evaluation mode \\({got}\\). "
        "Take out what is random or counts its calls, and make what it computes with parameters or buffers\\.",
        found.stderr.splitlines()[-1],
    )
    assert not (module / "runs" / "labels").exists()


def test_a_teacher_that_answers_with_infinity_is_refused(module: Path) -> None:
    found = inside("label", _write(module, f'{{torch: "{CODE_NAME}:infinite"}}'), *_places(module), "--trust")
    assert (found.code, found.stderr.splitlines()[-1]) == (
        5,
        f"error: {CODE_NAME}:infinite: must answer with finite numbers (NaN or infinity for 48 of 48 inputs).",
    )


def test_what_a_teacher_prints_is_not_in_the_document(module: Path) -> None:
    found = inside(
        "label", _write(module, f'{{torch: "{CODE_NAME}:talkative"}}'), *_places(module), "--trust", "--json"
    )
    assert found.code == 0, found.stderr
    assert found.document["rows"] > 0
    assert "I am a teacher\n" in found.stderr


def test_a_package_that_raises_when_it_is_looked_for_is_told_as_its_own_fault(module: Path) -> None:
    (module / "code" / "angry").mkdir()
    (module / "code" / "angry" / "__init__.py").write_text("import sys\n\nsys.exit('not today')\n")
    recipe = _write(module, '{torch: "angry.net:build"}')
    found = kdeploy("plan", recipe, "--no-time", *_places(module), "--trust", PYTHONPATH=str(module / "code"))
    place = module / "code" / "angry" / "__init__.py"
    assert (found.code, found.stdout) == (3, "")
    *traceback, last = found.stderr.splitlines()
    assert traceback[0].startswith("Traceback (most recent call last)")
    assert last == f"error: angry.net: must be importable (SystemExit: not today, in {place}:3)."
