from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import GateError
from kdeploy.evaluation import gate
from kdeploy.outputs.labels import LABELS
from kdeploy.outputs.values import VALUES
from kdeploy.recipe.models import Gate
from kdeploy.records.distill import Agreement
from tests.reports import report_records as made
from tests.reports.report_records import comparison


def check(max_drop=None, min_speedup=None, *, students=(0.96,), comparisons=(), min_agreement=None, agreed=None):
    asked = Gate(max_drop=max_drop, min_agreement=min_agreement, min_speedup=min_speedup)
    distilled = made.distill(students=tuple(made.net(seed, one, 0.98) for seed, one in enumerate(students)))
    if agreed is not None:
        distilled = distilled.model_copy(update={"agreement": agreed})
    timed = made.bench().model_copy(update={"comparison": tuple(comparisons)})
    return gate.check_run(asked, made.teacher(test_accuracy=0.97), distilled, made.export(), timed)


def test_a_recipe_that_asks_for_nothing_gets_no_results_and_no_error():
    assert check() == ()
    gate.raise_if_failed(())


def test_the_drop_is_that_of_the_mean_over_seeds_in_percentage_points():
    (result,) = check(1.0, students=(0.968, 0.964, 0.966))
    assert (result.key, result.required, result.measured, result.passed) == ("max_drop", 1.0, 0.4, True)
    assert result.text == "0.4 points below the teacher, at most 1 allowed"


def test_a_drop_of_exactly_the_allowed_passes_though_floats_say_more():
    assert 100 * (0.97 - 0.96) > 1.0
    assert check(1.0, students=(0.96,))[0].passed


def test_a_student_above_the_teacher_passes_with_no_drop_allowed():
    (result,) = check(0.0, students=(0.975,))
    assert result.passed and result.measured == -0.5
    assert result.text == "0.5 points above the teacher, at most 0 allowed"


def test_the_speedup_is_the_smallest_lower_bound_of_all_runtimes():
    (result,) = check(None, 5.0, comparisons=(comparison(low=6.5), comparison("openvino", low=5.25)))
    assert (result.measured, result.passed) == (5.25, True)
    assert result.text == "lower bound 5.25x on every runtime timed, 5x asked"


def test_one_runtime_that_is_too_slow_fails_the_gate_and_is_named():
    (result,) = check(None, 5.0, comparisons=(comparison(low=6.5), comparison("openvino", low=4.5)))
    assert (result.measured, result.passed) == (4.5, False)
    assert result.text == "lower bound 4.5x on openvino, batch 1, 1 thread, 0.5x short of the 5x asked"


def test_a_refused_comparison_fails_the_gate_with_its_reasons_whatever_its_interval():
    refused = comparison("openvino", low=9.0, status="refused", reasons=("the precision differs.", "1 % are void"))
    (result,) = check(None, 5.0, comparisons=(comparison(low=6.5), refused))
    assert (result.measured, result.passed) == (None, False)
    assert result.text == "no speed-up on openvino, batch 1, 1 thread: the precision differs, 1 % are void"


def test_a_comparison_without_an_interval_fails_the_gate_with_its_claim():
    (result,) = check(None, 5.0, comparisons=(comparison(low=None, status="indicative", text="5 pairs are too few."),))
    assert (result.measured, result.passed) == (None, False)
    assert result.text == "no speed-up on onnxruntime, batch 1, 1 thread: 5 pairs are too few"


def test_nothing_timed_fails_the_gate():
    (result,) = check(None, 5.0)
    assert (result.measured, result.passed, result.text) == (None, False, "nothing was timed")


def test_a_missed_drop_says_by_how_much_and_which_keys_to_change():
    with pytest.raises(GateError) as caught:
        gate.raise_if_failed(check(1.0, 5.0, students=(0.956,), comparisons=(comparison(low=6.5),)))
    assert caught.value.exit_code == 5
    assert str(caught.value) == (
        "gate: must be met (max_drop: 1.4 points below the teacher, 0.4 more than the 1 allowed). "
        "Make the student wider (student.hidden, student.bottleneck, or the widths of compact), raise distill.epochs, "
        "or relax gate.max_drop."
    )


def test_all_missed_requirements_come_in_one_error():
    with pytest.raises(GateError) as caught:
        gate.raise_if_failed(check(0.5, 8.0, comparisons=(comparison(low=6.5),)))
    assert str(caught.value) == (
        "gate: must be met (max_drop: 1 point below the teacher, 0.5 more than the 0.5 allowed; min_speedup: lower "
        "bound 6.5x on onnxruntime, batch 1, 1 thread, 1.5x short of the 8x asked). Make the student "
        "wider (student.hidden, student.bottleneck, or the widths of compact), raise distill.epochs, or relax "
        "gate.max_drop. Make the student narrower (student.conv.channels, student.bottleneck, student.hidden, or the "
        "widths of compact), or relax gate.min_speedup."
    )


def test_a_speedup_without_a_number_advises_to_time_again():
    with pytest.raises(GateError) as caught:
        gate.raise_if_failed(check(None, 5.0))
    assert str(caught.value) == (
        "gate: must be met (min_speedup: nothing was timed). Time it again on a quiet machine, raise "
        "bench.max_seconds, or remove gate.min_speedup."
    )


@given(
    correct=st.lists(st.integers(0, 2000), min_size=1, max_size=5),
    teacher=st.integers(0, 2000),
    max_drop=st.integers(0, 1000),
)
def test_the_gate_agrees_with_exact_arithmetic_on_counts(correct, teacher, max_drop):
    result = gate.check_drop(max_drop / 20, gate.drop_points(teacher / 2000, [count / 2000 for count in correct]))
    # max_drop / 20 points of 2,000 inputs are max_drop inputs
    assert result.passed == (teacher * len(correct) - sum(correct) <= max_drop * len(correct))


def test_threads_are_counted_in_words():
    assert gate.setting("openvino", 8, 2) == "openvino, batch 8, 2 threads"


def agreement(agreed, inputs=400):
    return Agreement(agreed=agreed, inputs=inputs, interval=(0.94, 0.98), level=0.95)


def test_agreement_is_a_share_of_the_test_inputs_in_percent_with_its_interval():
    (result,) = check(min_agreement=95, agreed=agreement(386))
    assert (result.key, result.required, result.measured, result.passed) == ("min_agreement", 95, 96.5, True)
    assert result.text == (
        "says what the teacher says on 96.5 % of 400 test inputs (94 to 98 at 95 %), at least 95 asked"
    )


def test_too_little_agreement_says_by_how_much_and_what_raises_it():
    results = check(min_agreement=97, agreed=agreement(386))
    with pytest.raises(GateError) as error:
        gate.raise_if_failed(results)
    assert str(error.value) == (
        "gate: must be met (min_agreement: says what the teacher says on 96.5 % of 400 test inputs (94 to 98 at 95 %), "
        "0.5 less than the 97 asked). Make the student wider (student.hidden, student.bottleneck, or the widths of "
        "compact), raise distill.epochs, or relax gate.min_agreement."
    )


@given(agreed=st.integers(0, 1000))
def test_agreement_of_exactly_the_asked_passes_though_floats_say_less(agreed: int):
    assert check(min_agreement=agreed / 10, agreed=agreement(agreed, 1000))[0].passed


def test_a_drop_that_nobody_can_know_does_not_pass():
    result = gate.check_drop(100.0, gate.drop_points(None, []))
    assert (result.measured, result.passed) == (None, False)
    assert result.text == "nothing is labelled, so accuracy is not known"


def test_other_kinds_of_outputs_are_judged_in_their_own_words():
    agreement = Agreement(agreed=None, share=0.9612, inputs=400, interval=(0.94, 0.98), level=0.95)
    assert gate.check_agreement(95, agreement, VALUES).text == (
        "explains 96.12 % of the variance of what the teacher says on 400 test inputs (94 to 98 at 95 %), "
        "at least 95 asked"
    )
    drop = gate.check_drop(1.0, gate.drop_points(0.97, [0.95]), VALUES)
    with pytest.raises(GateError) as error:
        gate.raise_if_failed([drop])
    assert str(error.value) == (
        "gate: must be met (max_drop: 2 points below the teacher, 1 more than the 1 allowed). Make the "
        "student wider (student.hidden, student.bottleneck, or the widths of compact), raise distill.epochs, or relax "
        "gate.max_drop."
    )
    assert gate.check_drop(1.0, None, LABELS).text == "nothing is labelled, so mean average precision is not known"
