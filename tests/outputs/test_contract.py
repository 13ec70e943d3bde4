"""What each kind of outputs must keep; a new one is added to `KINDS` and to `example`, and must pass as it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.outputs.by_name import KINDS, kind_of
from kdeploy.outputs.kind import Kind, flips
from kdeploy.outputs.terms import TERMS

ROWS, WIDTH = 60, 3
DRAWS = np.random.default_rng(0)


class Example(NamedTuple):
    """Outputs (ROWS, WIDTH), and targets that they meet perfectly."""

    outputs: np.ndarray
    targets: np.ndarray


def example(kind: Kind) -> Example:
    outputs = np.random.default_rng(1).normal(size=(ROWS, WIDTH)).astype(np.float32)
    targets = {
        "classes": outputs.argmax(1),
        "labels": (outputs > 0).astype(np.float32),
        "values": outputs.copy(),
    }
    return Example(outputs, targets[kind.name])


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, WIDTH)).astype(np.float32)


pytestmark = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def test_it_is_found_by_its_name_and_names_what_a_recipe_may_say(kind: Kind):
    assert kind_of(kind.name) is kind
    assert kind.terms is TERMS[kind.name]
    assert len(set(kind.terms.losses)) == len(kind.terms.losses) > 0
    assert "logits" in kind.terms.stores


def test_targets_that_are_met_have_the_quality_1_and_worse_outputs_less(kind: Kind):
    outputs, targets = example(kind)
    assert kind.quality(outputs, targets) == pytest.approx(1.0)
    steps = [kind.quality(outputs + size * noise(2), targets) for size in (0.3, 1.0, 30.0)]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < 0.7


def test_what_is_not_known_counts_for_nothing(kind: Kind):
    outputs, targets = example(kind)
    some = targets.copy()
    some[::3] = kind.unknown
    assert kind.known(targets).all()
    assert kind.known(some).tolist() == [row % 3 != 0 for row in range(ROWS)]
    known, off = kind.known(some), outputs + noise(3)
    assert kind.quality(off, some) == pytest.approx(kind.quality(off[known], targets[known]))
    assert kind.others(off, some) == pytest.approx(kind.others(off[known], targets[known]))


def test_where_nothing_is_known_there_is_no_quality(kind: Kind):
    unknown = kind.none_known(ROWS)
    assert len(unknown) == ROWS
    assert unknown.dtype == example(kind).targets.dtype
    assert not kind.known(unknown).any()
    assert kind.quality(noise(0), unknown) is None
    assert kind.others(noise(0), unknown) == {}


def test_a_resample_has_the_quality_of_the_rows_that_it_repeats(kind: Kind):
    outputs, targets = example(kind)
    off = outputs + noise(4)
    counts = np.random.default_rng(5).integers(0, 3, size=(4, ROWS))
    for counted, quality in zip(counts, kind.resampled(off, targets, counts), strict=True):
        rows = np.repeat(np.arange(ROWS), counted)
        assert quality == pytest.approx(kind.quality(off[rows], targets[rows]))


def test_a_quality_of_each_sample_has_that_of_all_as_its_mean(kind: Kind):
    outputs, targets = example(kind)
    each = kind.each(outputs + noise(6), targets)
    if each is not None:  # else it is one of a set
        assert each.shape == (ROWS,)
        assert each.mean() == pytest.approx(kind.quality(outputs + noise(6), targets))


def test_a_teacher_is_agreed_with_wholly_by_itself_and_less_by_others(kind: Kind):
    teacher = noise(7)
    assert kind.agreement(teacher, teacher) == 1.0
    assert kind.agreement(teacher + noise(8), teacher) < 0.95
    same = kind.agreed(teacher + noise(8), teacher)
    if same is not None:
        assert same.shape == (ROWS,)
        assert same.mean() == pytest.approx(kind.agreement(teacher + noise(8), teacher))


def test_a_decision_flips_only_where_its_margin_is_larger_than_the_error(kind: Kind):
    exact = noise(9)
    off = exact + 0.5 * noise(10)
    margins = kind.margins(exact)
    if margins is None:
        assert kind.decided(exact) is None
        assert flips(kind, off, exact, 0.0) == 0
        return
    changed = kind.decided(off) != kind.decided(exact)
    assert margins.shape == changed.shape
    assert flips(kind, off, exact, 0.0) == changed.sum() > 0
    assert flips(kind, off, exact, float(margins[changed].max())) == 0
    assert flips(kind, exact, exact, 0.0) == 0


def test_targets_that_are_none_are_refused_with_their_row(kind: Kind):
    targets = example(kind).targets.copy()
    kind.check(targets, WIDTH, "data: y", every=True)
    targets[4] = np.inf if targets.dtype == np.float32 else WIDTH
    with pytest.raises(DataError) as caught:
        kind.check(targets, WIDTH, "data: y", every=False)
    assert str(caught.value).startswith("data: y: row 4: must have ")
    with pytest.raises(DataError) as caught:
        kind.check(targets, WIDTH, "data: y", every=False, rows=10 * np.arange(ROWS))
    assert str(caught.value).startswith("data: y: row 40: must have ")


def test_a_target_that_nobody_knows_is_refused_where_every_one_must_be_known(kind: Kind):
    targets = example(kind).targets.copy()
    targets[2] = kind.unknown
    kind.check(targets, WIDTH, "data: y", every=False)
    with pytest.raises(DataError) as caught:
        kind.check(targets, WIDTH, "data: y", every=True)
    assert str(caught.value).startswith("data: y: row 2: must have ")


def test_outputs_that_are_not_finite_agree_with_nothing_and_break_nothing(kind: Kind):
    broken = noise(11)
    broken[:] = np.nan
    assert kind.agreement(broken, noise(12)) < 0.9


def test_an_agreement_is_a_sentence(kind: Kind):
    words = kind.agrees("97 %", "100 test inputs")
    assert "97 % of " in words
    assert words.endswith("100 test inputs")
