"""doctor names every runtime, the demo data, the device and the precision."""

from __future__ import annotations

from importlib.metadata import requires, version

import pytest

from kdeploy.runtimes import installed
from kdeploy.verbs import doctor, extras
from kdeploy.verbs.doctor import Finding
from tests.program import inside


def test_everything_is_looked_at_and_what_the_package_needs_is_here():
    findings = {finding.name: finding for finding in doctor.examine()}
    extra = [f"extra {name}" for name in extras.declared(requires("kdeploy") or [])]
    runtimes = [f"runtime {name}" for name in installed.names()]
    assert list(findings) == [*runtimes, "demo data", *extra, "device", "precision"]
    assert {"extra timm", "extra torchvision", "extra huggingface"} < set(extra)
    assert findings["runtime onnxruntime"] == ("runtime onnxruntime", True, version("onnxruntime"))
    assert findings["demo data"] == ("demo data", True, "mnist-5k")
    assert all(finding.ok or "install" in finding.text for finding in findings.values())
    core = ("runtime onnxruntime", "runtime openvino", "runtime ort", "runtime reference", "device", "precision")
    assert all(findings[name].ok for name in core)


def test_the_document_holds_the_findings():
    found = inside("doctor", "--json")
    assert found.code == 0
    assert found.document == {"findings": [finding._asdict() for finding in doctor.examine()]}


def test_the_table_has_a_row_for_each():
    found = inside("doctor")
    assert (found.code, found.stderr) == (0, "")
    assert all(finding.name in found.stdout for finding in doctor.examine())


def test_strict_is_exit_code_7_when_something_is_missing(monkeypatch: pytest.MonkeyPatch):
    findings = [Finding("runtime a", True, "1.0"), Finding("runtime b", False, "Install it."), Finding("c", False, "")]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    sentence = "this machine: must have everything (missing: runtime b, c)."
    found = inside("doctor", "--strict")
    assert (found.code, sentence in found.stderr) == (7, True)
    found = inside("doctor", "--strict", "--json")
    assert (found.code, found.document["error"]["message"]) == (7, sentence)
    assert inside("doctor").code == 0


def test_strict_is_satisfied_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("runtime a", True, "1.0")])
    assert inside("doctor", "--strict").code == 0


def test_a_runtime_that_cannot_be_imported_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    class Broken:
        def version(self) -> str:
            raise ImportError("libomp.so is not here")

    monkeypatch.setattr(doctor.installed, "find", lambda _name: Broken())
    expected = Finding("runtime x", False, "it is installed, and cannot be imported: libomp.so is not here")
    assert doctor._runtime("x") == expected
