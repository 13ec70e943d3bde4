"""benchmarks/experiments.py writes what recipes came to, with every seed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from kdeploy.pipeline.distill import DISTILL
from kdeploy.records.sweep import SweepRow
from tests import made
from tests.program import REPOSITORY

BASE = """\
data: {numpy: images.npz, split: {labeled: 90, unlabeled: 0, held_out: 30, test: 120}TRANSFER}
teacher: [{model: mlp, hidden: [16], COUNTtrain: {epochs: 20, batch: 30, lr: 1e-2, precision: fp32}}]
student: {hidden: [8]}
labels: {precision: fp32}
distill: {epochs: 4, batch: 30, lr: 1e-2, seeds: 2, precision: fp32, MORE}
"""


@pytest.fixture
def experiments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    monkeypatch.setenv("KDEPLOY_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made.images(tmp_path / "images.npz")
    module = importlib.import_module("experiments")
    monkeypatch.setattr(module.sections, "TARGET", tmp_path / "RESULTS.md")
    return module


def written(experiments: ModuleType, name: str, text: str) -> str:
    Path(f"{name}.yaml").write_text(f"name: {name}\n{text}")
    experiments.main([f"{name}.yaml"])
    return Path("RESULTS.md").read_text()


def test_a_sweep_is_a_table_of_its_variants_and_of_their_curves(experiments: ModuleType):
    text = BASE.replace("TRANSFER", "").replace("COUNT", "").replace("MORE", "curve: true")
    found = written(experiments, "swept", text + "variants: {one: {}, two: {distill: {baseline: false}}}\n")
    assert "- command: `kdeploy sweep swept.yaml`, then `python benchmarks/experiments.py swept.yaml`" in found
    rows = [line.split(" | ") for line in found.splitlines() if line.startswith(("| one |", "| two |"))]
    # two lines of errors, then two students and two baselines of the first, and two students of the second
    taught = [line for line in found.splitlines() if line.startswith("- teacher mlp: ")]
    assert len(taught) == 1  # of both variants
    assert re.fullmatch(r"- teacher mlp: \d+\.\d\d% errors; 60 steps in \d+ s on cpu, \d+ thread\(s\), fp32", taught[0])
    assert [row[0] for row in rows] == ["| one", "| two", *["| one"] * 4, *["| two"] * 2]
    assert [len(row[3].split()) for row in rows[:2]] == [2, 2]
    assert rows[1][4:6] == ["-", "-"]


def test_a_column_that_says_nothing_is_left_out(experiments: ModuleType):
    rows = [["one", "-", "3", "-"], ["two", "-", "-", "4"]]
    assert experiments.told(["variant", "verdict", "a", "b"], rows) == (
        ["variant", "a", "b"],
        [["one", "3", "-"], ["two", "-", "4"]],
    )


def test_few_seeds_have_an_interval_over_the_test_inputs(experiments: ModuleType):
    text = BASE.replace("TRANSFER", "").replace("COUNT", "").replace("MORE", "")
    found = written(experiments, "two", text)
    number = r"\d+\.\d\d"
    accuracy = (
        rf"- the recipe, [\d,]+ parameters in training: {number}%, over test inputs {number}% to {number}% at 95 %"
    )
    assert re.search(
        rf"^{accuracy}; [+-]{number} points \([+-]{number} to [+-]{number}\) over labels alone$", found, re.M
    )
    three = written(experiments, "three", text.replace("seeds: 2", "seeds: 3")).partition("## three")[2]
    assert "Test errors of 120." in three
    assert "over test inputs" not in three


def test_a_variant_helps_when_its_interval_over_paired_seeds_is_below_0(experiments: ModuleType):
    def row(*accuracies: float) -> SweepRow:
        students = tuple(SimpleNamespace(test_accuracy=one) for one in accuracies)
        return SweepRow.model_construct(students=students, test_inputs=100)

    first = row(0.90, 0.89, 0.88)
    # by hand: differences -2, -3, -4 have the mean -3, the deviation 1, and t(2) = 4.303 / sqrt(3) = 2.484
    assert experiments.against(row(0.92, 0.92, 0.92), first) == "-3.0 [-5.5, -0.5] helps"
    assert experiments.against(row(0.88, 0.86, 0.84), first) == "+3.0 [+0.5, +5.5] harms"
    assert experiments.against(row(0.90, 0.90, 0.87), first) == "+0.0 [-2.5, +2.5] no evidence"
    assert experiments.against(row(0.95), first) == experiments.against(first, first) == "-"


def test_nets_with_dropout_are_put_in_the_order_of_their_errors(experiments: ModuleType):
    text = BASE.replace("TRANSFER", "").replace("COUNT", "count: 2, ").replace("MORE", "")
    found = written(experiments, "order", text + "variants: {plain: {}, out: {student: {dropout: {hidden: 0.5}}}}\n")
    table = found.partition("Test errors of 120 inputs of 3 classes.")[2].splitlines()[4:10]
    rows = [line.strip("| ").split(" | ") for line in table]
    assert {(title, variant): len(seeds.split()) for title, variant, _, seeds in rows} == {
        ("shallow on labels", "plain"): 2,
        ("shallow on labels", "out"): 2,
        ("mimic", "plain"): 2,
        ("mimic", "out"): 2,
        ("deep on labels, each teacher", "-"): 2,
        ("the 2 teachers together", "-"): 1,
    }
    errors = [float(mean) for _, _, mean, _ in rows]
    assert errors == sorted(errors, reverse=True)
    out = experiments.done("order.yaml", SimpleNamespace(variant="out", run="order-out"))
    assert out.read(DISTILL).student.arguments["hidden_dropout"] == 0.5


def test_a_sweep_without_dropout_has_no_such_table(experiments: ModuleType):
    text = BASE.replace("TRANSFER", "").replace("COUNT", "").replace("MORE", "")
    assert "the worst first" not in written(experiments, "plain", text + "variants: {one: {}}\n")


def test_states_are_scored_as_phones_and_timits_as_39(experiments: ModuleType):
    order = importlib.import_module("order")
    assert order.phone_of(["cat", "dog"]) is None
    assert order.phone_of(["AO 0", "AO 1", "AA 0"]).tolist() == [0, 0, 1]
    table = order.phone_of(["ao 0", "ao 1", "aa 0", "q 0", "s 0"])
    assert table.tolist() == [0, 0, 0, -1, 1]
    logits = np.eye(5)[[2, 4, 4, 1, 0]]
    # of the four frames that are not q, the second alone is of another phone
    assert order.phone_errors(logits, np.array([0, 1, 4, 2, 3]), table) == 25


def test_curves_are_drawn_from_the_records_alone(experiments: ModuleType):
    figures = importlib.import_module("figure_epochs")
    nets = tuple(SimpleNamespace(curve=(0.5, value)) for value in (0.6, 0.7))
    rows = [SweepRow.model_construct(variant="plain", students=nets, baselines=())]
    assert figures.lines("epochs", rows) == ["![Test accuracy over the epochs](figures/epochs.svg)", ""]
    drawn = Path("figures/epochs.svg").read_bytes()
    assert b"mimic, plain" in drawn
    figures.lines("epochs", rows)
    assert Path("figures/epochs.svg").read_bytes() == drawn
    assert figures.lowest({"mimic": [SimpleNamespace(curve=(0.1, 0.5, 0.4, 0.6, 0.6))]}) == pytest.approx(39.8)
    assert figures.lines("none", [rows[0].model_copy(update={"students": ()})]) == []


def sized(parameters: int, teacher: float, *accuracies: float) -> SweepRow:
    students = tuple(SimpleNamespace(test_accuracy=one) for one in accuracies)
    return SweepRow.model_construct(parameters=parameters, teacher_accuracy=teacher, students=students)


def test_sizes_and_teachers_are_drawn_with_their_rank_correlations(experiments: ModuleType):
    figures = importlib.import_module("figure_size")
    better = {(1000, 0.8): 0.5, (1000, 0.9): 0.6, (1000, 0.95): 0.55, (2000, 0.8): 0.6, (2000, 0.9): 0.65}
    better |= {(2000, 0.95): 0.7, (4000, 0.8): 0.7, (4000, 0.9): 0.75, (4000, 0.95): 0.8}
    rows = [sized(size, teacher, accuracy - 0.01, accuracy + 0.01) for (size, teacher), accuracy in better.items()]
    found = figures.lines("sizes", rows)
    assert found[0] == "![Students of 3 sizes against their teachers](figures/sizes.svg)"
    drawn = Path("figures/sizes.svg").read_bytes()
    assert b"0.004M parameters" in drawn
    figures.lines("sizes", rows)
    assert Path("figures/sizes.svg").read_bytes() == drawn
    # by hand: the ranks 1, 3, 2 against 1, 2, 3 correlate by 0.5, all others by 1
    assert found[2:-1] == [
        "| students | Spearman's rank correlation |",
        "|---|---:|",
        "| 1,000 parameters, by teacher | 0.50 |",
        "| 2,000 parameters, by teacher | 1.00 |",
        "| 4,000 parameters, by teacher | 1.00 |",
        "| teacher of 80.00%, by size | 1.00 |",
        "| teacher of 90.00%, by size | 1.00 |",
        "| teacher of 95.00%, by size | 1.00 |",
        "| mean | 0.92 |",
    ]


def test_equal_accuracies_share_their_rank(experiments: ModuleType):
    figures = importlib.import_module("figure_size")
    rows = [sized(1, teacher, accuracy) for teacher, accuracy in ((0.7, 0.5), (0.8, 0.5), (0.9, 0.6))]
    # by hand: ranks 1.5, 1.5, 3 against 1, 2, 3: sqrt(3) / 2
    assert figures.rank_correlation(rows, lambda row: row.teacher_accuracy) == pytest.approx(3**0.5 / 2)


def test_a_sweep_of_other_things_has_no_such_figure(experiments: ModuleType):
    figures = importlib.import_module("figure_size")
    rows = [sized(size, teacher, 0.5) for size in (1, 2, 3) for teacher in (0.8, 0.9)]
    assert figures.lines("none", rows) == []


def test_missing_classes_and_an_ensemble_say_what_they_came_to(experiments: ModuleType):
    text = BASE.replace("TRANSFER", ", transfer: {without: [top]}").replace("COUNT", "count: 2, ")
    found = written(experiments, "single", text.replace("MORE", "match_prior: true"))
    assert "- command: `kdeploy distill single.yaml`" in found
    assert "Students before the prior was matched: " in found
    titles = [line.split(" | ")[1] for line in found.splitlines() if line.startswith(("| 0 |", "| 1 |"))]
    assert titles[0::3] == ["none"] * 2
    assert titles[1::3] == ["matched, no labels"] * 2
    assert all(title.endswith("on 0, from the test labels") for title in titles[2::3])
    number = r"(\d+\.?\d*)"
    told = re.search(
        rf"One of the 2 teachers alone: {number} .+; together {number}; one student: {number}. (.+)", found
    )
    assert told is not None
    alone, together, student = map(float, told.groups()[:3])
    assert told[4] == f"It {experiments.keeps(alone, together, student)}."


def test_what_a_student_keeps_is_a_share_of_what_the_ensemble_gained(experiments: ModuleType):
    assert experiments.keeps(alone=40, together=30, student=32) == "keeps 80% of the ensemble's gain"
    assert experiments.keeps(alone=40, together=40, student=40) == "has no gain to keep"
    assert experiments.keeps(alone=40, together=30, student=50) == "is not as good as one of them"


def test_the_best_shift_is_the_smallest_of_those_with_the_fewest_errors(experiments: ModuleType):
    missing = importlib.import_module("missing_classes")
    logits = missing.np.array([[0.0, 1.05], [0.0, -1.0]])
    # class 0 must gain more than 1.05 on the first row, which is of class 0; the second is right already
    assert missing.best_shift(logits, missing.np.array([0, 0]), [0]) == pytest.approx(1.1)
    assert missing.best_shift(logits, missing.np.array([1, 0]), [0]) == pytest.approx(0.0)
