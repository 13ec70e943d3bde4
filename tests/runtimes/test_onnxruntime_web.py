from __future__ import annotations

import gc
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import KdeployError, ModelError
from kdeploy.runtimes import onnxruntime_web
from kdeploy.runtimes.onnxruntime_web import OnnxRuntimeWeb, WebSession
from kdeploy.runtimes.protocol import Source

here = pytest.mark.skipif(OnnxRuntimeWeb().missing() is not None, reason=f"web: {OnnxRuntimeWeb().missing()}")


def loaded(source: Source) -> WebSession:
    return OnnxRuntimeWeb().load(source.onnx, threads=1)


def process_of(session: WebSession) -> int:
    """The child's id: Linux lists the children of a thread."""
    return session._kill.peek()[1].__self__._process.pid  # type: ignore[index]


def runs(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


@here
def test_the_settings_are_read_back(source: Source):
    session = loaded(source)
    expected = {"threads": "1", "provider": "wasm", "transport": "pipe", "version": OnnxRuntimeWeb().version()}
    assert session.settings == expected
    session.close()


@here
def test_the_child_ends_with_its_session(source: Source):
    session = loaded(source)
    child = process_of(session)
    assert runs(child)
    session.close()
    assert not runs(child)
    with pytest.raises(KdeployError) as caught:
        session.run(source.example)
    assert str(caught.value) == f"{source.onnx}: must not be run after close()."


@here
def test_the_child_of_a_forgotten_session_ends(source: Source):
    session = loaded(source)
    child = process_of(session)
    del session
    gc.collect()
    assert not runs(child)


@here
def test_a_child_that_dies_is_an_error_of_ours(source: Source):
    session = loaded(source)
    os.kill(process_of(session), signal.SIGKILL)
    with pytest.raises(ModelError, match="must run in onnxruntime-web"):
        session.run(source.example)
    session.close()


@here
@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_file_that_is_no_model_is_an_error_of_ours_and_leaves_no_child(content: bytes | None, tmp_path: Path):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeWeb().load(path, threads=1)
    assert str(caught.value).startswith(f"{path}: must be a model that onnxruntime-web reads (")


@here
def test_a_relative_folder_of_packages_will_do(source: Source, monkeypatch: pytest.MonkeyPatch):
    package = onnxruntime_web._package()
    assert package is not None
    monkeypatch.setenv("KDEPLOY_NODE_MODULES", os.path.relpath(package.parent))
    loaded(source).close()


def test_what_node_says_of_its_end_is_in_the_message(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    package = tmp_path / "onnxruntime-web"
    package.mkdir()
    (package / "package.json").write_text(json.dumps({"version": "1", "main": "main.js"}))
    (package / "main.js").write_text("throw new Error('of the package')")
    monkeypatch.setenv("KDEPLOY_NODE_MODULES", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        loaded(source)
    assert str(caught.value) == (
        f"{source.onnx}: must be a model that onnxruntime-web reads (Error: of the package). "
        "Check the path, or export the model again."
    )


@here
def test_an_answer_can_be_written_to(source: Source):
    session = loaded(source)
    logits = session.run(source.example)["logits"]
    logits += 1
    assert not np.array_equal(session.run(source.example)["logits"], logits)
    session.close()


def test_the_package_is_found_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "modules" / "onnxruntime-web"
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": "9.8.7"}))
    monkeypatch.setenv("KDEPLOY_NODE_MODULES", str(package.parent))
    monkeypatch.setenv("PATH", str(program(tmp_path / "bin" / "node").parent))
    assert (OnnxRuntimeWeb().missing(), OnnxRuntimeWeb().version()) == (None, "9.8.7")


def installed_below(folder: Path) -> Path:
    """A package that is not one, in `node_modules` below a folder."""
    package = folder / "node_modules" / "onnxruntime-web"
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": "9.8.7"}))
    return package.parent


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_package_is_found_in_node_path_and_where_it_was_installed_for_all(tmp_path, monkeypatch):
    monkeypatch.delenv("KDEPLOY_NODE_MODULES", raising=False)
    monkeypatch.setenv("PATH", str(program(tmp_path / "prefix" / "bin" / "node").parent))
    monkeypatch.setenv("NODE_PATH", str(installed_below(tmp_path / "a")))
    assert OnnxRuntimeWeb().version() == "9.8.7"
    monkeypatch.delenv("NODE_PATH")
    assert OnnxRuntimeWeb().missing() is not None
    installed_below(tmp_path / "prefix" / "lib")
    assert (OnnxRuntimeWeb().missing(), OnnxRuntimeWeb().version()) == (None, "9.8.7")


@pytest.mark.parametrize("node_path", [None, "", ".", "node_modules", "./node_modules:"])
@pytest.mark.parametrize("path", ["", ".", "bin", ":"])
def test_neither_node_nor_the_package_is_taken_from_the_working_folder(tmp_path, monkeypatch, path, node_path):
    installed_below(tmp_path)
    program(tmp_path / "node")
    program(tmp_path / "bin" / "node")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KDEPLOY_NODE_MODULES", raising=False)
    if node_path is None:
        monkeypatch.delenv("NODE_PATH", raising=False)
    else:
        monkeypatch.setenv("NODE_PATH", node_path)
    monkeypatch.setenv("PATH", path)
    assert onnxruntime_web._package() is None
    assert OnnxRuntimeWeb().missing() == "Install Node 20 or later, then: npm install --global onnxruntime-web."


def test_what_is_missing_is_said_with_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KDEPLOY_NODE_MODULES", raising=False)
    monkeypatch.delenv("NODE_PATH", raising=False)
    monkeypatch.setenv("PATH", str(program(tmp_path / "bin" / "node").parent))
    assert OnnxRuntimeWeb().missing() == (
        "Install it with: npm install --global onnxruntime-web (or set KDEPLOY_NODE_MODULES to the node_modules that "
        "has it)."
    )
