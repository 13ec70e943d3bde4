"""What a chosen transfer set and munged rows do to a whole distillation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kdeploy import api
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.verbs.prepare import Options
from tests import made

RECIPE = """\
name: small
data: {numpy: points.npz, split: {labeled: 60, held_out: 20, test: 60}}
teacher: [{onnx: teacher.onnx}]
student: {hidden: [16]}
distill: {epochs: 8, batch: 20, lr: 1e-2, seeds: 1}
"""


def distilled(folder: Path, *overrides: str) -> api.Job:
    made.points(folder / "points.npz")
    made.linear(folder / "teacher.onnx", (2,))
    (folder / "small.yaml").write_text(RECIPE)
    options = Options(runs=folder / "runs", data_root=folder, overrides=overrides)
    return api.run(folder / "small.yaml", options, upto="distill")


def baseline_answers(job: api.Job) -> set[int]:
    net = job.read(DISTILL).baselines[0]
    return set(np.load(job.folder(DISTILL) / net.logits).argmax(1).tolist())


def test_the_baseline_learns_from_the_labelled_samples_of_the_transfer_set_only(tmp_path: Path):
    chosen = distilled(tmp_path, "data.transfer.without=[2]")
    assert baseline_answers(chosen) == {0, 1}
    record = chosen.read(SAMPLES)
    assert record.transfer.counts == {"labeled": 40, "unlabeled": 67}
    assert chosen.read(LABELS).rows == record.transfer_rows == 107
    everything = distilled(tmp_path)
    assert baseline_answers(everything) == {0, 1, 2}
    assert "teacher" not in everything.ran


def test_munged_rows_are_labelled_and_leave_teacher_and_baseline_as_they_were(tmp_path: Path):
    plain, munged = distilled(tmp_path), distilled(tmp_path, "views.munge.probability=0.5")
    assert munged.ran == ["labels", "distill"]
    assert munged.read(LABELS).agreement is None
    before, after = plain.read(DISTILL), munged.read(DISTILL)
    assert before.baselines[0].sha256 == after.baselines[0].sha256
    assert before.students[0].sha256 != after.students[0].sha256
