"""Work on models from outside, in a child within limits: `python -m kdeploy.verbs.external_work`.

    verb  --ask-->  child: convert, load, run, compare, count  --record-->  verb

Converters and runtimes are native code, which reads an admitted model, or a file of a runtime, that nobody else can
read. Whatever that does to them, they do here; the record comes back as JSON, and what was said of progress on the way.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kdeploy.records.base import Record
from kdeploy.records.count import CountRecord
from kdeploy.records.export import ModelExportRecord
from kdeploy.records.parity import ParityRow
from kdeploy.runtimes import artefacts, installed
from kdeploy.runtimes.scratch import filling, scratch_folder
from kdeploy.system import wire
from kdeploy.system.bounded import ask, serve
from kdeploy.system.limits import CONVERTED_BYTES, PATIENCE, Limits
from kdeploy.system.progress import Progress

SECONDS = 3600  # of each processor: float64 in NumPy takes its time, and a model that never ends was seen in the trial
CALL_SECONDS = 60  # of the first call of a file of a runtime, and one more for each MiB of it


def expect(
    paths: Sequence[Path], called: Sequence[Path], folder: Path | None, scratch: Path, progress: Progress
) -> list[ParityRow]:
    """Write what some admitted models must answer into one of our folders; the rows of each with the first where there
    is a folder of inputs.

    Args:
        called: those that ONNX Runtime may be asked about.
    """
    read = None if folder is None else str(folder)
    request = {"do": "expect", "paths": [*map(str, paths)], "folder": read, "scratch": str(scratch)}
    request |= {"called": [*map(str, called)]}
    return [*map(ParityRow.model_validate, _asked(request, _names(paths), "verified", progress)["rows"])]


def count(path: Path, batch: int, shape: Sequence[int] | None = None) -> CountRecord:
    """What one call of an inspected classifier costs; `shape` has the lengths of a sample, where some are free."""
    request = {"do": "count", "path": str(path), "batch": batch, "shape": shape and [*shape]}
    return CountRecord.model_validate(_asked(request, str(path), "counted", Progress())["record"])


def export(folder: Path, path: Path, bottleneck: str, target: str, progress: Progress) -> ModelExportRecord:
    """Write every form of an admitted classifier, and the one that ships, into a folder."""
    request = {"do": "export", "folder": str(folder), "path": str(path), "bottleneck": bottleneck, "target": target}
    return ModelExportRecord.model_validate(_asked(request, str(path), "exported", progress)["record"])


def convert(
    path: Path, inputs: np.ndarray, folder: Path, names: Sequence[str], *, wanted: bool, progress: Progress
) -> dict[str, Path]:
    """The file of an admitted model for each runtime.

    Args:
        inputs: float32 (inputs, *shape); the first are examples for the runtimes.
        wanted: a runtime that refuses the model is an error, and not left out.
    """
    with _stored(inputs) as file:
        request = {"do": "convert", "path": str(path), "inputs": file, "folder": str(folder), "names": [*names]}
        answer = _asked(request | {"wanted": wanted}, str(path), "converted", progress)
    return {name: Path(artefact) for name, artefact in answer["artefacts"].items()}


def logits(runtime: str, artefact: Path, input_name: str, inputs: np.ndarray) -> np.ndarray:
    """The logits of a model, float32 (inputs, classes), as `kdeploy.parity.compare.answers` has them.

    A file of a runtime may hold an endless loop, so one call of it must end soon before all inputs get their time.
    """
    with _stored(inputs) as file:
        request = {"do": "answer", "runtime": runtime, "artefact": str(artefact), "input": input_name, "inputs": file}
        seconds = CALL_SECONDS + artefacts.size_bytes(artefact) // 2**20
        _asked(request | {"do": "call"}, str(artefact), f"run once in {runtime}", Progress(), seconds)
        _asked(request, str(artefact), f"run in {runtime}", Progress())
        answers: np.ndarray = np.load(Path(file).with_name("logits.npy"), allow_pickle=False)
        return answers


def fit(teacher: Path, signature: Mapping[str, Any], data: Path, size: tuple[int, int] | None) -> dict[str, Any]:
    """The fields of the preprocessing that suits an admitted teacher best, by `kdeploy.verbs.init.teacher.fit`.

    Args:
        signature: the fields of the teacher's.
        size: (height, width) to which images of different sizes are resized.
    """
    request = {"do": "fit", "teacher": str(teacher), "signature": dict(signature), "data": str(data), "size": size}
    return _asked(request, str(teacher), "run on the data", Progress())


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))


@contextmanager
def _stored(inputs: np.ndarray) -> Iterator[str]:
    with scratch_folder() as folder:
        np.save(file := folder / "inputs.npy", inputs, allow_pickle=False)
        yield str(file)


def _asked(
    request: Mapping[str, Any], where: str, doing: str, progress: Progress, seconds: float | None = None
) -> wire.Message:
    seconds = seconds or SECONDS
    cpu_seconds = math.ceil(seconds * (os.cpu_count() or 1))
    limits = Limits.of_work(cpu_seconds, CONVERTED_BYTES)._replace(seconds=PATIENCE * seconds)
    with ExitStack() as tasks:
        return ask(
            "kdeploy.verbs.external_work", request, limits, where=where, doing=doing, step=Relay(progress, tasks)
        )


class Relay:
    """Progress that a child tells of, on the progress of this process."""

    def __init__(self, progress: Progress, tasks: ExitStack) -> None:
        self._progress, self._tasks = progress, tasks
        self._advances: list[Callable[[int], None]] = []

    def __call__(self, step: wire.Message) -> None:
        match step:
            case {"say": text}:
                self._progress.say(text)
            case {"task": [description, total]}:
                self._advances.append(self._tasks.enter_context(self._progress.task(description, total)))
            case {"done": count}:
                self._advances[-1](count)
            case {"end": _}:
                self._tasks.close()
                self._advances.clear()


class Telling(Progress):
    """Progress that a child tells to its parent."""

    def __init__(self, step: Callable[[wire.Message], None]) -> None:
        self._step = step

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Callable[[int], None]]:
        self._step({"task": [description, total]})
        try:
            yield lambda done: self._step({"done": done})
        finally:
            self._step({"end": True})

    def say(self, text: str) -> None:
        self._step({"say": text})


def work(request: wire.Message, step: Callable[[wire.Message], None]) -> dict[str, Any]:
    """What the parent asks for. Each kind of work imports what it needs: counting and comparing do without torch."""
    progress = Telling(step)
    match request["do"]:
        case "count" | "export" as kind:
            record = {"count": _counted, "export": _exported}[kind](request, progress)
            return {"record": record.model_dump(mode="json")}
        case "expect":
            return {"rows": [row.model_dump(mode="json") for row in _expected(request, progress)]}
        case "convert":
            return {"artefacts": _converted(request, progress)}
        case "fit":
            return _fitted(request)
        case "call":
            return _called(request)
        case _:
            return _answered(request)


def _expected(request: wire.Message, progress: Progress) -> list[ParityRow]:
    from kdeploy.verbs.external_models import expect

    folder = request["folder"] and Path(request["folder"])
    paths, called = ([*map(Path, request[name])] for name in ("paths", "called"))
    with filling(scratch := Path(request["scratch"])):
        return expect(paths, called, folder, scratch, progress)


def _counted(request: wire.Message, _progress: Progress) -> Record:
    from kdeploy.verbs.external_models import counted

    return counted(Path(request["path"]), request["batch"], request["shape"])


def _exported(request: wire.Message, progress: Progress) -> Record:
    from kdeploy.stages.export import external
    from kdeploy.verbs.external_models import made_inputs, model_of

    path, wanted = Path(request["path"]), {key: request[key] for key in ("bottleneck", "target")}
    return external.run(Path(request["folder"]), path, inputs=made_inputs(model_of(path)), progress=progress, **wanted)


def _converted(request: wire.Message, progress: Progress) -> dict[str, str]:
    from kdeploy.verbs.external_models import converted, model_of

    model, folder = model_of(Path(request["path"])), Path(request["folder"])
    inputs = np.load(request["inputs"], mmap_mode="r", allow_pickle=False)
    files = converted(model, inputs, folder, request["names"], progress, wanted=request["wanted"])
    return {name: str(file) for name, file in files.items()}


def _fitted(request: wire.Message) -> dict[str, Any]:
    from kdeploy.verbs.init import data, teacher

    size, read = request["size"], request["signature"]
    signature = teacher.TeacherSignature(tuple(read["shape"]), read["classes"], read["batch"])
    sample = data.look_at(Path(request["data"]), size=size and tuple(size), mode=signature.mode)
    return asdict(teacher.fit(Path(request["teacher"]), signature, sample))


def _called(request: wire.Message) -> dict[str, Any]:
    """One call, with the rows of a fixed batch."""
    inputs = np.load(request["inputs"], mmap_mode="r", allow_pickle=False)
    with closing(installed.find(request["runtime"]).load(Path(request["artefact"]), threads=1)) as session:
        rows = int(session.settings.get("fixed_batch", 1))
        session.run({request["input"]: np.array(inputs[:rows])})
    return {}


def _answered(request: wire.Message) -> dict[str, Any]:
    from kdeploy.parity.compare import answers

    inputs = np.load(request["inputs"], allow_pickle=False)
    found, _ = answers(request["runtime"], Path(request["artefact"]), request["input"], inputs)
    written = Path(request["inputs"]).with_name("logits.npy")
    with filling(written.parent):
        np.save(written, found, allow_pickle=False)
    return {}


if __name__ == "__main__":
    sys.exit(serve(work))
