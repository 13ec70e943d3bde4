"""Work on models from outside, in a child within limits: `python -m kdeploy.verbs.external_work`.

    verb  --ask-->  child: convert, load, run, compare, count  --record-->  verb

Converters and runtimes are native code, which reads an admitted model, or a file of a runtime, that nobody else can
read. Whatever that does to them, they do here; the record comes back as JSON, and what was said of progress on the way.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kdeploy.records.count import CountRecord
from kdeploy.records.export import ModelExportRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.system import wire
from kdeploy.system.bounded import ask, serve
from kdeploy.system.limits import GIB, Limits, memory_of_this_machine, tasks_of_this_machine
from kdeploy.system.progress import Progress

SECONDS = 3600  # by the clock: float64 in NumPy takes its time, and a model that never ends was seen in the trial
FILE_BYTES = 4 * GIB  # of a converted model


def verify(paths: Sequence[Path], folder: Path | None, progress: Progress) -> VerifyRecord:
    """The rows of some admitted models through every runtime, and of each with the first where there is a folder."""
    request = {"do": "verify", "paths": [*map(str, paths)], "folder": None if folder is None else str(folder)}
    return VerifyRecord.model_validate(_asked(request, _names(paths), "verified", progress)["record"])


def count(path: Path, batch: int) -> CountRecord:
    """What one call of an inspected classifier costs."""
    request = {"do": "count", "path": str(path), "batch": batch}
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
    """The logits of a model, float32 (inputs, classes), as `kdeploy.parity.compare.answers` has them."""
    with _stored(inputs) as file:
        request = {"do": "answer", "runtime": runtime, "artefact": str(artefact), "input": input_name, "inputs": file}
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
    with tempfile.TemporaryDirectory(prefix="kdeploy-inputs-") as folder:
        np.save(file := Path(folder, "inputs.npy"), inputs, allow_pickle=False)
        yield str(file)


def _asked(request: Mapping[str, Any], where: str, doing: str, progress: Progress) -> wire.Message:
    cpu_seconds = SECONDS * (os.cpu_count() or 1)
    limits = Limits(SECONDS, cpu_seconds, memory_of_this_machine(), FILE_BYTES, processes=tasks_of_this_machine())
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
    from kdeploy.verbs import external_models as models

    progress = Telling(step)
    match request["do"]:
        case "verify":
            folder = request["folder"] and Path(request["folder"])
            verified = models.verified([*map(Path, request["paths"])], progress, folder)
            return {"record": verified.model_dump(mode="json")}
        case "count":
            return {"record": models.counted(Path(request["path"]), request["batch"]).model_dump(mode="json")}
        case "export":
            return {"record": _exported(request, progress)}
        case "convert":
            return {"artefacts": _converted(request, progress)}
        case "fit":
            return _fitted(request)
        case _:
            return _answered(request)


def _exported(request: wire.Message, progress: Progress) -> dict[str, Any]:
    from kdeploy.stages.export import external
    from kdeploy.verbs.external_models import made_inputs, model_of

    path, wanted = Path(request["path"]), {key: request[key] for key in ("bottleneck", "target")}
    record = external.run(
        Path(request["folder"]), path, inputs=made_inputs(model_of(path)), progress=progress, **wanted
    )
    return record.model_dump(mode="json")


def _converted(request: wire.Message, progress: Progress) -> dict[str, str]:
    from kdeploy.verbs.external_models import converted, model_of

    model, folder = model_of(Path(request["path"])), Path(request["folder"])
    inputs = np.load(request["inputs"], mmap_mode="r", allow_pickle=False)
    artefacts = converted(model, inputs, folder, request["names"], progress, wanted=request["wanted"])
    return {name: str(artefact) for name, artefact in artefacts.items()}


def _fitted(request: wire.Message) -> dict[str, Any]:
    from kdeploy.verbs.init import data, teacher

    size, read = request["size"], request["signature"]
    sample = data.look_at(Path(request["data"]), size=size and tuple(size))
    signature = teacher.TeacherSignature(tuple(read["shape"]), read["classes"], read["batch"])
    return asdict(teacher.fit(Path(request["teacher"]), signature, sample))


def _answered(request: wire.Message) -> dict[str, Any]:
    from kdeploy.parity.compare import answers

    inputs = np.load(request["inputs"], allow_pickle=False)
    found, _ = answers(request["runtime"], Path(request["artefact"]), request["input"], inputs)
    np.save(Path(request["inputs"]).with_name("logits.npy"), found, allow_pickle=False)
    return {}


if __name__ == "__main__":
    sys.exit(serve(work))
