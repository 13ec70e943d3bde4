"""The verdict: is a student better than the same network without a teacher?

Two 95 % intervals of the difference of the test quality say so, which is an accuracy where outputs are classes:

    d = mean over seeds of (student's quality - baseline's quality), the same test inputs

BETTER or WORSE when both intervals exclude 0 on that side: Student's t over seeds (at least three), and a seeded
percentile bootstrap over test inputs of the seed-averaged difference (Efron and Tibshirani 1993, chapter 13). A quality
that is one of a set is computed anew in each resample, in the same resamples for both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.records.distill import Agreement, Gap, Verdict

LEVEL = 0.95
LEAST_SEEDS = 3  # that an interval over seeds needs
RESAMPLES = 10_000
SET_RESAMPLES = 2_000  # where each is a pass over all inputs
_AT_ONCE = 1 << 22  # draws held in memory
WITHOUT_LABELS = "without labels nothing can be said about {}"
NOT_COVERED = "one training of the teacher, one split of the data, one setting of the training"


class Qualities(NamedTuple):
    """The test quality of several networks, a row each, on the same test inputs.

    Args:
        means: float (networks,).
        each: of each input, (networks, inputs); None where quality is one of a set.
        resampled: then in each resample, (networks, resamples).
    """

    means: np.ndarray
    each: np.ndarray | None
    resampled: np.ndarray | None = None


def of_samples(each: np.ndarray) -> Qualities:
    """Qualities that are means over inputs, (networks, inputs)."""
    return Qualities(each.mean(axis=1), each)


def qualities(kind: Kind, outputs: Sequence[np.ndarray], targets: np.ndarray) -> Qualities:
    """The qualities of networks by what they answer to the test inputs, (inputs, width) each.

    Args:
        targets: a row an input.
    """
    each = [kind.each(some, targets) for some in outputs]
    known = [one for one in each if one is not None]
    if len(known) == len(outputs):
        return of_samples(np.stack(known))
    totals = [kind.quality(some, targets) for some in outputs]
    resampled = np.stack([_resampled(kind, some, targets) for some in outputs])
    return Qualities(np.array([np.nan if total is None else total for total in totals]), None, resampled)


def judge(students: Qualities | None, baselines: Qualities | None, kind: Kind = CLASSES) -> Verdict:
    """The verdict; row by row the same seed.

    Args:
        baselines: None where none was trained.
        students: None where nothing is labelled.
    """
    if students is None:
        return _verdict("NO EVIDENCE", None, None, None, WITHOUT_LABELS.format(kind.metric))
    if baselines is None:
        return _verdict("NO EVIDENCE", None, None, None, "no baseline was trained (distill.baseline)")
    by_seed = students.means - baselines.means  # (seeds,)
    seeds, inputs = student_t_interval(by_seed), _inputs_interval(students, baselines)
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


def gap(students: Qualities, teacher: Qualities) -> Gap:
    """The difference of test quality between the students and their one teacher, with its interval over inputs."""
    difference = float((students.means.mean() - teacher.means).mean())
    if students.each is not None and teacher.each is not None:
        difference = float((students.each.mean(axis=0) - teacher.each[0]).mean())
    return Gap(difference=difference, inputs_interval=_inputs_interval(students, teacher), level=LEVEL)


def agreed(kind: Kind, student: np.ndarray, teacher: np.ndarray) -> Agreement:
    """How far a student says what its teacher says.

    Args:
        student, teacher: outputs (test inputs, width).
    """
    same = kind.agreed(student, teacher)
    if same is not None and same.dtype == np.bool_:
        interval = wilson_interval(int(same.sum()), len(same))
        return Agreement(agreed=int(same.sum()), inputs=len(same), interval=interval, level=LEVEL)
    value = kind.agreement(student, teacher)
    interval = bootstrap_interval(same) if same is not None else _quantiles(_resampled(kind, student, teacher))
    return Agreement(agreed=None, share=value, inputs=len(student), interval=interval, level=LEVEL)


def _inputs_interval(students: Qualities, others: Qualities) -> tuple[float, float]:
    """The bootstrap interval of the difference of means over networks."""
    if students.each is not None and others.each is not None:
        return bootstrap_interval(students.each.mean(axis=0) - others.each.mean(axis=0))
    assert students.resampled is not None
    assert others.resampled is not None
    return _quantiles(students.resampled.mean(axis=0) - others.resampled.mean(axis=0))


def _resampled(kind: Kind, outputs: np.ndarray, targets: np.ndarray, seed: int = 0) -> np.ndarray:
    """The quality of a set in each resample of its samples, (resamples,); the same resamples for one seed and size."""
    generator, count = np.random.default_rng(seed), len(targets)
    at_once = max(1, _AT_ONCE // count)
    parts = []
    for start in range(0, SET_RESAMPLES, at_once):
        size = min(at_once, SET_RESAMPLES - start)
        drawn = generator.integers(count, size=(size, count))
        counts = np.stack([np.bincount(row, minlength=count) for row in drawn])
        parts.append(kind.resampled(outputs, targets, counts))
    return np.concatenate(parts)


def _quantiles(values: np.ndarray) -> tuple[float, float]:
    """The percentile interval at 95 % of resampled values; a resample that has none does not count."""
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(known) else (0.0, 0.0)
    return float(low), float(high)


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
    return _quantiles(means)


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
