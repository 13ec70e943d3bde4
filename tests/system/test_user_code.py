from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
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


BROKEN = """\
import json

def build():
    return read("{")

def read(text):
    return json.loads(text)
"""


def test_the_traceback_begins_in_the_users_file_and_the_place_is_in_it_too(tmp_path: Path):
    path = tmp_path / "network.py"
    path.write_text(BROKEN)
    code: dict[str, Any] = {}
    exec(compile(BROKEN, str(path), "exec"), code)
    with pytest.raises(ModelError) as caught, calling("network:build", "must build a network"):
        code["build"]()
    said = "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    assert str(caught.value) == f"network:build: must build a network ({said}, in {path}:7)."
    [trace] = caught.value.__notes__
    assert trace.startswith("Traceback (most recent call last):\n")
    assert f'File "{path}", line 4, in build\n' in trace
    assert "user_code.py" not in trace.replace(Path(__file__).name, "")
    assert trace.endswith(f"json.decoder.{said}\n")


def test_the_place_is_in_the_users_file_where_a_package_raised():
    with pytest.raises(ModelError) as caught, calling("net", "must answer"):
        yaml.safe_load("{")
    line = test_the_place_is_in_the_users_file_where_a_package_raised.__code__.co_firstlineno + 2
    assert str(caught.value).endswith(f", in {Path(__file__)}:{line}).")
