from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kdeploy.errors import ModelError
from kdeploy.graphs import export
from kdeploy.models import teachers
from kdeploy.models.weights import save_weights
from kdeploy.models.whitening import SAMPLES, whitening
from kdeploy.outputs.classes import CLASSES
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.transfer_set import Choice
from kdeploy.samples.views.views import Views
from kdeploy.stages import teacher
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.training.options import TrainingOptions
from tests.graphs.inspector import hostile
from tests.models import user_code
from tests.models.test_classifier import linear_model
from tests.stages.conftest import HALF, IMAGE, TRAINED, VIEWS, Done, classifier, feed, make_teacher


def test_training_lifts_the_teacher_far_above_chance(taught: Done):
    # ten digits: chance is 0.1, of 150 inputs at most 0.2 by luck
    assert taught.record.test_accuracy > 0.5
    assert taught.record.held_out_accuracy > 0.5
    assert taught.record.training.steps == TRAINED.length.steps


def test_the_record_says_what_lies_in_the_folder(taught: Done, digits: SampleSet):
    record, folder = taught.record, taught.folder
    assert (record.origin, record.name, record.file) == ("model", "deep-cnn", "teacher.safetensors")
    assert record.sha256 == hash_file(folder / record.file)
    assert record.parameters == 288_170
    assert record.class_names == digits.class_names
    assert sorted(path.name for path in folder.iterdir()) == [
        "held_out_logits.npy",
        "teacher.safetensors",
        "teacher.training.json",
        "test_logits.npy",
    ]
    for part, found in (("test", record.test_accuracy), ("held_out", record.held_out_accuracy)):
        logits = np.load(folder / f"{part}_logits.npy")
        assert found == CLASSES.quality(logits, digits.labels[digits.parts[part]])


def test_the_logits_are_those_of_the_saved_net(taught: Done, digits: SampleSet):
    batch = feed(digits, taught.record.preprocessing).plain(digits.parts["test"])
    found = np.load(taught.folder / "test_logits.npy")
    np.testing.assert_allclose(classifier(taught.folder).logits(batch).numpy(), found, rtol=1e-5, atol=1e-5)


def test_a_finished_training_is_not_done_again(taught: Done, digits: SampleSet, tmp_path: Path):
    for name in ("teacher.safetensors", "teacher.training.json"):
        (tmp_path / name).write_bytes((taught.folder / name).read_bytes())
    record = make_teacher(tmp_path, digits)
    assert record.training == taught.record.training
    assert record.sha256 == taught.record.sha256
    assert record.test_accuracy == taught.record.test_accuracy


def test_the_same_settings_give_the_same_teacher_and_the_labels_of_the_rest_are_not_read(
    digits: SampleSet, tmp_path: Path
):
    short = replace(TRAINED, length=teacher.Length(2))
    one = make_teacher(tmp_path, digits, teacher=short)
    labels = digits.labels.copy()
    labels[digits.parts["test"]] = 0
    labels[digits.parts["held_out"]] = 0
    others = replace(digits, labels=labels, where="samples")
    (tmp_path / "again").mkdir()
    again = make_teacher(tmp_path / "again", others, teacher=short)
    assert one.sha256 == again.sha256
    assert one.test_accuracy != again.test_accuracy


def test_a_teacher_is_trained_on_labels_without_mixup(digits: SampleSet, tmp_path: Path):
    found = {}
    for name, views in (("mixed", replace(VIEWS, mixup=1.0)), ("plain", VIEWS), ("other", Views(3, shift=2))):
        (tmp_path / name).mkdir()
        short = replace(TRAINED, length=teacher.Length(2))
        found[name] = make_teacher(tmp_path / name, digits, teacher=short, views=views).sha256
    assert found["mixed"] == found["plain"] != found["other"]


def test_a_teacher_learns_the_classes_that_the_transfer_set_has_not(digits: SampleSet, tmp_path: Path):
    true = digits.labels[digits.training]
    chosen = replace(digits, chosen=digits.training[true != 3], choice=Choice(without=("3",)), where="digits")
    found = []
    for name, some in (("all", digits), ("chosen", chosen)):
        (tmp_path / name).mkdir()
        found.append(make_teacher(tmp_path / name, some, teacher=replace(TRAINED, length=teacher.Length(2))).sha256)
    assert found[0] == found[1]


def test_an_onnx_teacher_is_taken_in_as_the_file_it_is(digits: SampleSet, tmp_path: Path):
    origin, folder = tmp_path / "net.onnx", tmp_path / "stage"
    folder.mkdir()
    net = user_code.build().eval()
    export.write(net, origin, input_name="pixels", shape=(1, 28, 28))
    given = teacher.ExternalTeacher("onnx", "net.onnx", origin)
    record = make_teacher(folder, digits, teacher=given, preprocessing=IMAGE)
    assert (record.origin, record.name, record.file) == ("onnx", "net.onnx", "teacher.onnx")
    assert record.sha256 == hash_file(origin) == hash_file(folder / "teacher.onnx")
    assert record.parameters == 7850
    assert record.training is None
    with torch.inference_mode():
        expected = net(feed(digits).plain(digits.parts["test"])).numpy()
    # sums of 784 products of float32, in another order
    np.testing.assert_allclose(np.load(folder / "test_logits.npy"), expected, rtol=1e-5, atol=1e-5)


def test_a_hostile_onnx_teacher_is_refused_and_not_kept(digits: SampleSet, tmp_path: Path):
    origin, folder = tmp_path / "net.onnx", tmp_path / "stage"
    folder.mkdir()
    hostile.write(hostile.endless_loop(), origin)
    with pytest.raises(ModelError) as caught:
        make_teacher(folder, digits, teacher=teacher.ExternalTeacher("onnx", "net.onnx", origin), preprocessing=IMAGE)
    what = "node 'loop' (Loop) must not be control flow"
    assert str(caught.value) == f"{origin}: {what}. Export a graph without If, Loop and Scan."
    assert list(folder.iterdir()) == []


def test_an_onnx_teacher_with_a_side_file_is_refused(digits: SampleSet, tmp_path: Path):
    origin = hostile.write(hostile.external("w.data"), tmp_path / "net.onnx")
    (tmp_path / "w.data").write_bytes(bytes(24))
    with pytest.raises(ModelError) as caught:
        make_teacher(tmp_path, digits, teacher=teacher.ExternalTeacher("onnx", "net.onnx", origin), preprocessing=IMAGE)
    assert str(caught.value) == (
        f"{origin}: must hold its weights itself, to be kept with the run (1 side file(s)). "
        "Save it as one file: onnx.save(onnx.load(path), other)."
    )


@pytest.mark.parametrize("with_weights", [True, False])
def test_a_users_module_is_taken_in_with_its_weights(digits: SampleSet, tmp_path: Path, with_weights: bool):
    folder, name = tmp_path / "stage", "tests.models.user_code:build"
    folder.mkdir()
    net, path = user_code.build().eval(), tmp_path / "weights.safetensors"
    if with_weights:
        with torch.no_grad():
            net[2].weight.mul_(2)  # type: ignore[index]
        save_weights(net, path, {})
    given = teacher.ExternalTeacher("torch", name, path if with_weights else None)
    record = make_teacher(folder, digits, teacher=given, preprocessing=IMAGE)
    assert (record.origin, record.name, record.file, record.parameters) == ("torch", name, "teacher.safetensors", 7850)
    found = teachers.module(folder, teachers.TeacherSpec("torch", name))
    assert torch.equal(found[2].weight, net[2].weight)  # type: ignore[index]


def test_a_teacher_of_other_classes_is_refused(digits: SampleSet, tmp_path: Path):
    origin = linear_model(tmp_path / "net.onnx")
    preprocessing = IMAGE.model_copy(update={"shape": (3,), "kind": "array", "dtype": "float32"})
    lines = replace(
        digits,
        inputs={"image": np.zeros((600, 3), np.float32)},
        kinds={"image": "array"},
        where="samples",
    )
    (tmp_path / "stage").mkdir()
    with pytest.raises(ModelError) as caught:
        teacher.run(
            tmp_path / "stage",
            teacher=teacher.ExternalTeacher("onnx", "net.onnx", origin),
            preprocessing=preprocessing,
            samples=lines,
            views=Views(0),
            device="cpu",
            progress=Progress(),
        )
    assert str(caught.value) == "net.onnx: must give one logit for each of the data's 10 classes (2 logits)."


def test_an_mlp_is_trained_for_epochs_with_the_net_that_was_asked_for(digits: SampleSet, tmp_path: Path):
    net = {"hidden": (40,), "input_dropout": 0.1, "hidden_dropout": 0.3, "max_norm": 2.0}
    asked = teacher.TrainedTeacher("mlp", teacher.Length(600, epochs=20), 0, TrainingOptions(lr=5e-3, batch=50), net)
    record = make_teacher(tmp_path, digits, teacher=asked)
    assert record.name == "mlp"
    assert record.training.steps == 20 * (150 // 50)
    # HALF shows it 14 x 14 pixels
    assert record.parameters == 14 * 14 * 40 + 40 + 40 * 10 + 10
    assert record.test_accuracy > 0.4  # chance is 0.1


def test_a_whitened_teacher_begins_with_the_patches_of_its_samples_and_learns(digits: SampleSet, tmp_path: Path):
    options = TrainingOptions(lr=0.1, batch=50, weight_decay=1e-3, optimizer="sgd")
    asked = teacher.TrainedTeacher("whitened-cnn", teacher.Length(25), 0, options)
    record = make_teacher(tmp_path, digits, teacher=asked)
    assert record.test_accuracy > 0.5  # chance is 0.1
    net = teachers.module(tmp_path, teachers.TeacherSpec("model", "whitened-cnn"))
    seen = feed(digits, HALF).plain(digits.parts["labeled"][:SAMPLES])
    rows = whitening(net.normalise(seen), 2, 5e-4)
    torch.testing.assert_close(net.patches.weight, torch.cat([rows, -rows]))
