from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from signal import SIGINT
from typing import Any

import numpy as np
import pytest
import torch

from kdeploy.errors import Interrupted
from kdeploy.evaluation.class_prior import class_prior
from kdeploy.evaluation.logits import logits_of
from kdeploy.evaluation.verdict import gap, judge, of_samples
from kdeploy.labels.store import Combined, Reader
from kdeploy.losses.hooks import Context
from kdeploy.losses.options import LossOptions, Noise, Relations, Selection
from kdeploy.models import students
from kdeploy.models.classifier import ModuleClassifier
from kdeploy.models.ensemble import Rule
from kdeploy.models.students import StudentOptions
from kdeploy.models.weights import load_weights
from kdeploy.outputs.classes import CLASSES
from kdeploy.records.seal import sealed
from kdeploy.samples.sampleset import SampleSet
from kdeploy.stages import distill, labels
from kdeploy.system.done import write_done
from kdeploy.system.files import hash_file
from kdeploy.system.progress import Progress
from kdeploy.training.loop import software
from tests.stages.conftest import (
    CPU,
    HALF,
    OPTIONS,
    STUDENT,
    VIEWS,
    Done,
    classifier,
    feed,
    label_header,
    make_students,
)

SHORT = replace(OPTIONS, epochs=1, seeds=2)


class Watching(Progress):
    """Knows which network is being trained, and can stop there."""

    def __init__(self, stop: str = "") -> None:
        self.stop, self.trained = stop, [""]

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Any]:
        self.trained.append(description)
        yield lambda _done: None

    @contextmanager
    def shield(self) -> Iterator[None]:
        yield
        if self.trained[-1] == self.stop:
            raise Interrupted("distill", SIGINT)


def test_the_students_learn_from_the_teacher(distilled: Done):
    # four epochs of a very small network; chance is 0.1
    assert all(net.test_agreement > 0.3 for net in distilled.record.students)
    assert all(net.training.steps == distilled.record.steps for net in distilled.record.students)


def test_the_students_see_mixtures_and_the_baselines_do_not(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path
):
    one = replace(OPTIONS, epochs=1, seeds=1)
    mixed = replace(feed(digits), views=replace(VIEWS, mixup=1.0), partners=digits.transfer)
    found = []
    for name, fed in (("plain", feed(digits)), ("mixed", mixed)):
        (tmp_path / name).mkdir()
        found.append(make_students(tmp_path / name, digits, taught.folder, labeled.folder, feed=fed, options=one))
    assert found[0].baselines[0].sha256 == found[1].baselines[0].sha256
    assert found[0].students[0].sha256 != found[1].students[0].sha256


def test_the_record_says_what_lies_in_the_folder(distilled: Done, taught: Done, digits: SampleSet):
    record, folder = distilled.record, distilled.folder
    assert (record.epochs, record.steps) == (4, 4 * 400 // 25)
    assert [net.seed for net in record.students] == [net.seed for net in record.baselines] == [0, 1, 2]
    taught_logits = {part: np.load(taught.folder / f"{part}_logits.npy") for part in ("test", "held_out")}
    for net in (*record.students, *record.baselines):
        logits = np.load(folder / net.logits)
        assert net.sha256 == hash_file(folder / net.file)
        assert net.test_accuracy == CLASSES.quality(logits, digits.labels[digits.parts["test"]])
        assert net.test_agreement == CLASSES.agreement(logits, taught_logits["test"])
    assert not list(folder.glob("*.checkpoint"))


def test_the_logits_are_those_of_the_saved_net(distilled: Done, digits: SampleSet):
    record = distilled.record
    module = students.seeded(record.student, 0)
    load_weights(module, distilled.folder / record.chosen.file)
    assert sum(value.numel() for value in module.parameters()) == record.parameters
    with torch.inference_mode():
        found = module.eval()(feed(digits).plain(digits.parts["test"])).numpy()
    np.testing.assert_allclose(found, np.load(distilled.folder / record.chosen.logits), rtol=1e-5, atol=1e-5)


def test_the_exported_seed_agrees_most_on_the_held_out_inputs(distilled: Done):
    record = distilled.record
    best = max(net.held_out_agreement for net in record.students)
    assert record.chosen.held_out_agreement == best
    assert record.chosen_seed == min(net.seed for net in record.students if net.held_out_agreement == best)
    assert record.chosen_because == (f"says what the teacher says on {best:.1%} of the held-out inputs, the most")


@pytest.mark.parametrize(("agreements", "chosen"), [((0.5, 0.9, 0.7), 1), ((0.5, 0.9, 0.9), 1), ((0.9, 0.1, 0.9), 0)])
def test_of_equal_seeds_the_first_is_exported(
    distilled: Done,
    taught: Done,
    labeled: Done,
    digits: SampleSet,
    tmp_path: Path,
    agreements: tuple[float, ...],
    chosen: int,
):
    shutil.copytree(distilled.folder, tmp_path, dirs_exist_ok=True)
    for net, value in zip(distilled.record.students, agreements, strict=True):
        done = net.model_copy(update={"held_out_agreement": value})
        write_done(tmp_path / f"student-{net.seed}.json", done, [tmp_path / net.file, tmp_path / net.logits])
    assert make_students(tmp_path, digits, taught.folder, labeled.folder).chosen_seed == chosen


def test_verdict_and_gap_are_those_of_the_kept_logits(distilled: Done, taught: Done, digits: SampleSet):
    record, labels = distilled.record, digits.labels[digits.parts["test"]]
    students, baselines = (
        np.stack([np.load(distilled.folder / net.logits).argmax(1) == labels for net in nets])
        for nets in (record.students, record.baselines)
    )
    assert record.verdict == judge(of_samples(students), of_samples(baselines))
    assert record.gap == gap(
        of_samples(students), of_samples((np.load(taught.folder / "test_logits.npy").argmax(1) == labels)[None])
    )


def test_student_and_baseline_of_a_seed_begin_with_the_same_weights_and_read_the_same_plan(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    begun: dict[str, dict[str, torch.Tensor]] = {}
    plans: list[int] = []
    real_train, real_plan = distill.train, distill.BatchPlan

    def watched_train(module: torch.nn.Module, *arguments: Any, **named: Any) -> Any:
        begun[named["description"]] = {name: value.clone() for name, value in module.state_dict().items()}
        return real_train(module, *arguments, **named)

    def watched_plan(samples: int, batch: int, seed: int) -> Any:
        plans.append(seed)
        return real_plan(samples, batch, seed)

    monkeypatch.setattr(distill, "train", watched_train)
    monkeypatch.setattr(distill, "BatchPlan", watched_plan)
    record = make_students(tmp_path, digits, taught.folder, labeled.folder, options=SHORT)
    for seed in (1, 2):
        student, baseline = begun[f"student {seed} of 2"], begun[f"baseline {seed} of 2"]
        assert all(torch.equal(student[name], baseline[name]) for name in student)
    first, second = (begun[f"student {seed} of 2"]["logits.weight"] for seed in (1, 2))
    assert not torch.equal(first, second)
    # the first counts the steps; then student and baseline, seed by seed, each for its loss and to name its samples
    assert plans == [0, *[0] * 4, *[1] * 4]
    assert {net.training.steps for net in (*record.students, *record.baselines)} == {record.steps}


def test_an_interrupted_distillation_goes_on_and_ends_with_the_same_nets(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = make_students(whole, digits, taught.folder, labeled.folder, options=SHORT)
    with pytest.raises(Interrupted):
        make_students(parts, digits, taught.folder, labeled.folder, options=SHORT, progress=Watching("student 2 of 2"))
    assert sorted(path.name for path in parts.glob("*.json")) == ["baseline-0.json", "student-0.json"]
    resumed = Watching()
    record = make_students(parts, digits, taught.folder, labeled.folder, options=SHORT, progress=resumed)
    assert resumed.trained == ["", "student 2 of 2", "baseline 2 of 2"]
    for found, wanted in zip(
        (*record.students, *record.baselines), (*expected.students, *expected.baselines), strict=True
    ):
        assert found.sha256 == wanted.sha256


def test_without_a_baseline_there_is_no_verdict(digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path):
    options = replace(SHORT, seeds=1, baseline=False)
    record = make_students(tmp_path, digits, taught.folder, labeled.folder, options=options)
    assert record.baselines == ()
    assert record.verdict.status == "NO EVIDENCE"
    assert record.verdict.reason == "no baseline was trained (distill.baseline)"
    assert record.student.arguments["bottleneck"] == STUDENT["bottleneck"]


LOSSES: list[tuple[str, LossOptions]] = [
    ("logit-mse", LossOptions(standardize=True)),
    ("logit-mse", LossOptions(noise=Noise(0.9, 0.5))),
    ("soft-targets", LossOptions(temperature=4.0, hard_weight=0.1)),
    ("soft-targets", LossOptions(temperature=2.0, standardize=True)),
    ("decoupled", LossOptions(temperature=4.0, beta=8.0, warm_up=2)),
    ("correlation", LossOptions(temperature=4.0, weighting="entropy")),
    ("logit-mse", LossOptions(relational=Relations(25.0, 50.0))),
    ("probability-mse", LossOptions(selection=Selection(0.5))),
    ("soft-targets", LossOptions(temperature=4.0, dynamic_temperature=3.0)),
]


@pytest.mark.parametrize(("name", "loss"), LOSSES)
def test_the_students_learn_by_every_loss(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path, name: str, loss: LossOptions
):
    options = replace(OPTIONS, seeds=1, baseline=False, loss=replace(loss, loss=name))
    record = make_students(tmp_path, digits, taught.folder, labeled.folder, options=options)
    assert record.loss == name
    # 64 steps of a very small network; chance is 0.1, and at most 0.2 by luck on 150 inputs
    assert record.students[0].test_agreement > 0.2


def test_a_loss_reads_the_labels_epochs_and_indices_of_its_samples_in_float32(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: dict[int, list[tuple[int, int]]] = {0: [], 1: []}

    def chosen(context: Context) -> torch.Tensor:
        assert context.progress == context.epoch
        assert context.student.dtype == torch.float32
        assert not torch.is_autocast_enabled("cpu")
        seen[context.epoch] += zip(context.samples.tolist(), context.labels.tolist(), strict=True)
        return context.student.square().mean()

    monkeypatch.setattr(distill, "loss_of", lambda *_, **__: chosen)
    options = replace(SHORT, epochs=2, seeds=1, baseline=False, training=replace(SHORT.training, precision="bf16"))
    make_students(tmp_path, digits, taught.folder, labeled.folder, options=options)
    expected = [(index, digits.labels[index]) for index in digits.transfer.tolist()]
    assert sorted(seen[0]) == sorted(seen[1]) == expected
    assert {label for _, label in seen[0]} == set(range(-1, 10))


def test_a_mixture_reads_every_member_and_two_that_are_one_teach_what_it_teaches(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path
):
    reader = Reader(labeled.folder, label_header(digits))
    logits = [np.load(taught.folder / f"{part}_logits.npy") for part in ("test", "held_out")]
    found = []
    for stored, mixture in ((reader, "mean"), (Combined([reader, reader], Rule("logits", (0.5, 0.5))), "certainty")):
        (tmp_path / mixture).mkdir()
        options = replace(SHORT, seeds=1, baseline=False, loss=LossOptions(mixture=mixture))
        record = distill.run(
            tmp_path / mixture,
            student=StudentOptions("shallow", STUDENT),
            feed=feed(digits),
            samples=digits,
            teacher=distill.StoredTeacher(stored, *logits),
            options=options,
            progress=Progress(),
        )
        found.append(record.students[0].sha256)
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def features(digits: SampleSet, taught: Done, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The labels with what the teacher's last layer reads."""
    folder = tmp_path_factory.mktemp("features")
    header = label_header(digits).model_copy(update={"kind": "features"})
    labels.run(
        folder,
        header=header,
        classifier=classifier(taught.folder),
        feed=feed(digits, HALF),
        samples=digits,
        software=software(CPU, "fp32"),
        progress=Progress(),
    )
    return Reader(folder, header)


GUIDED = [
    LossOptions(hint_weight=0.5),
    LossOptions(relational=Relations(25.0, 50.0, "features")),
    LossOptions(hint_weight=0.5, relational=Relations(1.0, 0.0, "features"), selection=Selection(0.5)),
]


@pytest.mark.parametrize("loss", GUIDED)
def test_features_guide_a_student_that_is_measured_and_kept_without_them(
    digits: SampleSet, taught: Done, labeled: Done, features: Reader, tmp_path: Path, loss: LossOptions
):
    options = replace(OPTIONS, seeds=1, baseline=False, curve=True, loss=loss)
    record = make_students(tmp_path, digits, taught.folder, labeled.folder, options=options, labels=features)
    (net,) = record.students
    assert net.test_agreement > 0.3  # chance is 0.1
    assert net.curve[-1] == net.test_accuracy
    module = students.seeded(record.student, 0)
    load_weights(module, tmp_path / net.file)
    assert record.parameters == sum(value.numel() for value in module.parameters())


def test_a_hint_for_the_first_hidden_layer_trains_another_student(
    digits: SampleSet, taught: Done, labeled: Done, features: Reader, tmp_path: Path
):
    options = replace(OPTIONS, epochs=1, seeds=1, baseline=False, loss=LossOptions(hint_weight=5.0))

    def trained(layer: int | None) -> str:
        folder = tmp_path / str(layer)
        folder.mkdir()
        changes = {
            "options": replace(options, hint_layer=layer),
            "labels": features,
            "student": STUDENT | {"hidden": [32, 16]},
        }
        return make_students(folder, digits, taught.folder, labeled.folder, **changes).students[0].sha256

    assert trained(1) != trained(2) == trained(None)


def test_a_guided_student_that_was_interrupted_ends_with_the_same_weights(
    digits: SampleSet, taught: Done, labeled: Done, features: Reader, tmp_path: Path
):
    options = replace(OPTIONS, epochs=1, seeds=1, baseline=False, loss=GUIDED[2])

    def trained(folder: Path, progress: Progress) -> str:
        folder.mkdir(exist_ok=True)
        changes = {"options": options, "labels": features, "progress": progress}
        return make_students(folder, digits, taught.folder, labeled.folder, **changes).students[0].sha256

    with pytest.raises(Interrupted):
        trained(tmp_path / "parts", Watching("student 1 of 1"))
    assert (tmp_path / "parts" / "student-0.checkpoint").exists()
    assert trained(tmp_path / "parts", Progress()) == trained(tmp_path / "whole", Progress())


def test_the_blocks_of_the_labels_are_the_first_view(digits: SampleSet, labeled: Done, monkeypatch: pytest.MonkeyPatch):
    reader = Reader(labeled.folder, label_header(digits))
    monkeypatch.setattr(distill, "BLOCK_ROWS", 150)
    blocks = list(distill._blocks(reader))
    assert [len(block) for block in blocks] == [150, 150, 100]
    np.testing.assert_array_equal(torch.cat(blocks).numpy(), reader.rows(0, np.arange(400)))


def test_a_curve_is_the_test_accuracy_after_each_epoch(digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path):
    seen = replace(OPTIONS, epochs=3, seeds=1, curve=True)
    record = make_students(tmp_path, digits, taught.folder, labeled.folder, options=seen)
    plain = make_students(
        _made(tmp_path / "plain"), digits, taught.folder, labeled.folder, options=replace(seen, curve=False)
    )
    for net, unseen in ((record.students[0], plain.students[0]), (record.baselines[0], plain.baselines[0])):
        assert len(net.curve) == 3
        assert net.curve[-1] == net.test_accuracy
        assert unseen.curve == ()
        assert net.sha256 == unseen.sha256


def test_a_curve_goes_on_where_its_training_was_interrupted(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path
):
    seen = replace(OPTIONS, epochs=2, seeds=1, curve=True, baseline=False)
    whole = make_students(_made(tmp_path / "whole"), digits, taught.folder, labeled.folder, options=seen)
    part = _made(tmp_path / "part")
    with pytest.raises(Interrupted):
        make_students(part, digits, taught.folder, labeled.folder, options=seen, progress=Watching("student 1 of 1"))
    later = sealed('{\n "test_accuracy": [0.5, 0.5]\n}\n')  # what a later step had seen before it was lost
    (part / "student-0.curve.json").write_bytes(later)
    again = make_students(part, digits, taught.folder, labeled.folder, options=seen)
    assert again.students[0].curve == whole.students[0].curve


def test_a_matched_prior_is_the_teachers_on_the_held_out_inputs(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path
):
    asked = replace(OPTIONS, epochs=1, seeds=1, match_prior=True)
    record = make_students(tmp_path, digits, taught.folder, labeled.folder, options=asked)
    net, baseline = record.students[0], record.baselines[0]
    module = students.seeded(record.student, 0)
    load_weights(module, tmp_path / net.file)
    classifier = ModuleClassifier(module, device=torch.device("cpu"), precision="fp32")
    found = class_prior(logits_of(classifier, feed(digits), digits.parts["held_out"]))
    # the bias is rounded to float32 when it is added
    assert found == pytest.approx(class_prior(np.load(taught.folder / "held_out_logits.npy")), abs=1e-5)
    logits, truth = np.load(tmp_path / net.logits), digits.labels[digits.parts["test"]]
    assert net.test_accuracy == CLASSES.quality(logits, truth)
    assert net.unmatched_test_accuracy == CLASSES.quality(logits - np.array(net.prior_bias), truth)
    assert (baseline.prior_bias, baseline.unmatched_test_accuracy) == (None, None)


def test_a_tracked_training_leaves_the_loss_of_each_step_and_the_same_net(
    digits: SampleSet, taught: Done, labeled: Done, tmp_path: Path
):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="it is the extra 'tensorboard'"
    )
    plain = replace(OPTIONS, epochs=1, seeds=1, baseline=False)
    untracked = make_students(_made(tmp_path / "plain"), digits, taught.folder, labeled.folder, options=plain)
    asked = replace(plain, tracker="tensorboard")
    record = make_students(_made(tmp_path / "shown"), digits, taught.folder, labeled.folder, options=asked)
    assert record.students[0].sha256 == untracked.students[0].sha256
    events = accumulator.EventAccumulator(str(tmp_path / "shown" / "tensorboard" / "student-0"))
    events.Reload()
    shown = events.Scalars("loss")
    assert [one.step for one in shown] == list(range(1, record.steps + 1))
    assert shown[-1].value == pytest.approx(record.students[0].training.final_loss, rel=1e-6)  # float32


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
