"""Work on models from outside is done in a child: what it says and finds comes back, and its end is a sentence."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import kdeploy
from kdeploy.errors import KdeployError, ModelError, ResourceError
from kdeploy.parity.expected import Expected
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import Source
from kdeploy.system.limits import memory_of_this_machine
from kdeploy.system.progress import Progress
from kdeploy.timing.messages import LoadCommand
from kdeploy.timing.run.worker_process import WorkerProcess, ask
from kdeploy.verbs import external_models, external_work
from tests import made
from tests.graphs.inspector import hostile
from tests.graphs.inspector.test_trial import tireless
from tests.program import inside

SHAPE = (1, 4, 4)


class Heard(Progress):
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        self.lines.append(f"{description} of {total}")
        yield lambda done: self.lines.append(f"{description} {done}")
        self.lines.append(f"{description} ends")

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_child_finds_what_this_process_would(tmp_path):
    path = made.linear(tmp_path / "a.onnx", SHAPE)
    heard = Heard()
    found = external_models.verify_models([path], heard)
    (tmp_path / "here").mkdir()
    assert external_models.expect([path], [path], None, tmp_path / "here", Progress()) == []
    expected = Expected.read(tmp_path / "here" / "0.npz")
    assert {row.float32_error for row in found.rows} == {expected.oracle.float32_error}
    count = len(installed.available())
    steps = [f"parity {done}" for done in range(1, count + 1)]
    bars = [line for line in heard.lines if line.startswith(("oracle", "parity"))]
    assert (bars[0], bars[13], bars[14]) == ("oracle of 13", "oracle 13", "oracle ends")
    assert bars[15:] == [f"parity of {count}", *steps, "parity ends"]
    assert kdeploy.show_model(path) == external_models.counted(path, 1)


def test_work_that_takes_too_long_ends_and_nothing_is_kept(tmp_path, monkeypatch):
    path = made.linear(tmp_path / "a.onnx", SHAPE)
    monkeypatch.setattr(external_work, "SECONDS", 1)
    monkeypatch.setattr(external_work, "PATIENCE", 0.1)
    limits = f"{memory_of_this_machine()} bytes of memory and {os.cpu_count()} s of processor time"
    for doing, call in {
        "verified": lambda: kdeploy.verify_models([path]),
        "counted": lambda: kdeploy.show_model(path),
        "exported": lambda: kdeploy.export_model(path, kdeploy.Options(runs=tmp_path / "runs")),
        "converted": lambda: kdeploy.bench_models(path, path, kdeploy.Options(runs=tmp_path / "runs")),
    }.items():
        with pytest.raises(ResourceError) as caught:
            call()
        must = f"{path}: must be {doing} within {limits}"
        assert str(caught.value) == f"{must} (it took more than 0.1 s). Do not run it here."
    assert not [*(tmp_path / "runs").glob("[!.]*/*/record.json")]


@pytest.mark.parametrize("words", [["verify"], ["export"], ["bench", "--vs", "GOOD", "--quick"], ["init"]])
def test_a_model_that_would_compute_for_days_ends_in_every_verb(tmp_path, monkeypatch, words):
    from kdeploy.graphs.inspector import trial

    monkeypatch.setattr(trial, "SECONDS", 1)
    path = hostile.write(tireless(), tmp_path / "net.onnx")
    good, data = made.linear(tmp_path / "good.onnx", SHAPE), made.points(tmp_path / "points.npz")
    words = [str(good) if word == "GOOD" else word for word in words]
    runs = [] if words[0] in {"verify", "init"} else ["--runs", str(tmp_path / "runs")]
    subject = ["--teacher", path, "--data", data, "--out", tmp_path / "r.yaml"] if words[0] == "init" else [path]
    found = inside(words[0], *subject, *words[1:], *runs)
    assert (found.code, found.stdout) == (8, ""), found.stderr
    assert found.stderr.splitlines()[-1].startswith(f"error: {path}: must be run once within ")


def own_file(runtime: str, folder: Path) -> Path:
    """A small model in the form of a runtime."""
    model = made.linear(folder / "a.onnx", SHAPE)
    (folder / "own").mkdir()
    example = {"x": np.zeros((1, *SHAPE), np.float32)}
    return installed.find(runtime).convert(Source(model, None, example, None), folder / "own", precision="fp32")


def loaded(runtime: str, artefact: Path, inputs: Path, *, patience_s: float = 60.0) -> KdeployError | None:
    """How the loading of a file in a worker of the benchmark fails, if it does."""
    worker = WorkerProcess("candidate", patience_s=patience_s)
    command: LoadCommand = {
        "do": "load",
        "parent": os.getpid(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "runtime": runtime,
        "threads": 1,
        "batch": 1,
        "artefact": str(artefact),
        "sha256": None,
        "inputs": str(inputs),
        "expected": None,
        "tolerance": None,
    }
    try:
        ask(worker, command)
    except KdeployError as exc:
        return exc
    finally:
        worker.close()
    return None


@pytest.mark.parametrize("runtime", ["openvino", "ncnn", "tract", "ort"])
def test_a_spoiled_file_of_a_runtime_ends_with_a_sentence(tmp_path, runtime):
    if runtime not in installed.available():
        pytest.skip(f"{runtime} is not installed")
    path = own_file(runtime, tmp_path)
    np.savez(tmp_path / "inputs.npz", x=np.zeros((2, *SHAPE), np.float32))
    assert loaded(runtime, path, tmp_path / "inputs.npz") is None
    draws, whole = random.Random(0), path.read_bytes()
    spoiled = (b"", whole[: len(whole) // 2], draws.randbytes(1000), whole.replace(b"16", b"9" * 18))
    for content in spoiled[:3] if whole == spoiled[3] else spoiled:
        path.write_bytes(content)
        error = loaded(runtime, path, tmp_path / "inputs.npz")
        assert isinstance(error, ModelError | ResourceError), (content[:80], error)
        assert str(error).startswith((f"{path}: must ", "bench worker candidate: must answer "))


def test_a_worker_that_never_answers_is_ended(tmp_path):
    path = hostile.write(tireless(), tmp_path / "net.onnx")
    np.savez(tmp_path / "inputs.npz", x=np.zeros((2, 3), np.float32))
    error = loaded("onnxruntime", path, tmp_path / "inputs.npz", patience_s=5)
    assert str(error) == (
        "bench worker candidate: must answer within 5 s (it did not). Measure a smaller model or batch."
    )


def test_a_file_of_a_runtime_that_never_answers_gets_no_accuracy(tmp_path, monkeypatch):
    monkeypatch.setattr(external_work, "CALL_SECONDS", 3)
    path = hostile.write(tireless(), tmp_path / "net.onnx")
    with pytest.raises(ResourceError) as caught:
        external_work.logits("onnxruntime", path, "x", np.zeros((2, 3), np.float32))
    limits = f"{memory_of_this_machine()} bytes of memory and {3 * os.cpu_count()} s of processor time"
    must = f"{path}: must be run once in onnxruntime within {limits}"
    assert str(caught.value).startswith(f"{must} (it took more than ")


def test_a_file_of_other_classes_than_its_graph_is_refused(tmp_path):
    path = own_file("openvino", tmp_path)
    other = made.linear(tmp_path / "b.onnx", SHAPE, classes=2)
    folder = tmp_path / "inputs"
    for name in ("x", "y"):
        (folder / name).mkdir(parents=True)
        np.save(folder / name / "0.npy", np.zeros(SHAPE, np.float32))
    words = ("--runtime", "openvino", "--quick", "--inputs", folder, "--runs", tmp_path / "runs")
    found = inside("bench", other, path, *words)
    assert found.code == 3
    assert found.stderr.endswith(
        f"error: {path}: must give logits of shape (inputs, 2), as b.onnx does (shape (2, 3)).\n"
    )
