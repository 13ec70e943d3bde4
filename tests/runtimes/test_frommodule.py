from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.runtimes import ports
from kdeploy.runtimes.frommodule import example_of, module_of
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
