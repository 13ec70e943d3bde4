from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from kdeploy.runtimes import ports
from kdeploy.runtimes.frommodule import example_of, module_of, quietly
from kdeploy.runtimes.protocol import Refused, Source
from tests.runtimes.exported import exported_source


def test_a_model_that_came_as_onnx_is_refused(source: Source):
    with pytest.raises(Refused) as caught:
        module_of(source, runtime="scripted")
    assert caught.value.reason == "scripted is made of a torch module, and this model came as ONNX"


def test_the_example_has_as_many_rows_as_the_batch(tmp_path: Path):
    source = exported_source(tmp_path)
    known = ports.fixed(ports.of_graph(source.onnx, runtime="scripted"), runtime="scripted")
    (example,) = example_of(source, known)
    assert np.array_equal(example.numpy(), source.example["image"][:1])


def test_nothing_is_said_while_it_is_quiet(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    log = logging.getLogger("a converter")
    with quietly():
        sys.stdout.write("progress")
        log.warning("of its own parts")
        warnings.warn("of its own parts", DeprecationWarning, stacklevel=1)
    log.warning("afterwards")
    assert capsys.readouterr().out == ""
    assert caplog.messages == ["afterwards"]
