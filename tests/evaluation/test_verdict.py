from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy.evaluation import verdict
from kdeploy.evaluation.verdict import (
    NOT_COVERED,
    agreed,
    bootstrap_interval,
    gap,
    of_samples,
    qualities,
    student_t_interval,
    student_t_quantile,
    wilson_interval,
)
from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.labels import LABELS
from kdeploy.outputs.values import VALUES
from kdeploy.records.distill import Verdict


def judge(students: np.ndarray | None, baselines: np.ndarray | None) -> Verdict:
    both = [None if one is None else of_samples(one) for one in (students, baselines)]
    return verdict.judge(*both)


def answers(*rates: float, inputs: int = 400, seed: int = 0) -> np.ndarray:
    """One row a seed: right on a fixed share of the inputs, chosen at random."""
    draws = np.random.default_rng(seed)
    rows = np.zeros((len(rates), inputs), bool)
    for row, rate in zip(rows, rates, strict=True):
        row[draws.permutation(inputs)[: round(rate * inputs)]] = True
    return rows


# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, critical values of Student's t: columns 0.95 and 0.975
@pytest.mark.parametrize(
    ("freedom", "one_sided", "two_sided"),
    [(1, 6.314, 12.706), (2, 2.920, 4.303), (4, 2.132, 2.776), (10, 1.812, 2.228), (30, 1.697, 2.042)],
)
def test_quantiles_are_those_of_the_published_table(freedom: int, one_sided: float, two_sided: float):
    assert student_t_quantile(freedom) == pytest.approx(two_sided, abs=5e-4)
    assert student_t_quantile(freedom, 0.95) == pytest.approx(one_sided, abs=5e-4)


def test_the_interval_of_a_worked_example():
    # mean 3, sample variance 2.5, five values: 3 +- 2.776 x sqrt(2.5 / 5)
    low, high = student_t_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) or (0, 0)
    assert (low, high) == pytest.approx((3 - 1.963, 3 + 1.963), abs=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_values_have_no_interval(count: int):
    assert student_t_interval(np.arange(count)) is None


def test_the_bootstrap_depends_on_its_seed_alone():
    values = np.random.default_rng(1).standard_normal(200)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values)


def test_the_bootstrap_has_the_width_of_the_normal_interval():
    values = np.random.default_rng(1).standard_normal(400)
    low, high = bootstrap_interval(values)
    deviation = float(values.std()) / 20
    assert low == pytest.approx(values.mean() - 1.96 * deviation, abs=0.15 * deviation)
    assert high == pytest.approx(values.mean() + 1.96 * deviation, abs=0.15 * deviation)


def test_the_bootstrap_covers_the_truth_about_19_times_in_20():
    draws = np.random.default_rng(2)
    covered = 0
    for _ in range(50):
        low, high = bootstrap_interval(draws.choice([-1.0, 0.0, 1.0], size=40))
        covered += low <= 0 <= high
    # 47.5 expected, with a deviation of 1.5; the draws are fixed
    assert 44 <= covered <= 50


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=2, max_size=40))
@settings(max_examples=15, deadline=None)
def test_the_bootstrap_stays_between_the_smallest_and_the_largest(values: list[float]):
    low, high = bootstrap_interval(np.array(values))
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12


def test_students_that_are_right_more_often_are_better():
    found = judge(answers(0.90, 0.91, 0.92), answers(0.70, 0.71, 0.72, seed=1))
    assert found.status == "BETTER"
    assert found.reason == "both intervals are above 0"
    assert found.difference == pytest.approx(0.2, abs=1e-9)
    assert found.seeds_interval == pytest.approx((0.2, 0.2), abs=1e-6)
    assert found.inputs_interval is not None
    assert 0 < found.inputs_interval[0] < 0.2 < found.inputs_interval[1]
    assert found.level == 0.95
    assert found.not_covered == NOT_COVERED


def test_students_that_are_right_less_often_are_worse():
    found = judge(answers(0.70, 0.71, 0.72), answers(0.90, 0.91, 0.92, seed=1))
    assert found.status == "WORSE"
    assert found.reason == "both intervals are below 0"
    assert found.difference == pytest.approx(-0.2, abs=1e-9)


def test_seeds_that_disagree_are_no_evidence():
    # the seed-averaged difference is large, its spread over the seeds larger
    found = judge(answers(0.95, 0.70, 0.95), answers(0.70, 0.71, 0.70, seed=1))
    assert found.status == "NO EVIDENCE"
    assert found.reason == "not both intervals exclude 0 on the same side"
    assert found.seeds_interval is not None
    assert found.inputs_interval is not None
    assert found.seeds_interval[0] < 0 < found.inputs_interval[0]


def test_too_few_inputs_are_no_evidence_even_where_the_seeds_agree():
    students, baselines = np.zeros((3, 10), bool), np.zeros((3, 10), bool)
    students[:, 0] = True  # one input more, for every seed
    found = judge(students, baselines)
    assert found.status == "NO EVIDENCE"
    assert found.reason == "not both intervals exclude 0 on the same side"
    assert found.seeds_interval == pytest.approx((0.1, 0.1))
    assert found.inputs_interval == pytest.approx((0.0, 0.3))


def test_equals_are_no_evidence():
    found = judge(answers(0.8, 0.8, 0.8), answers(0.8, 0.8, 0.8))
    assert (found.status, found.difference) == ("NO EVIDENCE", 0)


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_are_no_evidence(seeds: int):
    found = judge(answers(*[0.9] * seeds), answers(*[0.5] * seeds, seed=1))
    assert found.status == "NO EVIDENCE"
    assert found.reason == f"an interval needs 3 seeds (distill.seeds is {seeds})"
    assert found.difference == pytest.approx(0.4)
    assert found.seeds_interval is None
    assert found.inputs_interval is not None


def test_without_a_baseline_there_is_nothing_to_judge():
    found = judge(answers(0.9, 0.9, 0.9), None)
    assert found.status == "NO EVIDENCE"
    assert found.reason == "no baseline was trained (distill.baseline)"
    assert (found.difference, found.seeds_interval, found.inputs_interval) == (None, None, None)


def test_the_gap_is_the_students_mean_minus_the_teacher():
    students, teacher = answers(0.9, 0.94), answers(0.97, seed=1)[0]
    found = gap(of_samples(students), of_samples(teacher[None]))
    assert found.difference == pytest.approx(0.92 - 0.97, abs=1e-9)
    assert found.inputs_interval[0] < found.difference < found.inputs_interval[1]
    assert found.level == 0.95


@pytest.mark.parametrize(("count", "of", "ends"), [(50, 100, (0.40383, 0.59617)), (0, 10, (0.0, 0.27753))])
def test_the_interval_of_a_share_is_wilsons(count: int, of: int, ends: tuple[float, float]):
    assert wilson_interval(count, of) == pytest.approx(ends, abs=1e-5)


def test_agreement_counts_equal_decisions_and_is_not_certain_where_all_are_equal():
    logits = np.eye(4)[[0, 1, 2, 3] * 10]
    found = agreed(CLASSES, 3 * logits - 1, logits)
    assert (found.agreed, found.inputs, found.value) == (40, 40, 1.0)
    assert found.interval == pytest.approx((0.91238, 1.0), abs=1e-5)
    assert agreed(CLASSES, np.roll(logits, 1, axis=1), logits).agreed == 0


def test_without_labels_the_verdict_says_that_accuracy_is_not_known():
    found = judge(None, None)
    assert verdict.judge(None, None, VALUES).reason == "without labels nothing can be said about R^2"
    assert (found.status, found.difference, found.seeds_interval, found.inputs_interval) == ("NO EVIDENCE", *[None] * 3)
    assert found.reason == "without labels nothing can be said about accuracy"


def regressions(*sizes: float, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Targets (300, 1), and what networks answer that are off by errors of these sizes."""
    draws = np.random.default_rng(seed)
    targets = draws.normal(size=(300, 1)).astype(np.float32)
    return targets, [targets + size * draws.normal(size=(300, 1)) for size in sizes]


def test_a_quality_of_a_set_is_judged_by_resamples_in_which_it_is_computed_anew():
    targets, outputs = regressions(0.3, 0.31, 0.29, 0.5, 0.52, 0.48)
    students, baselines = (qualities(VALUES, some, targets) for some in (outputs[:3], outputs[3:]))
    found = verdict.judge(students, baselines)
    exact = [VALUES.quality(one, targets) for one in outputs]
    assert found.status == "BETTER"
    assert found.difference == pytest.approx(np.mean(exact[:3]) - np.mean(exact[3:]))
    assert found.inputs_interval is not None
    assert 0 < found.inputs_interval[0] < found.difference < found.inputs_interval[1]
    worse = verdict.judge(baselines, students)
    assert worse.status == "WORSE"
    assert worse.inputs_interval == pytest.approx(tuple(-end for end in reversed(found.inputs_interval)))


def test_the_interval_of_a_set_is_that_of_resamples_that_are_drawn_one_by_one():
    targets, [outputs] = regressions(0.6)
    found = agreed(VALUES, outputs, targets)
    draws = np.random.default_rng(7)
    rows = [draws.integers(300, size=300) for _ in range(2000)]
    drawn = [VALUES.quality(outputs[some], targets[some]) for some in rows]
    assert found.value == pytest.approx(VALUES.quality(outputs, targets))
    assert found.interval == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)


def test_the_gap_of_a_set_is_the_difference_of_its_qualities():
    targets, outputs = regressions(0.3, 0.4, 0.1)
    found = gap(qualities(VALUES, outputs[:2], targets), qualities(VALUES, outputs[2:], targets))
    exact = [VALUES.quality(one, targets) for one in outputs]
    assert found.difference == pytest.approx(np.mean(exact[:2]) - exact[2])
    assert found.inputs_interval[0] < found.difference < found.inputs_interval[1] < 0


def test_labels_agree_by_the_mean_share_of_equal_decisions():
    teacher = np.random.default_rng(0).normal(size=(200, 4))
    student = teacher + np.random.default_rng(1).normal(size=(200, 4))
    found = agreed(LABELS, student, teacher)
    assert (found.agreed, found.share) == (None, float(((student > 0) == (teacher > 0)).mean()))
    assert found.interval[0] < found.value < found.interval[1]
