from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from kdeploy.errors import ModelError
from kdeploy.graphs.columns import choose_columns, columns_for, named_classes
from tests import made

INPUTS = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
NAMES = ("ant", "bee", "cat", "dog", "eel")


def five(folder: Path, **metadata: str) -> onnx.ModelProto:
    """A classifier of five classes with this metadata."""
    model = onnx.load(made.linear(folder / "five.onnx", (4,), classes=5))
    onnx.helper.set_model_props(model, metadata)
    return model


def answers(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [found] = session.run(["logits"], {"x": INPUTS})
    return np.asarray(found)


def refusal(model: onnx.ModelProto, names: tuple[str, ...] | None, wanted: tuple[str, ...]) -> str:
    with pytest.raises(ModelError) as caught:
        columns_for(model, 5, names, wanted, "five.onnx")
    return str(caught.value)


def test_the_chosen_logits_are_those_of_the_whole_in_the_order_asked(tmp_path: Path):
    model = five(tmp_path)
    every = answers(model)
    choose_columns(model, [3, 0])
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(answers(model), every[:, [3, 0]])


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": json.dumps(NAMES)},
        {"classes": str(dict(enumerate(NAMES)))},
        {"Labels": json.dumps({str(place): name for place, name in reversed(list(enumerate(NAMES)))})},
        {"class_names": ",".join(NAMES)},
        {"labels": "\n".join(NAMES) + "\n"},
    ],
)
def test_names_are_read_from_the_metadata_as_exporters_write_them(tmp_path: Path, metadata: dict[str, str]):
    assert named_classes(five(tmp_path, **metadata), 5) == NAMES


@pytest.mark.parametrize("text", ["", "ant,bee", "ant,ant,bee,cat,dog", "[1, 2", "{'a': 1}", "(" * 10_000])
def test_what_is_no_name_for_each_logit_is_none(tmp_path: Path, text: str):
    assert named_classes(five(tmp_path, names=text), 5) == ()


def test_columns_are_found_by_name_and_left_alone_where_they_are_those_of_the_data(tmp_path: Path):
    plain, named = five(tmp_path), five(tmp_path, names=json.dumps(NAMES))
    assert columns_for(named, 5, None, ("dog", "ant"), "") == [3, 0]
    assert columns_for(plain, 5, NAMES, ("dog", "ant"), "") == [3, 0]
    assert columns_for(named, 5, None, NAMES[::-1], "") == [4, 3, 2, 1, 0]
    assert columns_for(named, 5, None, NAMES, "") is None
    assert columns_for(named, 5, None, ("1", "2", "3", "4", "5"), "") is None  # the same by other names
    assert columns_for(named, 5, None, (), "") is None
    assert columns_for(plain, 5, None, ("dog", "ant"), "") is None  # nobody names them, so the stage refuses them


def test_names_that_do_not_fit_are_refused(tmp_path: Path):
    model = five(tmp_path)
    assert refusal(model, NAMES, ("dog", *(f"new {number}" for number in range(7)))) == (
        "five.onnx: must name every class of the data among its 5 (not new 0, new 1, new 2, new 3, new 4 and 2 more). "
        "Name its classes as the data do, in the order of its logits, with teacher.classes."
    )
    assert refusal(model, NAMES[:4], ("dog",)) == (
        "five.onnx: must have a name for each of its 5 logits (4). "
        "Name each of its classes in teacher.classes, in the order of its logits."
    )
