from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.recipe.formats import PRECISIONS, FormatRequest, expanded


@given(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), st.sampled_from(PRECISIONS))
def test_what_is_written_is_what_was_read(name: str, precision: str):
    if precision != "fp32" and name in ("onnx", "all"):
        return
    asked = FormatRequest.parse(f"{name}:{precision}")
    assert asked == (name, precision, False)
    assert FormatRequest.parse(str(asked)) == asked


def test_a_name_alone_is_in_fp32():
    assert FormatRequest.parse("openvino") == FormatRequest.parse("openvino:fp32") == ("openvino", "fp32", False)
    assert str(FormatRequest.parse("openvino:fp32")) == "openvino"


def test_a_folder_has_no_colon():
    assert FormatRequest.parse("openvino:fp16").folder == "openvino-fp16"
    assert FormatRequest.parse("openvino").folder == "openvino"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must be NAME or NAME:PRECISION (got ''). Write openvino, or onnxruntime:int8."),
        ("a:b:c", "must be NAME or NAME:PRECISION (got 'a:b:c'). Write openvino, or onnxruntime:int8."),
        ("openvino:", "must be NAME or NAME:PRECISION (got 'openvino:'). Write openvino, or onnxruntime:int8."),
        (
            "openvino:fp8",
            "must be of the precision fp32, fp16, bf16 or int8 (got 'openvino:fp8'). Without one it is fp32.",
        ),
        ("onnx:int8", "must be onnx without a precision (got 'onnx:int8'). Name a runtime, as onnxruntime:int8."),
        ("all:fp16", "must be all without a precision (got 'all:fp16'). Name a runtime, as onnxruntime:fp16."),
    ],
)
def test_a_wrong_text_is_refused_with_a_sentence(text: str, sentence: str):
    with pytest.raises(ValueError) as caught:
        FormatRequest.parse(text)
    assert str(caught.value) == sentence


def test_each_format_is_asked_for_once():
    assert expanded(["onnx", "openvino", "openvino:fp32", "onnx"], ["a"]) == (
        ("onnx", "fp32", False),
        ("openvino", "fp32", False),
    )


def test_all_is_every_precision_of_every_runtime_and_none_of_them_must_be():
    found = expanded(["all"], ["a", "b"])
    assert found[:3] == (("onnx", "fp32", False), ("a", "fp32", True), ("b", "fp32", True))
    assert set(found[1:]) == {(name, precision, True) for name in "ab" for precision in PRECISIONS}


def test_what_is_named_beside_all_must_be():
    for texts in (["all", "b:int8"], ["b:int8", "all"]):
        found = {str(asked): asked.optional for asked in expanded(texts, ["a", "b"])}
        assert len(found) == 9
        assert (found["b:int8"], found["b"], found["a:int8"]) == (False, True, True)
