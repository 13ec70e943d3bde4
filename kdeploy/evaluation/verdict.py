"""The verdict: is a student better than the same network without a teacher?

Two 95 % intervals of the difference of test accuracy say so:

    d = mean over seeds of (student's accuracy - baseline's accuracy), the same test inputs

BETTER or WORSE when both intervals exclude 0 on that side: Student's t over seeds (at least three), and a seeded
percentile bootstrap over test inputs of the seed-averaged difference (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import numpy as np

from kdeploy.records.distill import Agreement, Gap, Verdict

LEVEL = 0.95
LEAST_SEEDS = 3  # that an interval over seeds needs
RESAMPLES = 10_000
WITHOUT_LABELS = "without labels nothing can be said about accuracy"
NOT_COVERED = "one training of the teacher, one split of the data, one setting of the training"


def judge(students: np.ndarray | None, baselines: np.ndarray | None) -> Verdict:
    """The verdict from per-input correctness.

    Args:
        students, baselines: bool of shape (seeds, test inputs), row by row the same seed. No baselines where none was
            trained; no students either where nothing is labelled.
    """
    if students is None:
        return _verdict("NO EVIDENCE", None, None, None, WITHOUT_LABELS)
    if baselines is None:
        return _verdict("NO EVIDENCE", None, None, None, "no baseline was trained (distill.baseline)")
    by_seed = students.mean(axis=1) - baselines.mean(axis=1)  # (seeds,)
    by_input = students.mean(axis=0) - baselines.mean(axis=0)  # (test inputs,)
    seeds, inputs = student_t_interval(by_seed), bootstrap_interval(by_input)
    difference = float(by_seed.mean())
    if seeds is None:
        return _verdict(
            "NO EVIDENCE",
            difference,
            None,
            inputs,
            f"an interval needs {LEAST_SEEDS} seeds (distill.seeds is {len(by_seed)})",
        )
    if min(seeds[0], inputs[0]) > 0:
        return _verdict("BETTER", difference, seeds, inputs, "both intervals are above 0")
    if max(seeds[1], inputs[1]) < 0:
        return _verdict("WORSE", difference, seeds, inputs, "both intervals are below 0")
    return _verdict("NO EVIDENCE", difference, seeds, inputs, "not both intervals exclude 0 on the same side")


def gap(students: np.ndarray, teacher: np.ndarray) -> Gap:
    """The difference of test accuracy between the students and their teacher, with its interval over inputs.

    Args:
        students: bool of shape (seeds, test inputs), per-input correctness.
        teacher: bool of shape (test inputs,).
    """
    by_input = students.mean(axis=0) - teacher
    return Gap(difference=float(by_input.mean()), inputs_interval=bootstrap_interval(by_input), level=LEVEL)


def agreed(students: np.ndarray, teacher: np.ndarray) -> Agreement:
    """How often a student says what its teacher says.

    Args:
        students, teacher: logits (test inputs, classes).
    """
    same = students.argmax(1) == teacher.argmax(1)
    interval = wilson_interval(int(same.sum()), len(same))
    return Agreement(agreed=int(same.sum()), inputs=len(same), interval=interval, level=LEVEL)


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """Wilson's interval at 95 % of a fraction (Wilson 1927): centre +- half, with z the normal's quantile,

    centre = (p + z^2 / 2n) / (1 + z^2 / n),  half = z / (1 + z^2 / n) sqrt(p (1 - p) / n + z^2 / 4n^2)
    """
    z, p = NormalDist().inv_cdf((1 + LEVEL) / 2), count / of
    scale = 1 + z * z / of
    centre, half = (p + z * z / (2 * of)) / scale, z / scale * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max(0.0, centre - half), min(1.0, centre + half)


def student_t_interval(values: np.ndarray) -> tuple[float, float] | None:
    """The t-interval at 95 % of the mean of values, shape (n,); None for fewer than three."""
    count = len(values)
    if count < LEAST_SEEDS:
        return None
    half = student_t_quantile(count - 1) * float(values.std(ddof=1)) / math.sqrt(count)
    return float(values.mean()) - half, float(values.mean()) + half


def student_t_quantile(freedom: int, probability: float = (1 + LEVEL) / 2) -> float:
    """The quantile of Student's t, by bisection on its distribution function."""
    low, high = 0.0, 1e3
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_t_below(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _student_t_below(value: float, freedom: int) -> float:
    """P(T < value) for value >= 0; x = sqrt(n) tan(u) makes the integrand cos(u)^(n-1), which is smooth and bounded."""
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(math.pi) / 2
    ends = np.linspace(0, math.atan(value / math.sqrt(freedom)), 2001)
    weights = np.full(2001, 2.0)
    weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
    area = float((weights * np.cos(ends) ** (freedom - 1)).sum()) * (ends[1] - ends[0]) / 3
    return 0.5 + math.exp(log_scale) * float(area)


def bootstrap_interval(differences: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The percentile interval at 95 % of the mean of per-input differences, shape (inputs,), resampling the inputs."""
    generator = np.random.default_rng(seed)
    count = len(differences)
    # inputs of one difference are as good as each other, and a few seeds make a few differences: how often each of them
    # comes in a resample is multinomial
    values, times = np.unique(differences, return_counts=True)
    means = generator.multinomial(count, times / count, size=RESAMPLES) @ values / count
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _verdict(
    status: Literal["BETTER", "WORSE", "NO EVIDENCE"],
    difference: float | None,
    seeds: tuple[float, float] | None,
    inputs: tuple[float, float] | None,
    reason: str,
) -> Verdict:
    return Verdict(
        status=status,
        difference=difference,
        seeds_interval=seeds,
        inputs_interval=inputs,
        level=LEVEL,
        reason=reason,
        not_covered=NOT_COVERED,
    )
