from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from kdeploy.errors import ParityError
from kdeploy.models import students
from kdeploy.models.weights import load_weights
from kdeploy.parity import invariance
from kdeploy.parity.compare import raise_if_failed
from kdeploy.parity.every_format import compared
from kdeploy.parity.hard_inputs import Spec, families
from kdeploy.parity.made_families import MadeFamily, with_noise
from kdeploy.parity.module_truth import ModuleTruth
from kdeploy.parity.oracle import Oracle
from kdeploy.parity.subject import Subject, _family
from kdeploy.records.parity import VerifyRecord
from kdeploy.samples.preprocessing_numpy import apply_numpy
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.progress import Progress
from tests import made
from tests.fakes.scripted_runtime import ScriptedRuntime, replay
from tests.stages.conftest import HALF, IMAGE, Done, classifier, inputs_of

RUNTIMES = ["reference", "onnxruntime", "openvino"]
ADVICE = r"The model file is not the trained network: export it again, and report this if it stays\."


@pytest.fixture(scope="module")
def subjects(digits: SampleSet, taught: Done, distilled: Done, exported: Done) -> list[Subject]:
    """Student and teacher, as they are verified in a run."""
    student = students.seeded(distilled.record.student, 0)
    load_weights(student, distilled.folder / distilled.record.chosen.file)
    nets = {"student": (student.eval(), IMAGE), "teacher": (classifier(taught.folder).module, HALF)}
    made = {(form.model, form.runtime): exported.folder / form.file for form in exported.record.formats}
    found = []
    for name, (net, preprocessing) in nets.items():
        inputs = inputs_of(digits, preprocessing, "test")
        artefacts, truth = {"openvino": made[name, "openvino"]}, ModuleTruth(net)
        fed = apply_numpy(preprocessing, digits.inputs["image"][digits.parts["test"]])
        path = exported.folder / f"{name}.onnx"
        found.append(Subject(name, path, inputs, truth.oracle(inputs), artefacts, truth, fed=fed))
    return found


def test_student_and_teacher_pass_on_every_runtime(subjects: list[Subject]):
    record = compared(subjects=subjects, names=RUNTIMES, progress=Progress())
    assert [(row.model, row.runtime) for row in record.rows] == [
        (name, runtime) for name in ("student", "teacher") for runtime in RUNTIMES
    ]
    assert record.passed, record.rows
    raise_if_failed(record.rows)
    assert {row.runtime: row.inputs for row in record.rows} == {"reference": 64, "onnxruntime": 150, "openvino": 150}
    assert sorted(record.versions) == sorted(RUNTIMES)
    assert VerifyRecord.from_json(record.to_json(), where="here") == record
    for row in record.rows:
        assert row.batches == (0, 1, 2, 3, 7, 32, *(() if row.runtime == "reference" else (256,)))
        assert [family.name for family in row.families] == [*families(Spec((1,), 0, 1)), "near ties"]
        assert all(0 <= family.max_abs_error <= family.budget for family in row.families)
        assert row.propagates_nan is (row.runtime != "openvino")


class TestMutations:
    """What an export can get wrong, each caught, and named where it is."""

    def caught(self, subject: Subject, model: onnx.ModelProto, folder: Path, names: Sequence[str] = RUNTIMES) -> str:
        """The message of the first row of a spoiled student, of which no row passes."""
        onnx.save(model, folder / "student.onnx")
        spoiled = dataclasses.replace(subject, onnx=folder / "student.onnx", artefacts={})
        record = compared(subjects=[spoiled], names=list(names), progress=Progress())
        assert not any(row.passed for row in record.rows)
        assert VerifyRecord.from_json(record.to_json(), where="here") == record
        for row in record.rows:
            with pytest.raises(ParityError) as caught:
                raise_if_failed([row])
            assert caught.value.exit_code == 5
        with pytest.raises(ParityError) as caught:
            raise_if_failed(record.rows)
        return str(caught.value)

    @pytest.mark.parametrize("place", [0, 1, 2, 3], ids=["convolution", "V", "U", "logits"])
    def test_a_weight_spoiled_by_one_percent(self, place, subjects, tmp_path):
        model = onnx.load(subjects[0].onnx)
        node = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")][place]
        tensor = next(value for value in model.graph.initializer if value.name == node.input[1])
        weight = numpy_helper.to_array(tensor).copy()
        weight.flat[np.abs(weight).argmax()] *= 1.01
        tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
        message = self.caught(subjects[0], model, tmp_path)
        assert re.fullmatch(
            r"student on reference: must be within [\d.e-]+ of the trained network on 64 inputs \(off by [\d.e-]+ at "
            rf"input \d+, first at node '{node.name}' \({node.op_type}\), \d+ flipped\)\. {ADVICE}",
            message,
        )

    def test_a_weight_of_a_teacher_from_outside(self, subjects, tmp_path):
        """Which is run in a child that has not the trained network."""
        model = onnx.load(subjects[1].onnx)
        node = next(node for node in model.graph.node if node.op_type == "Gemm")
        tensor = next(value for value in model.graph.initializer if value.name == node.input[1])
        tensor.CopyFrom(numpy_helper.from_array(1.01 * numpy_helper.to_array(tensor), tensor.name))
        message = self.caught(dataclasses.replace(subjects[1], outside=True), model, tmp_path, ["onnxruntime"])
        assert message.startswith("teacher on onnxruntime: must be within ")
        assert f"first at node '{node.name}' (Gemm)" in message

    def test_two_classes_swapped(self, subjects, tmp_path):
        model = onnx.load(subjects[0].onnx)
        last = model.graph.node[-1]
        for tensor in model.graph.initializer:
            if tensor.name in last.input:
                values = numpy_helper.to_array(tensor).copy()
                values[[3, 5]] = values[[5, 3]]
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        assert f"first at node '{last.name}' (Gemm)" in self.caught(subjects[0], model, tmp_path)

    def test_a_batch_norm_left_in_training_mode(self, subjects, tmp_path):
        model = onnx.load(subjects[0].onnx)
        self.add_batch_norm(model)
        assert self.caught(subjects[0], model, tmp_path) == (
            "student on reference: must not be random or in training mode (node 'norm' (BatchNormalization)). "
            "Export it in evaluation mode."
        )

    def test_a_batch_norm_that_computes_its_statistics_itself(self, subjects, tmp_path):
        """As an exporter writes it that knows no training mode."""
        model = onnx.load(subjects[0].onnx)
        last = self.opened(model)
        nodes = [
            helper.make_node("ReduceMean", ["open", "rows"], ["mean"], name="statistics", keepdims=1),
            helper.make_node("Sub", ["open", "mean"], [last], name="centre"),
        ]
        model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "rows"))
        model.graph.node.extend(nodes)
        assert "first at node 'centre' (Sub)" in self.caught(subjects[0], model, tmp_path)

    def test_a_batch_that_is_baked_in(self, subjects, tmp_path):
        model = onnx.load(subjects[0].onnx)
        node = next(node for node in model.graph.node if node.op_type == "Reshape")
        tensor = next(value for value in model.graph.initializer if value.name == node.input[1])
        shape = numpy_helper.to_array(tensor).copy()
        shape[0] = 3
        tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
        # OpenVINO flattens behind the batch all the same, and is right at every size
        message = self.caught(subjects[0], model, tmp_path, RUNTIMES[:2])
        assert message.startswith(
            "student on reference: must take any batch, as its graph declares (fails at batch 1: cannot reshape"
        )
        assert message.endswith(" Another batch is baked into the graph: export it again with a dynamic one.")

    @pytest.mark.parametrize(("operator", "place"), [("Sub", 0), ("Conv", 1)], ids=["mean", "scale"])
    def test_a_fold_with_a_wrong_sign(self, operator, place, subjects, tmp_path):
        """x - mean as x + mean, and w / std as -w / std."""
        model = onnx.load(subjects[0].onnx)
        node = model.graph.node[place]
        assert node.op_type == operator
        tensor = next(value for value in model.graph.initializer if value.name == node.input[1])
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
        assert f"first at node '{node.name}' ({operator})" in self.caught(subjects[0], model, tmp_path)

    def test_a_wrong_mean_in_the_recorded_preprocessing(self, subjects, digits):
        wrong = IMAGE.model_copy(update={"mean": (0.1,)})
        fed = apply_numpy(wrong, digits.inputs["image"][digits.parts["test"]])
        subject = dataclasses.replace(subjects[0], fed=fed, artefacts={})
        [row] = compared(subjects=[subject], names=["onnxruntime"], progress=Progress()).rows
        with pytest.raises(ParityError) as caught:
            raise_if_failed([row])
        assert str(caught.value) == (
            "student on onnxruntime: must be fed raw inputs within 0.0001 of what the trained network was "
            f"(off by 0.1 at input {int(np.abs(fed - subject.inputs).reshape(150, -1).max(1).argmax())}). "
            "The preprocessing in the record of the export is not the trained network's: export it again."
        )

    def add_batch_norm(self, model: onnx.ModelProto) -> None:
        last = self.opened(model)
        stored = {name: np.ones(10, np.float32) for name in ("norm-scale", "norm-bias", "norm-mean", "norm-var")}
        model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in stored.items())
        outputs = [last, "mean-out", "var-out"]
        norm = helper.make_node("BatchNormalization", ["open", *stored], outputs, name="norm", training_mode=1)
        model.graph.node.append(norm)

    def opened(self, model: onnx.ModelProto) -> str:
        """Take the last node's output away from the graph; returns the name of the graph's output."""
        last = model.graph.output[0].name
        model.graph.node[-1].output[0] = "open"
        return last


def test_a_family_that_fails_is_named_with_its_node(subjects, tmp_path):
    """A clip at 100 changes no real input, but those that are ten thousand times too large."""
    model = onnx.load(subjects[0].onnx)
    node = model.graph.node[0]
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.float32), name) for value, name in ((-100, "least"), (100, "most"))
    )
    clip = helper.make_node("Clip", [node.input[0], "least", "most"], ["clipped"], name="clip")
    model.graph.node.insert(0, clip)
    model.graph.node[1].input[0] = "clipped"
    onnx.save(model, tmp_path / "student.onnx")
    clipped = dataclasses.replace(subjects[0], onnx=tmp_path / "student.onnx", artefacts={})
    [row] = compared(subjects=[clipped], names=["onnxruntime"], progress=Progress()).rows
    assert [family.name for family in row.families if not family.passed] == ["large"]
    with pytest.raises(ParityError) as caught:
        raise_if_failed([row])
    assert re.fullmatch(
        r"student on onnxruntime: must be within [\d.e+-]+ of the trained network on the made inputs 'large' \(off by "
        r"[\d.e+-]+ at input \d, first at node 'clip' \(Clip\), \d flipped\)\. Real inputs pass: leave this runtime "
        r"out where such inputs can come, and report this\.",
        str(caught.value),
    )


def test_a_flip_within_the_budget_of_a_near_tie_is_no_fault(tmp_path):
    """Off by 1e-9 at most, a margin of 1.5e-9 turned around."""
    path = made.linear(tmp_path / "m.onnx", (2,))
    session = ScriptedRuntime(replay([{"logits": np.array([[1e-9, 0.6e-9]])}])).load(path, threads=1)
    trial = invariance.Trial(session, "x", np.zeros((1, 2), np.float32))
    tie = MadeFamily("near ties", trial.inputs, Oracle(np.array([[0.0, 1.5e-9]]), 1e-8))
    found = _family(tie, trial, 8)
    assert (found.flips, found.passed) == (1, True)
    narrow = MadeFamily("near ties", trial.inputs, Oracle(np.array([[0.0, 1.5e-9]]), 1e-10))
    assert not _family(narrow, trial, 8).passed


@given(st.floats(1e-30, 1e30), st.floats(0, 1e30))
def test_few_inputs_have_at_least_the_noise_of_the_real_ones(scale, noise):
    real = Oracle(np.array([[3.0, -4.0]]), 1e-6)
    found = with_noise(Oracle(np.array([[scale, 0.0]]), noise), real)
    assert found.float32_error == max(noise, 1e-6, 1e-6 * (scale / 4))
    nothing = Oracle(np.zeros((1, 2)), 0.0)
    assert with_noise(nothing, nothing).float32_error == 0


def test_without_a_truth_nothing_is_made_and_no_node_named(subjects, tmp_path):
    bare = dataclasses.replace(subjects[0], truth=None, artefacts={})
    [row] = compared(subjects=[bare], names=["onnxruntime"], progress=Progress()).rows
    assert (row.passed, row.families) == (True, ())


def test_a_format_that_was_refused_is_not_verified(subjects):
    student = dataclasses.replace(subjects[0], artefacts={}, refused=("openvino",))
    found = compared(subjects=[student], names=["onnxruntime", "openvino"], progress=Progress())
    assert [row.runtime for row in found.rows] == ["onnxruntime"]


def test_an_artefact_that_was_converted_already_is_what_is_verified(subjects: list[Subject], exported: Done):
    student = subjects[0]
    swapped = dataclasses.replace(student, artefacts={"onnxruntime": exported.folder / "baseline.onnx"})
    found = compared(subjects=[swapped], names=["reference", "onnxruntime"], progress=Progress())
    assert [row.passed for row in found.rows] == [True, False]
    assert np.isfinite(found.rows[1].max_abs_error)
    with pytest.raises(ParityError, match=r", first at the converted file 'baseline\.onnx', \d+ flipped\)"):
        raise_if_failed(found.rows)
