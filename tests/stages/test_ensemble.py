from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kdeploy.errors import ModelError
from kdeploy.models.ensemble import Rule, combine
from kdeploy.records.teacher import TeacherRecord
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import ensemble
from kdeploy.training.loop import software
from tests.reports import report_records
from tests.stages.conftest import CPU, HALF, IMAGE

RULE = Rule("probabilities", (0.25, 0.75))


def _members(folder: Path, samples: SampleSet) -> list[tuple[Path, TeacherRecord]]:
    """Two records with made logits."""
    found = []
    for number in range(2):
        place, draws = folder / str(number), np.random.default_rng(number)
        place.mkdir()
        for part in ("test", "held_out"):
            logits = draws.standard_normal((len(samples.parts[part]), len(samples.class_names)))
            np.save(place / f"{part}_logits.npy", logits.astype(np.float32))
        found.append((place, report_records.teacher(sha256=str(number) * 64, parameters=5, preprocessing=IMAGE)))
    return found


def _teacher(folder: Path, samples: SampleSet, members: list[tuple[Path, TeacherRecord]]) -> TeacherRecord:
    return ensemble.teacher(folder, members=members, rule=RULE, samples=samples, software=software(CPU, "fp32"))


def test_the_ensemble_is_measured_on_the_members_combined_logits(digits: SampleSet, tmp_path: Path):
    members = _members(tmp_path, digits)
    record = _teacher(tmp_path, digits, members)
    both = np.stack([np.load(place / "test_logits.npy") for place, _ in members])
    logits = combine(torch.from_numpy(both), RULE).numpy()
    assert np.array_equal(np.load(tmp_path / "test_logits.npy"), logits)
    right = (logits.argmax(1) == digits.labels[digits.parts["test"]]).mean()
    assert (record.test_accuracy, record.parameters) == (right, 10)
    assert record.ensemble is not None
    assert record.ensemble.weights == RULE.weights
    assert [member.sha256[0] for member in record.ensemble.members] == ["0", "1"]
    assert TeacherRecord.from_json(record.to_json(), where="it") == record


def test_another_order_is_another_ensemble(digits: SampleSet, tmp_path: Path):
    members = _members(tmp_path, digits)
    assert _teacher(tmp_path, digits, members).sha256 != _teacher(tmp_path, digits, members[::-1]).sha256


def test_members_that_are_fed_otherwise_are_refused(digits: SampleSet, tmp_path: Path):
    (first, record), (second, other) = _members(tmp_path, digits)
    members = [(first, record), (second, other.model_copy(update={"preprocessing": HALF, "name": "small"}))]
    with pytest.raises(ModelError) as caught:
        _teacher(tmp_path, digits, members)
    assert str(caught.value) == (
        f"teacher[1] (small): must have the preprocessing of teacher[0] ({record.name}), to be exported with it as one "
        "graph (size (14, 14) instead of None). Put what differs into the model, and leave preprocess out."
    )


def test_an_ensemble_is_called_by_its_members():
    assert ensemble.name_of(["deep-cnn", "net.onnx", "deep-cnn"]) == "2 x deep-cnn + net.onnx"
