from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from kdeploy.errors import DataError
from kdeploy.parity import invariance
from kdeploy.parity.invariance import Trial
from kdeploy.records.parity import Fault
from kdeploy.runtimes.onnxruntime import OnnxRuntime
from kdeploy.runtimes.openvino import OpenVino
from kdeploy.runtimes.protocol import Arrays, Session
from kdeploy.runtimes.reference import Reference
from tests import made
from tests.fakes.scripted_runtime import Answers, Script, ScriptedRuntime, honest

SHAPE = (1, 4, 4)
INPUTS = np.random.default_rng(0).random((20, *SHAPE), np.float32)
BUDGET = 1e-5  # float32 rounds these sums of 16 at 1e-6
RUNTIMES = [Reference(), OnnxRuntime(), OpenVino()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made.linear(tmp_path / "m.onnx", SHAPE)


def trial(path: Path, script: Script = honest, **settings: str) -> Trial:
    session = ScriptedRuntime(script, settings=settings).load(path, threads=1)
    return Trial(session, "x", INPUTS)


def baked(path: Path, rows: int) -> Path:
    """A copy whose flattening holds the number of rows, though its input and output say that any will do."""
    model = onnx.load(path)
    model.graph.node[0].CopyFrom(helper.make_node("Reshape", ["x", "shape"], ["flat"], name="flatten"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([rows, -1]), "shape"))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_an_honest_session_has_no_fault(runtime, path):
    found = Trial(runtime.load(path, threads=1), "x", INPUTS)
    taken, fault = invariance.batches(found)
    assert (taken[-6:], fault) == ((1, 2, 3, 7, 32, 256), None)
    assert (taken[0] == 0) is (runtime.name != "reference")  # whose Flatten divides by the number of rows
    assert invariance.constancy(found, BUDGET) is None
    assert found.logits(INPUTS).shape == (20, 3)


@pytest.mark.parametrize(
    ("rows", "taken", "failing"),
    [(1, (0, 1), 2), (2, (0,), 1), (3, (0,), 1)],
)
def test_a_batch_that_is_baked_in_is_named_by_the_first_that_fails(rows, taken, failing, path):
    """16 features a row: a Reshape to 2 rows of a batch of 1 has 8, which no weight takes."""
    session = OnnxRuntime().load(baked(path, rows), threads=1)
    found, fault = invariance.batches(Trial(session, "x", INPUTS))
    assert fault is not None
    assert found in (taken, tuple(size for size in taken if size))  # an empty batch cannot be reshaped
    assert (fault.kind, fault.must) == ("batch", "must take any batch, as its graph declares")
    assert fault.got.startswith(f"fails at batch {failing}: ")
    assert fault.advice == "Another batch is baked into the graph: export it again with a dynamic one."


def test_logits_of_another_number_of_rows_are_a_fault(path):
    def short(session: Session, inputs: Arrays) -> Answers:
        return {"logits": session.run(inputs)["logits"][:5]}

    taken, fault = invariance.batches(trial(path, short))
    assert taken == (1, 2, 3)
    assert fault is not None
    assert fault.got == "fails at batch 7: 5 rows of logits"


def test_an_empty_batch_may_be_refused(path):
    def strict(session: Session, inputs: Arrays) -> Answers:
        if not len(inputs["x"]):
            raise DataError("m", "must be given a row")
        return session.run(inputs)

    assert invariance.batches(trial(path, strict)) == ((1, 2, 3, 7, 32, 256), None)


def test_a_fixed_batch_is_the_only_one(path):
    found = trial(path, fixed_batch="4")
    assert invariance.batches(found) == ((4,), None)
    assert invariance.constancy(found, BUDGET) is None
    # another batch may take another kernel, and end in another last bit
    np.testing.assert_allclose(found.logits(INPUTS[:6]), trial(path).logits(INPUTS[:6]), rtol=1e-6, atol=1e-7)
    assert invariance.propagates_nan(found) is True


def test_a_session_that_draws_is_a_fault(path):
    draws = np.random.default_rng(0)

    def noisy(session: Session, inputs: Arrays) -> Answers:
        return {"logits": session.run(inputs)["logits"] + draws.random(dtype=np.float32)}

    fault = invariance.constancy(trial(path, noisy), BUDGET)
    assert fault is not None
    assert (fault.kind, fault.must) == ("repetition", "must give the same answer to the same inputs")
    assert fault.got.startswith("off by 0.")
    assert fault.got.endswith(" the second time")


@pytest.mark.parametrize(
    ("fixed", "how"), [({}, "alone and in a batch of 256"), ({"fixed_batch": "4"}, "in another place of a batch of 4")]
)
def test_an_answer_that_depends_on_the_rest_of_the_batch_is_a_fault(fixed, how, path):
    """As a batch norm in training mode."""

    def centred(session: Session, inputs: Arrays) -> Answers:
        logits = session.run(inputs)["logits"]
        return {"logits": logits - logits[0]}

    assert invariance.constancy(trial(path, centred, **fixed), BUDGET) == Fault(
        kind="place",
        must=f"must answer within 2e-05 alike {how}",
        got=invariance.constancy(trial(path, centred, **fixed), BUDGET).got,
        advice="A layer of it reads the whole batch, as in training mode: export it again.",
    )


def test_a_session_that_reads_memory_as_it_lies_is_a_fault(path):
    def careless(session: Session, inputs: Arrays) -> Answers:
        array = inputs["x"]
        return session.run({"x": array.ravel(order="K").reshape(array.shape)})

    fault = invariance.constancy(trial(path, careless), BUDGET)
    assert fault is not None
    assert (fault.kind, fault.must) == ("layout", "must read Fortran order as it reads any array")
    assert fault.advice == "Leave this runtime out, and report it to its makers."


def test_what_becomes_of_nan_is_told_and_is_the_runtimes_own(path):
    """OpenVINO's ReLU makes it a number, and so a confident class of it."""
    told = {
        runtime.name: invariance.propagates_nan(Trial(runtime.load(path, threads=1), "x", INPUTS))
        for runtime in RUNTIMES
    }
    assert told["reference"] is True
    assert told["openvino"] is False


def test_a_session_that_refuses_nan_has_no_answer_to_tell(path):
    def strict(session: Session, inputs: Arrays) -> Answers:
        raise DataError("m", "must be given numbers")

    assert invariance.propagates_nan(trial(path, strict)) is None
