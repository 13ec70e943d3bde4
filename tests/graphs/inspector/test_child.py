"""The child: its answer comes back whole, and whatever ends it, the host goes on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from kdeploy.errors import IntegrityError, ModelError, ParityError, ResourceError
from kdeploy.graphs.inspector.admit import admit
from kdeploy.graphs.inspector.child import inspect
from kdeploy.graphs.inspector.contents import inspect_contents
from kdeploy.graphs.inspector.record import InspectionLimits
from tests.graphs.inspector import hostile
from tests.graphs.inspector.hostile import good, unary, value
from tests.program import python

IMPORTS = """
import sys
from kdeploy.graphs.inspector.__main__ import inspected
from kdeploy.graphs.inspector.record import InspectionLimits
request = {"path": sys.argv[1], "where": sys.argv[1], "limits": InspectionLimits().model_dump(), "shape": None}
print(inspected(request, print))
print('imported:', *{'torch', 'onnxruntime', 'openvino', 'onnx'} & set(sys.modules))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_a_record_comes_back_as_it_was(path):
    hostile.write(good(), path)
    assert inspect(path) == inspect_contents(path, InspectionLimits())


@pytest.mark.parametrize(
    ("found", "kind", "code"),
    [
        (hostile.endless_loop(), ModelError, 3),
        (hostile.external("../canary"), IntegrityError, 4),
        (hostile.expand_bomb(), ResourceError, 8),
    ],
    ids=["loop", "canary", "bomb"],
)
def test_a_refusal_comes_back_as_it_was(found, kind, code, path):
    hostile.write(found, path)
    (path.parent.parent / "canary").write_bytes(b"secret")
    with pytest.raises(kind) as here:
        inspect_contents(path, InspectionLimits())
    with pytest.raises(kind) as there:
        inspect(path)
    assert there.value.as_json() == here.value.as_json()
    assert there.value.exit_code == code


def test_a_model_beyond_the_memory_is_refused_and_the_host_lives(path):
    wide = numpy_helper.from_array(np.zeros((3, 10 * 2**20), np.float32), "w")  # 120 MiB
    hostile.write(good(tensors=[wide], outputs=[value("y", ["rows", 10 * 2**20])]), path)
    assert inspect(path).weights_bytes == 120 * 2**20
    with pytest.raises(ResourceError) as caught:
        inspect(path, InspectionLimits(memory_bytes=300 * 2**20))
    expected = f"{path}: must be inspected within {300 * 2**20} bytes of memory (it needs more)."
    assert str(caught.value) == expected


def test_a_private_copy_goes_by_the_name_of_the_original(path):
    hostile.write(hostile.endless_loop(), path)
    with pytest.raises(ModelError) as caught:
        inspect(path, where="theirs.onnx")
    got = str(caught.value)
    assert got == "theirs.onnx: node 'loop' (Loop) must not be control flow. Export a graph without If, Loop and Scan."


def test_a_child_that_computes_for_too_long_is_ended(path):
    names = ["x", *(f"h{step}" for step in range(40_000)), "y"]
    nodes = [hostile.helper.make_node("Abs", [source], [target]) for source, target in pairwise(names)]
    hostile.write(hostile.model(nodes), path)
    with pytest.raises(ResourceError) as caught:
        inspect(path, InspectionLimits(cpu_seconds=1))
    expected = f"{path}: must be inspected within {2**30} bytes of memory and 1 s of processor time"
    assert str(caught.value) == f"{expected} (it took more than 1 s of processor time). Do not run it here."


def test_the_child_imports_no_torch_and_no_runtime(path):
    hostile.write(good(), path)
    assert python("-c", IMPORTS, path).stdout.splitlines()[-1] == "imported: onnx"


def test_a_module_beside_the_model_is_not_imported(path, monkeypatch):
    hostile.write(good(), path)
    (path.parent / "onnx.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(path.parent)
    assert inspect(path).opset == 18


def test_a_random_model_is_inspected_but_not_admitted(path):
    hostile.write(unary("RandomNormalLike"), path)
    assert inspect(path).unrepeatable == ("node 'randomnormallike' (RandomNormalLike)",)
    with pytest.raises(ParityError) as caught:
        admit(path)
    got = "node 'randomnormallike' (RandomNormalLike)"
    expected = f"{path}: must not be random or in training mode ({got}). Export it in evaluation mode."
    assert str(caught.value) == expected
