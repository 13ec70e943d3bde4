from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from kdeploy.errors import ModelError
from kdeploy.graphs import export
from kdeploy.models import teachers
from kdeploy.models.classifier import ModuleClassifier, OnnxClassifier
from kdeploy.models.weights import save_weights
from tests.models import user_code

ARGUMENTS = {"shape": (1, 8, 8), "classes": 3, "mean": (0.1,), "std": (0.3,)}
USER = teachers.TeacherSpec("torch", "tests.models.user_code:build")
CPU = torch.device("cpu")


def test_an_onnx_teacher_lives_in_another_file_than_weights_do():
    assert [teachers.TeacherSpec(origin, "x").file for origin in ("model", "torch", "onnx")] == [
        "teacher.safetensors",
        "teacher.safetensors",
        "teacher.onnx",
    ]


def test_a_teacher_of_ours_is_built_again_from_its_file_alone(tmp_path: Path):
    net = teachers.seeded("deep-cnn", 4, ARGUMENTS).eval()
    save_weights(net, tmp_path / "teacher.safetensors", ARGUMENTS)
    again, batch = teachers.module(tmp_path, teachers.TeacherSpec("model", "deep-cnn")), torch.rand(2, 1, 8, 8)
    assert torch.equal(again(batch), net(batch))
    assert not again.training


def test_a_teacher_that_is_not_ours_is_refused():
    with pytest.raises(ModelError) as caught:
        teachers.seeded("resnet", 0, ARGUMENTS)
    assert str(caught.value) == "resnet: must be deep-cnn, whitened-cnn or mlp, the built-in teachers."


def test_a_users_module_gets_the_weights_of_its_file(tmp_path: Path):
    net = user_code.build()
    with torch.no_grad():
        net[2].bias += 1
    save_weights(net, tmp_path / "teacher.safetensors", {})
    again, batch = teachers.module(tmp_path, USER), torch.rand(2, 1, 28, 28)
    assert torch.equal(again(batch), net.eval()(batch))
    assert not again.training


def test_weights_of_another_module_than_the_users_are_an_error(tmp_path: Path):
    save_weights(nn.Linear(2, 2), tmp_path / "teacher.safetensors", {})
    with pytest.raises(ModelError) as caught:
        teachers.module(tmp_path, USER)
    assert str(caught.value) == (
        f"{tmp_path / 'teacher.safetensors'}: must hold the weights of this network "
        "(these differ: 2.bias, 2.weight, bias, weight)."
    )


def test_every_origin_becomes_a_classifier_with_the_same_answers(tmp_path: Path):
    net, batch = user_code.build().eval(), torch.rand(3, 1, 28, 28)
    save_weights(net, tmp_path / "teacher.safetensors", {})
    export.write(net, tmp_path / "teacher.onnx", input_name="image", shape=(1, 28, 28))
    ours = teachers.classifier(tmp_path, USER, device=CPU, precision="fp32")
    theirs = teachers.classifier(tmp_path, teachers.TeacherSpec("onnx", "net.onnx"), device=CPU, precision="bf16")
    assert isinstance(ours, ModuleClassifier)
    assert isinstance(theirs, OnnxClassifier)
    # 784 products of float32, summed in another order; in bfloat16 they would be off by 1e-2
    torch.testing.assert_close(theirs.logits(batch), ours.logits(batch), rtol=1e-5, atol=1e-5)
