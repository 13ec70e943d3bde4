"""Several ONNX classifiers as one graph answer as `kdeploy.models.ensemble` says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from kdeploy.errors import ModelError
from kdeploy.models.ensemble import Rule, combine
from kdeploy.stages.export import ensemble
from kdeploy.stages.export.ensemble import merge
from tests import made

SHAPE = (1, 4, 4)
INPUTS = np.random.default_rng(3).standard_normal((7, *SHAPE)).astype(np.float32)
RULES = [Rule("logits", (0.5, 0.2, 0.3)), Rule("probabilities", (0.5, 0.2, 0.3))]


def _answers(path: Path, inputs: np.ndarray = INPUTS) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return found


@pytest.fixture
def members(tmp_path: Path) -> list[Path]:
    """Three classifiers whose names inside are all the same."""
    return [made.linear(tmp_path / f"{seed}.onnx", SHAPE, seed=seed) for seed in range(3)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.mean)
def test_the_graph_is_the_mean_of_its_members(members, rule, tmp_path):
    merge(members, tmp_path / "all.onnx", input_name="image", shape=SHAPE, rule=rule)
    expected = combine(torch.from_numpy(np.stack([_answers(path) for path in members])), rule).numpy()
    model = onnx.load(tmp_path / "all.onnx")
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["image", "logits"]
    # float32, sums in another order
    np.testing.assert_allclose(_answers(tmp_path / "all.onnx"), expected, rtol=1e-5, atol=1e-6)
    plain = ReferenceEvaluator(model).run(None, {"image": INPUTS})[0]
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-6)


def test_members_who_are_sure_do_not_overflow_the_mean_of_probabilities(members, tmp_path):
    merge(members, tmp_path / "all.onnx", input_name="image", shape=SHAPE, rule=RULES[1])
    found = _answers(tmp_path / "all.onnx", INPUTS * 1e4)
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 1000
    [plain] = ReferenceEvaluator(onnx.load(tmp_path / "all.onnx")).run(None, {"image": INPUTS * 1e4})
    np.testing.assert_allclose(plain, found, rtol=1e-5, atol=1e-3)


def test_the_same_members_make_the_same_bytes(members, tmp_path):
    for name in ("one", "two"):
        merge(members, tmp_path / name, input_name="image", shape=SHAPE, rule=RULES[0])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_member_of_an_older_opset_is_converted(members, tmp_path):
    before = _answers(members[1])
    model = onnx.load(members[1])
    model.opset_import[0].version = 14  # its operators are the same there
    onnx.save(model, members[1])
    merge(members[1:2], tmp_path / "all.onnx", input_name="image", shape=SHAPE, rule=Rule("logits", (1.0,)))
    np.testing.assert_allclose(_answers(tmp_path / "all.onnx"), before, rtol=1e-6, atol=1e-6)


def test_a_member_with_a_fixed_batch_is_refused(members, tmp_path):
    model = onnx.load(members[2])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7
    onnx.save(model, members[2])
    with pytest.raises(ModelError) as caught:
        merge(members, tmp_path / "all.onnx", input_name="image", shape=SHAPE, rule=RULES[0])
    assert str(caught.value) == (
        f"{members[2]}: must take any batch to be one of several teachers (a batch of 7). "
        "Export it with a dynamic batch."
    )


def test_members_that_are_too_large_for_one_file_are_refused(members, tmp_path, monkeypatch):
    monkeypatch.setattr(ensemble, "LIMIT_BYTES", 1000)
    size = sum(path.stat().st_size for path in members)
    with pytest.raises(ModelError) as caught:
        merge(members, tmp_path / "all.onnx", input_name="image", shape=SHAPE, rule=RULES[0])
    assert str(caught.value) == (
        f"{tmp_path / 'all.onnx'}: must have at most 1000 bytes of weights ({size} bytes in 3 teachers)."
    )


def test_a_member_of_a_newer_opset_that_cannot_be_converted_is_refused(members, tmp_path):
    model = onnx.load(members[0])
    model.opset_import[0].version = 23
    model.graph.node.add(op_type="RMSNormalization", input=["logits", "second"], output=["unused"])
    onnx.save(model, members[0])
    with pytest.raises(ModelError) as caught:
        merge(members, tmp_path / "all.onnx", input_name="image", shape=SHAPE, rule=RULES[0])
    assert str(caught.value).startswith(
        f"{members[0]}: must be convertible to ONNX opset 18 to be one of several teachers (opset 23: "
    )
    assert str(caught.value).endswith("). Export it for opset 18.")
