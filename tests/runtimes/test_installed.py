from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kdeploy.errors import MissingError, ModelError
from kdeploy.runtimes import installed
from kdeploy.runtimes.onnxruntime import OnnxRuntime
from kdeploy.runtimes.protocol import Processors, Source
from tests.fakes.scripted_runtime import ScriptedRuntime


def declare(folder: Path, monkeypatch: pytest.MonkeyPatch, *entries: str) -> None:
    """Make it look as if a package were installed that declares these runtimes."""
    info = folder / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(["[kdeploy.runtimes]", *entries]))
    monkeypatch.syspath_prepend(folder)


def test_ours_are_found_by_their_entry_points():
    assert {"onnxruntime", "openvino", "reference"} <= set(installed.names())
    assert isinstance(installed.find("onnxruntime"), OnnxRuntime)


def test_every_available_runtime_goes_by_the_name_it_is_declared_under():
    found = installed.available()
    assert found
    assert {name: runtime.name for name, runtime in found.items()} == {name: name for name in found}


WITHOUT_TORCH = """
import sys
from pathlib import Path
import numpy
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Refused, Source
path, loaded = Path(sys.argv[1]), []
source = Source(path, None, {"image": numpy.zeros((1, 1, 8, 8), "f4")}, None)
for name, runtime in installed.available().items():
    (folder := path.parent / name).mkdir()
    try:
        artefact = runtime.convert(source, folder, precision="fp32")
    except Refused:
        continue  # it starts from a torch module
    loaded.append(runtime.load(artefact, threads=1))
assert len(loaded) >= 4 and "torch" not in sys.modules
"""


def test_no_runtime_imports_torch_for_an_onnx_file(source: Source):
    """Benchmark workers are fresh processes that hold a runtime and nothing else."""
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(source.onnx)], check=True, timeout=120)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(MissingError) as caught:
        installed.find("no-such")
    known = ", ".join(installed.names())
    assert str(caught.value) == (
        f"runtime 'no-such': must be one of {known}. Choose one of these, or install the package that brings it."
    )
    assert caught.value.exit_code == 7


def test_a_plugin_is_found_like_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    declare(tmp_path, monkeypatch, "scripted = tests.fakes.scripted_runtime:ScriptedRuntime")
    assert installed.find("scripted").name == "scripted"
    assert "scripted" in installed.available()


def test_every_runtime_says_for_which_processors_its_files_are():
    asked = [
        ("onnxruntime", "int8"),
        ("onnxruntime", "fp16"),
        ("openvino", "bf16"),
        *((n, "fp32") for n in ("ort", "reference")),
    ]
    assert {pair: installed.processors(*pair).names for pair in asked} == {
        ("onnxruntime", "int8"): ("x86_64", "aarch64"),
        ("onnxruntime", "fp16"): ("x86_64",),
        ("openvino", "bf16"): ("x86_64+avx512_bf16", "x86_64+amx_bf16"),
        ("ort", "fp32"): ("x86_64", "aarch64"),
        ("reference", "fp32"): ("x86_64", "aarch64"),
    }


def test_of_a_runtime_older_than_that_promise_it_is_not_known(monkeypatch: pytest.MonkeyPatch):
    class Older(ScriptedRuntime):
        processors = None

    monkeypatch.setattr(installed, "find", lambda name: Older(name=name))
    assert installed.processors("older", "int8") == Processors(None, "older does not say it")


def test_a_plugin_that_cannot_be_imported_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    declare(tmp_path, monkeypatch, "torn = no_such_module_of_ours:Torn")
    assert "torn" in installed.names()
    assert "torn" not in installed.available()
    with pytest.raises(MissingError) as caught:
        installed.find("torn")
    assert str(caught.value) == (
        "runtime 'torn': must be importable from no_such_module_of_ours:Torn "
        "(No module named 'no_such_module_of_ours')."
    )


@pytest.mark.parametrize(
    ("name", "package"), [("onnxruntime", "onnxruntime"), ("openvino", "openvino"), ("reference", "onnx")]
)
def test_a_runtime_whose_package_is_gone_says_what_to_install(name: str, package: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert name not in installed.available()
    with pytest.raises(MissingError) as caught:
        installed.find(name)
    assert str(caught.value) == f"runtime '{name}': must be installed. Install it with: pip install {package}"


def test_a_refusal_is_an_error_for_who_cannot_do_without(source: Source, folder: Path):
    with pytest.raises(ModelError) as caught:
        installed.convert("reference", source, folder, precision="int8")
    assert str(caught.value) == (
        "runtime 'reference': must take source.onnx in int8 (reference converts to fp32 only, not to int8). "
        "Choose another, or ask for it in export.formats of a recipe, which has the torch module."
    )
