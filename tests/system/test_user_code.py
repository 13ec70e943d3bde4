from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from kdeploy.errors import DataError, Interrupted, ModelError
from kdeploy.formatting.shortage import is_shortage
from kdeploy.system.user_code import calling, told


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (SystemExit(0), "SystemExit: 0"),
        (GeneratorExit(), "GeneratorExit"),
        (StopIteration(), "StopIteration"),
        (EOFError("no input"), "EOFError: no input"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_whatever_it_raises_is_its_own_fault(error: BaseException, words: str):
    with pytest.raises(ModelError) as caught, calling("net", "must answer", advice="Mend it."):
        _raise(error)
    line = _raise.__code__.co_firstlineno + 1
    assert str(caught.value) == f"net: must answer ({words}, in {Path(__file__)}:{line}). Mend it."


def test_a_mistake_that_torch_finds_has_no_place():
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(3, 2)(torch.rand(2, 5))
    raised = caught.value.with_traceback(caught.tb.tb_next)
    assert told(raised) == "mat1 and mat2 shapes cannot be multiplied (2x5 and 3x2)"


@pytest.mark.parametrize("error", [DataError("data", "must be there"), Interrupted("kdeploy", 2), MemoryError()])
def test_what_is_no_fault_of_it_passes(error: BaseException):
    with pytest.raises(type(error)) as caught, calling("net", "must answer"):
        raise error
    assert caught.value is error


def test_memory_that_torch_lacks_passes():
    with pytest.raises(RuntimeError) as caught, calling("net", "must answer"):
        torch.empty(1 << 60)
    assert is_shortage(caught.value)
    assert is_shortage(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_shortage(RuntimeError("out of ideas"))


def test_a_keyboard_interrupt_passes_where_nobody_catches_the_signal():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt), calling("net", "must answer"):
        raise KeyboardInterrupt


def test_what_it_prints_goes_to_stderr(capsys: pytest.CaptureFixture[str]):
    with calling("net", "must answer"):
        sys.stdout.write("hello\n")
    assert capsys.readouterr() == ("", "hello\n")
