"""Which stages a change makes anew: exactly those whose result depends on it."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy import api
from kdeploy.errors import BusyError, DataError, GateError, InputError, IntegrityError, KdeployError
from kdeploy.pipeline import order
from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.records.teacher import TeacherRecord
from kdeploy.system.progress import Progress
from kdeploy.training.settings import precision
from kdeploy.verbs.prepare import Options, prepare
from kdeploy.verbs.runs import advance_run, find_run
from tests import made
from tests.altered import come_out_so, flip, rewritten
from tests.program import STAGES, TINY

PLACE = Options(runs=Path("no-such-folder"))


def _prints(*overrides: str, recipe: Path = TINY, options: Options = PLACE) -> dict[str, str]:
    chosen = Options(options.runs, options.data_root, overrides, options.trust)
    prints = order.fingerprints(prepare(recipe, chosen, planned=True)[0])
    return {str(key): fingerprint for key, fingerprint in prints.items()}


def _changed(*overrides: str) -> list[str]:
    before, after = _prints(), _prints(*overrides)
    return [stage for stage in STAGES if before[stage] != after[stage]]


def test_the_stages_are_those_of_the_design_in_that_order():
    assert tuple(stage.name for stage in order.STAGES) == STAGES
    assert tuple(_prints()) == STAGES


def test_a_stage_reads_only_stages_before_it():
    for number, stage in enumerate(order.STAGES):
        assert {read.name for read in stage.reads} <= set(STAGES[:number])


@pytest.mark.parametrize("open_stage", [Job.read, Job.folder, Job.find])
def test_a_stage_that_opens_what_it_does_not_declare_is_an_error(
    runs: Path, open_stage: Callable[[Job, Stage], object]
):
    job = api.run(TINY, Options(runs=runs))
    with job.doing(EXPORT):
        assert job.read(DISTILL) == job.find(DISTILL)
        with pytest.raises(KdeployError) as caught:
            open_stage(job, LABELS)
    assert str(caught.value) == (
        "stage export: must declare that it reads labels before it opens it. "
        "Add it to its `reads` in kdeploy.pipeline.export."
    )
    assert open_stage(job, LABELS)  # outside of a stage everybody may look


def test_what_several_teachers_come_to_may_open_each_of_them(tmp_path: Path):
    job = prepare(TINY, Options(tmp_path, overrides=("teacher.0.count=2",)))[0]
    job.prints = order.fingerprints(job)
    first, second = job.members(TEACHER)
    with job.doing(TEACHER):
        for one in (first, second):
            with pytest.raises(InputError, match=job.prints[one.key]):  # it may; there is nothing yet
                job.folder(one)
    with job.doing(second), pytest.raises(KdeployError, match=r"^stage teacher-1: must declare that it reads teacher"):
        job.folder(first)


@pytest.mark.parametrize(
    ("override", "first"),
    [
        ("data.seed=1", "samples"),
        ("data.split.labeled=90", "samples"),
        ("data.duplicates=drop", "samples"),
        ("data.duplicates=error", "samples"),
        ("teacher.0.train.steps=31", "teacher"),
        ("teacher.0.train.lr=1e-3", "teacher"),
        ("views.shift=1", "teacher"),
        ("views.count=4", "labels"),
        ("labels.dtype=float32", "labels"),
        ("labels.kind=features", "labels"),
        ("labels={kind: topk, top: 3}", "labels"),
        ("student.bottleneck=17", "distill"),
        ("distill.seeds=2", "distill"),
        ("distill.baseline=false", "distill"),
        ("export.bottleneck=fuse", "export"),
        ("export.bottleneck={rank: 4}", "export"),
    ],
)
def test_a_setting_changes_its_stage_and_all_after_it(override, first):
    assert _changed(override) == list(STAGES[STAGES.index(first) :])


@pytest.mark.parametrize("override", ["preprocess=spec", "layout=nchw", "max_int8_drop=1"])
def test_what_the_export_learned_later_leaves_older_exports_valid(override):
    assert _changed(f"export.{override}") == []


@pytest.mark.parametrize("override", ["preprocess=graph", "max_int8_drop=2"])
def test_what_the_export_learned_later_makes_it_anew(override):
    assert _changed(f"export.{override}") == list(STAGES[STAGES.index("export") :])


@pytest.mark.parametrize("override", ["bench.batch=[2]", "bench.replicates=3", "bench.max_seconds=11"])
def test_what_is_timed_trains_nothing_anew(override):
    assert _changed(override) == ["bench", "bundle", "report"]


def test_a_runtime_that_is_timed_is_verified_first():
    plain = ("export.formats=[onnx]",)
    before, after = _prints(*plain), _prints(*plain, "bench.runtimes=[openvino]")
    assert [stage for stage in STAGES if before[stage] != after[stage]] == ["verify", "bench", "bundle", "report"]


@pytest.mark.parametrize("override", ["gate.max_drop=1", "gate.min_speedup=2", "name=other"])
def test_the_gate_and_the_name_change_only_what_is_handed_over(override):
    assert _changed(override) == ["bundle", "report"]


def test_another_transfer_set_shares_the_teacher():
    assert _changed('data.transfer.without=["3"]') == [stage for stage in STAGES if stage != "teacher"]


@pytest.mark.parametrize("spelled", ["[3,7]", '["3", "7"]', "[7, 3, 3]"])
def test_one_transfer_set_has_one_fingerprint_however_it_is_spelled(spelled):
    assert _prints(f"data.transfer.only={spelled}") == _prints("data.transfer.only=[3, 7]")


def test_how_data_are_decoded_and_where_a_part_comes_from_count(tmp_path):
    # the bytes are the same, so that only what the recipe says can make the difference
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), y=np.zeros(9, int))
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").touch()
    options = Options(runs=tmp_path / "runs", data_root=tmp_path)

    def samples(*overrides: str) -> str:
        return _prints("data.source=null", *overrides, options=options)["samples"]

    plain, small = samples("data.images=flat"), samples("data.images=flat", "data.size=[4,4]")
    own = samples("data.images=flat", "data.unlabeled.images=flat")
    sized = samples("data.images=flat", "data.unlabeled.images=flat", "data.unlabeled.size=[4,4]")
    assert len({plain, small, own, sized, samples("data.numpy=a.npz")}) == 5


@pytest.mark.parametrize(
    "override",
    [
        "distill.device=cpu",
        "distill.loss=logit-mse",
        "views.seed=0",
        "labels.kind=logits",
        "data.duplicates=report",
    ],
)
def test_the_device_and_a_default_written_out_change_nothing(override):
    assert _changed(override) == []


@given(st.integers(2, 500), st.integers(2, 500))
@settings(max_examples=15, deadline=None)
def test_students_share_a_teacher_and_its_labels_and_nothing_else(one, other):
    first, second = _prints(f"student.hidden=[{one}]"), _prints(f"student.hidden=[{other}]")
    shared = {"samples", "teacher", "labels"}
    assert {stage for stage in STAGES if first[stage] == second[stage]} == (set(STAGES) if one == other else shared)


def test_bf16_where_the_processor_has_it_is_the_precision_it_stands_for():
    assert precision("auto") in {"bf16", "fp32"}
    assert (precision("fp32"), precision("bf16")) == ("fp32", "bf16")
    assert _changed(f"distill.precision={precision('auto')}") == []


class Said(Progress):
    """Progress that keeps its lines; `waits` is set when one says that it waits."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.waits = threading.Event()

    def say(self, text: str) -> None:
        self.lines.append(text)
        if "waiting for" in text:
            self.waits.set()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe on files of its own."""
    made.points(tmp_path / "data.npz")
    made.linear(tmp_path / "teacher.onnx", (2,))
    path = tmp_path / "given.yaml"
    path.write_text("name: given\ndata: {numpy: data.npz}\nteacher: [{onnx: teacher.onnx}]\n")
    return path


def test_files_count_by_their_content(recipe, tmp_path):
    options = Options(runs=tmp_path / "runs", data_root=tmp_path)
    before = _prints(recipe=recipe, options=options)
    made.linear(tmp_path / "teacher.onnx", (2,), seed=1)
    teacher = _prints(recipe=recipe, options=options)
    made.points(tmp_path / "data.npz", count=100)
    data = _prints(recipe=recipe, options=options)
    assert [stage for stage in STAGES if before[stage] != teacher[stage]] == list(STAGES[1:])
    assert all(teacher[stage] != data[stage] for stage in STAGES)


def test_views_of_an_input_that_is_not_there_are_refused(recipe, tmp_path):
    overrides = ("views.sound.shift=1",)
    with pytest.raises(DataError) as caught:
        api.label(recipe, Options(tmp_path / "runs", tmp_path, overrides))
    assert str(caught.value) == "views.sound: must name an input of the data: x (sound)."


def test_force_does_one_stage_again_and_keeps_the_others(runs):
    job = api.run(TINY, Options(runs=runs), force=["report"])
    assert job.ran == ["report"]


def test_what_shows_a_measurement_is_made_again_with_it(runs):
    shown = runs / "report" / next((runs / "report").iterdir()).name / "report.json"
    before = shown.read_bytes()
    job = api.run(TINY, Options(runs=runs), force=["bench"])
    assert job.ran == ["bench", "bundle", "report"]
    assert shown.read_bytes() != before
    raw = job.read(BENCH).raw.sha256
    assert raw in (job.folder(BUNDLE) / "bundle" / "evidence" / "timings.json").read_text()


def test_what_rests_on_what_another_run_measured_anew_is_made_again(runs):
    other = Options(runs=runs, overrides=("name=other",))
    assert api.run(TINY, other).ran == ["bundle", "report"]
    assert api.run(TINY, Options(runs=runs), force=["bench"]).ran == ["bench", "bundle", "report"]
    assert api.run(TINY, other).ran == ["bundle", "report"]
    assert api.run(TINY, other).ran == []


def test_a_measurement_that_says_the_same_changes_nothing(runs):
    assert api.run(TINY, Options(runs=runs), force=["verify"]).ran == ["verify"]


def test_what_is_made_again_with_the_same_files_changes_nothing_and_with_others_everything(recipe, tmp_path):
    options = Options(tmp_path / "runs", tmp_path)
    job = api.run(recipe, options, upto="labels")
    shutil.rmtree(job.folder(TEACHER))
    assert api.run(recipe, options, upto="labels").ran == ["teacher"]
    # as if it had been trained on another machine
    folder = job.folder(TEACHER)
    flip(folder / "test_logits.npy", -3)
    come_out_so(folder, TeacherRecord)
    assert api.run(recipe, options, upto="labels").ran == ["labels"]


@pytest.mark.parametrize("stage", ["samples", "bench", "bundle"])
def test_an_edited_record_is_refused_until_its_stage_is_forced(runs, stage):
    [path] = runs.glob(f"{stage}/*/record.json")
    path.write_bytes(path.read_bytes().replace(b'"name": "tiny"', b'"name": "tony"').replace(b"0.9", b"0.8"))
    changed = json.loads(path.read_bytes())["seal"]
    if stage == "samples":
        path.write_bytes(path.read_bytes().replace(b'"split_seed": 0', b'"split_seed": 1'))
    with pytest.raises(IntegrityError) as caught:
        api.show("tiny", Options(runs=runs))
    assert str(caught.value).startswith(f"{path}: must be as it was written (sealed {changed[:12]}, its bytes give ")
    assert str(caught.value).endswith(f"). Do it again: kdeploy run RUN --force {stage}, or remove its folder.")
    assert stage in api.run(TINY, Options(runs=runs), force=[stage]).ran
    assert api.show("tiny", Options(runs=runs)).name == "tiny"


def test_a_record_that_was_edited_and_sealed_again_is_not_the_one_that_the_run_has_seen(runs):
    [path] = runs.glob("distill/*/record.json")
    rewritten(path, lambda record: record["students"][0].update(test_accuracy=1.0))
    with pytest.raises(IntegrityError, match=r"must be the record that the run has seen \(sealed "):
        api.show("tiny", Options(runs=runs))


def test_a_sweep_waits_for_what_another_process_works_on(tmp_path, recipe):
    text = recipe.read_text() + "\nvariants: {one: {}}\n"
    (tmp_path / "sweep.yaml").write_text(text)
    said = Said()
    options = Options(tmp_path / "runs", tmp_path, progress=said)
    job, _ = prepare(tmp_path / "sweep.yaml", replace(options, variant="one"))
    key = order.fingerprints(job)[SAMPLES.key]
    sweep = threading.Thread(target=api.sweep, args=(tmp_path / "sweep.yaml", options))
    with job.store.work("samples", key):
        sweep.start()
        assert said.waits.wait(60)
    sweep.join(120)
    assert f"samples: waiting for pid {os.getpid()}" in said.lines
    assert job.store.has("samples", key)


def test_force_leaves_alone_what_another_process_works_on(runs):
    job, index = prepare(TINY, Options(runs=runs))
    job.prints = order.fingerprints(job)
    with job.store.work("teacher", job.prints[TEACHER.key]) as folder:
        (folder / "teacher.checkpoint").touch()
        with pytest.raises(BusyError):
            advance_run(job, index, force=["teacher"])
        assert (folder / "teacher.checkpoint").exists()


def test_force_starts_anew_where_a_killed_run_left_something(recipe, tmp_path):
    job, index = prepare(recipe, Options(tmp_path / "runs", tmp_path))
    job.prints = order.fingerprints(job)
    with job.store.work("samples", job.prints[SAMPLES.key]) as folder:
        (folder / "left").touch()
    advance_run(job, index, upto="samples", force=["samples"])
    assert not (job.folder(SAMPLES) / "left").exists()


def test_only_the_stages_asked_for_are_done(recipe, tmp_path):
    job = api.run(recipe, Options(tmp_path / "runs", tmp_path), upto="samples")
    assert job.ran == ["samples"]
    assert find_run("given", job.store).prints == {SAMPLES.key: job.prints[SAMPLES.key]}


def test_a_missed_gate_is_raised_after_the_report(runs):
    options = Options(runs=runs, overrides=("gate.max_drop=0",))
    job, index = prepare(TINY, options)
    with pytest.raises(GateError):
        advance_run(job, index)
    assert job.ran == ["report"]
    assert api.summary(job).bundle is None


def _ensemble(*more: str) -> dict[str, str]:
    return _prints("teacher.0.count=2", *more)


def test_several_teachers_are_labelled_apart_and_go_on_as_one():
    together = ["teacher-0", "teacher-1", "teacher", "labels-0", "labels-1", "labels"]
    assert list(_ensemble()) == ["samples", *together, *STAGES[3:]]


def test_a_teacher_of_an_ensemble_is_the_one_that_it_would_be_alone():
    alone, again, both = _prints(), _prints("teacher.0.train.seed=1"), _ensemble()
    for stage in ("teacher", "labels"):
        assert (both[f"{stage}-0"], both[f"{stage}-1"]) == (alone[stage], again[stage])
        assert both[stage] not in (alone[stage], again[stage])


@pytest.mark.parametrize("override", ["ensemble.mean=probabilities", "ensemble.weights=[1, 2]"])
def test_how_teachers_are_combined_changes_no_member(override):
    before, after = _ensemble(), _ensemble(override)
    assert [stage for stage in before if before[stage] != after[stage]] == ["teacher", "labels", *STAGES[3:]]


@pytest.mark.parametrize("override", ["ensemble.mean=logits", "ensemble.weights=[3, 3]"])
def test_an_ensembles_defaults_written_out_change_nothing(override):
    assert _ensemble() == _ensemble(override)
