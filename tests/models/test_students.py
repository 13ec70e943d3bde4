from __future__ import annotations

from pathlib import Path

import torch

from kdeploy.models import shallow, students
from kdeploy.models.weights import save_weights
from kdeploy.records.distill import StudentNetwork
from tests.models.test_shallow import MNIST


def test_a_trained_student_is_loaded_with_its_weights_for_evaluation(tmp_path: Path):
    trained, path = shallow.seeded(3, **MNIST, batch_norm=True), tmp_path / "student.safetensors"
    trained(torch.rand(20, 1, 28, 28))  # moves the statistics of the batch norms
    save_weights(trained, path, {})
    network = StudentNetwork(family="shallow", arguments=MNIST | {"batch_norm": True})
    loaded, batch = students.load(path, network), torch.rand(2, 1, 28, 28)
    assert not loaded.training
    assert torch.equal(loaded(batch), trained.eval()(batch))
