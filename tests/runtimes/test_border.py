from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import DataError, KdeployError, ModelError, ResourceError, UsageError
from kdeploy.runtimes.border import (
    InputGuard,
    Port,
    check_threads,
    closed,
    converting,
    failed,
    fixed_batch,
    last_line,
    only_fp32,
    quietly,
    reading,
)
from kdeploy.runtimes.protocol import Refused

FLOAT = np.dtype(np.float32)
IMAGE = Port("image", FLOAT, (None, 3, 8, 8))
MASK = Port("mask", np.dtype(np.bool_), (None, 8))


def refusal(inputs, *ports: Port) -> str:
    with pytest.raises(DataError) as caught:
        InputGuard("model.onnx", ports).check(inputs)
    return str(caught.value)


def test_inputs_of_the_model_pass_again_and_again():
    guard = InputGuard("model.onnx", [IMAGE, MASK])
    for rows in (1, 1, 0, 5, 1):
        guard.check({"mask": np.ones((rows, 8), np.bool_), "image": np.ones((rows, 3, 8, 8), np.float32)})


@pytest.mark.parametrize("names", [[], ["mask"], ["image", "mask", "more"], ["Image", "mask"]])
def test_other_names_are_refused(names: list[str]):
    inputs = {name: np.ones((1, 8), np.float32) for name in names}
    assert refusal(inputs, IMAGE, MASK) == (
        f"model.onnx: must be given the inputs ['image', 'mask'] ({sorted(names)})."
    )


@pytest.mark.parametrize(
    ("value", "described"),
    [
        (np.ones((1, 3, 8, 8)), "float64 of shape (1, 3, 8, 8)"),
        (np.ones((1, 3, 8, 8), ">f4"), ">f4 of shape (1, 3, 8, 8)"),
        (np.ones((1, 3, 8, 9), "f4"), "float32 of shape (1, 3, 8, 9)"),
        (np.ones((3, 8, 8), "f4"), "float32 of shape (3, 8, 8)"),
        (np.ones(3, "f4"), "float32 of shape (3,)"),
        (np.float32(1), "float32"),
        ([[1.0]], "list"),
    ],
)
def test_other_arrays_are_refused(value, described: str):
    assert refusal({"image": value}, IMAGE) == (
        f"model.onnx: input 'image' must be float32 of shape (any, 3, 8, 8) ({described}). Convert it before the call."
    )


def test_batches_that_differ_are_refused():
    inputs = {"image": np.ones((2, 3, 8, 8), np.float32), "mask": np.ones((1, 8), np.bool_)}
    assert refusal(inputs, IMAGE, MASK) == ("model.onnx: inputs must have the same number of rows (image: 2, mask: 1).")


def test_batches_that_differ_are_refused_after_inputs_that_were_accepted():
    guard = InputGuard("model.onnx", [IMAGE, MASK])
    image, mask = np.ones((2, 3, 8, 8), np.float32), np.ones((2, 8), np.bool_)
    guard.check({"image": image, "mask": mask})
    with pytest.raises(DataError):
        guard.check({"image": image, "mask": mask[:1]})
    with pytest.raises(DataError):  # what was refused is not remembered as accepted
        guard.check({"image": image, "mask": mask[:1]})


def test_what_is_no_array_is_refused_after_one_that_was():
    guard = InputGuard("model.onnx", [Port("x", FLOAT, (2,))])
    guard.check({"x": np.ones(2, np.float32)})
    with pytest.raises(DataError) as caught:
        guard.check({"x": [1.0, 1.0]})
    assert str(caught.value) == (
        "model.onnx: input 'x' must be float32 of shape (2,) (list). Convert it before the call."
    )


SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@given(st.lists(st.tuples(SHAPES, st.sampled_from(["f4", "f8", "i4", ">f4"])), min_size=1, max_size=6))
def test_the_memory_of_the_last_call_never_changes_a_verdict(calls):
    """A guard that has seen other calls judges as a fresh one does."""
    port = Port("x", FLOAT, (None, 2))

    def accepts(guard: InputGuard, array) -> bool:
        try:
            guard.check({"x": array})
        except DataError:
            return False
        return True

    old = InputGuard("model", [port])
    for shape, dtype in calls:
        array = np.zeros(shape, dtype)
        expected = len(shape) == 2 and shape[1] == 2 and dtype == "f4"
        assert accepts(old, array) == accepts(InputGuard("model", [port]), array) == expected


@pytest.mark.parametrize(
    ("shapes", "settings"),
    [
        ([(4, 3)], {"fixed_batch": "4"}),
        ([(4, 3), (4,)], {"fixed_batch": "4"}),
        ([(None, 3)], {}),
        ([(4, 3), (None, 3)], {}),
        ([(4, 3), (5, 3)], {}),
        ([()], {}),
        ([], {}),
    ],
)
def test_the_batch_is_fixed_when_every_input_fixes_the_same(shapes, settings):
    assert fixed_batch([Port("x", FLOAT, shape) for shape in shapes]) == settings


def test_a_precision_other_than_fp32_is_refused_with_a_reason():
    only_fp32("onnxruntime", "fp32")
    with pytest.raises(Refused) as caught:
        only_fp32("onnxruntime", "int8")
    assert caught.value.reason == str(caught.value) == "onnxruntime converts to fp32 only, not to int8"


def test_no_threads_are_refused():
    check_threads("openvino", 1)
    with pytest.raises(UsageError) as caught:
        check_threads("openvino", 0)
    assert str(caught.value) == "runtime 'openvino': threads must be at least 1 (0)."


def test_a_foreign_reader_error_becomes_ours_with_its_last_line():
    with pytest.raises(ModelError) as caught, reading("model.onnx", "openvino"):
        raise RuntimeError("Exception from core.cpp:132:\nNo such model.\n\n")
    assert str(caught.value) == (
        "model.onnx: must be a model that openvino reads (No such model). Check the path, or export the model again."
    )
    assert isinstance(caught.value.__cause__, RuntimeError)


def _failed_run() -> AbstractContextManager[None]:
    @contextmanager
    def running() -> Iterator[None]:
        try:
            yield
        except RuntimeError as exc:
            failed("model.onnx", "openvino", exc)

    return running()


@pytest.mark.parametrize(
    ("border", "must"),
    [
        (partial(reading, "model.onnx", "openvino"), "must be read by openvino"),
        (
            partial(converting, "model.onnx", "must be a model that nncf quantises"),
            "must be a model that nncf quantises",
        ),
        (_failed_run, "must run in openvino"),
    ],
)
def test_memory_and_threads_that_ran_out_are_no_fault_of_the_model(
    border: Callable[[], AbstractContextManager[None]], must: str
):
    with pytest.raises(ResourceError) as caught, border():
        raise RuntimeError("Exception from core.cpp:132:\nResource temporarily unavailable\n")
    assert str(caught.value) == (
        f"model.onnx: {must} within the memory and threads that there are (Resource temporarily unavailable). "
        "Use smaller batches, or raise the limits of this process."
    )


def test_our_own_errors_pass_the_border_unchanged():
    ours = DataError("here", "must be so")
    with pytest.raises(DataError) as caught, reading("model.onnx", "openvino"):
        raise ours
    assert caught.value is ours


def test_a_foreign_run_error_becomes_ours():
    with pytest.raises(ModelError) as caught:
        failed("model.onnx", "onnxruntime", ValueError("bad node"))
    assert str(caught.value) == "model.onnx: must run in onnxruntime (bad node)."
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_without_a_message_goes_by_its_type():
    assert last_line(MemoryError()) == "MemoryError"


def test_a_closed_session_is_the_callers_mistake():
    with pytest.raises(KdeployError) as caught:
        closed("model.onnx")
    assert str(caught.value) == "model.onnx: must not be run after close()."
    assert caught.value.exit_code == 1


def test_nothing_is_said_while_it_is_quiet(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    log = logging.getLogger("a converter")
    with quietly():
        sys.stdout.write("progress")
        log.warning("of its own parts")
        warnings.warn("of its own parts", DeprecationWarning, stacklevel=1)
    log.warning("afterwards")
    assert capsys.readouterr().out == ""
    assert caplog.messages == ["afterwards"]
