"""What exporters leave in a file is no hindrance to a verb, and messages name the file that was given."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import kdeploy
from kdeploy.errors import ModelError
from kdeploy.graphs.inspector.child import inspect
from kdeploy.verbs.plain_models import plain_model
from tests import made
from tests.transforms.test_plain import DEAD, pooled


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A classifier with a node of an unknown domain that no output needs, and logits (n, 4, 1, 1)."""
    onnx.save(pooled(DEAD), tmp_path / "left.onnx")
    return tmp_path / "left.onnx"


def test_a_model_is_counted_without_what_nobody_needs(left: Path):
    record = kdeploy.show_model(left)
    assert (record.model, record.compute.multiply_adds, record.compute.params) == ("left.onnx", 4 * 3 * 2 * 2, 12)
    assert (record.compute.uncounted_ops, record.compute.coverage) == ({}, 1.0)


def test_a_plain_copy_is_worked_on_and_removed(left: Path):
    with plain_model(left, inspect(left)) as path:
        assert path.name == "left.onnx"
        assert [node.op_type for node in onnx.load(path).graph.node] == ["Conv", "GlobalAveragePool", "Flatten"]
    assert path != left
    assert not path.exists()


def test_a_model_that_is_plain_is_worked_on_itself(tmp_path: Path):
    path = made.linear(tmp_path / "plain.onnx", (1, 4, 4))
    with plain_model(path, inspect(path)) as same:
        assert same == path


def test_an_error_names_the_model_that_was_given(left: Path):
    with pytest.raises(ModelError) as caught, plain_model(left, inspect(left)) as path:
        raise ModelError(str(path), "must be another")
    assert str(caught.value) == f"{left}: must be another."
