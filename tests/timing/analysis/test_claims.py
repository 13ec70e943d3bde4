from __future__ import annotations

from dataclasses import replace

import pytest

from kdeploy.records.bench import Quality, Seen
from kdeploy.timing.analysis.claims import Evidence, Side, judged
from kdeploy.timing.analysis.statistics import Estimate

SETTINGS = {"precision": "fp32", "provider": "CPUExecutionProvider", "threads": "1"}
GOOD = Quality(metric="top-1", value=0.95, n=2000, dataset_sha256="d")
TEACHER = Side("teacher", SETTINGS, GOOD, 0)
STUDENT = Side("student", SETTINGS, GOOD.model_copy(update={"value": 0.946}), 0)
EVIDENCE = Evidence(
    baseline=TEACHER,
    candidate=STUDENT,
    ratio=Estimate(6.8, 6.55, 7.04),
    null=Estimate(1.001, 0.99, 1.01),
    replicates=12,
    void_fraction=0.0,
    runtime="onnxruntime",
    version="1.32.0",
    batch=1,
    threads=1,
    level=0.99,
    min_effect=0.03,
)

NO_CLAIM = "no claim about student and teacher (batch 1, 1 thread, onnxruntime 1.32.0 CPU fp32): "


def found(**changes: object) -> tuple[str, list[str], str]:
    claim = judged(replace(EVIDENCE, **changes))
    return claim.status, [reason.code for reason in claim.reasons], claim.text


def test_a_supported_claim_states_the_lower_bound() -> None:
    assert found() == (
        "supported",
        [],
        "student >= 6.5x faster than teacher (median latency 6.8x, 99 % interval 6.5 to 7.1; batch 1, 1 thread, "
        "onnxruntime 1.32.0 CPU fp32, 12 process pairs; top-1 -0.4 pt)",
    )


def test_a_slower_candidate_is_called_slower_by_the_bound_nearest_to_1() -> None:
    status, codes, text = found(ratio=Estimate(0.5, 0.45, 0.55))
    assert (status, codes) == ("supported", [])
    assert text.startswith("student >= 1.81x slower than teacher (median latency 0.50x, 99 % interval 0.45 to 0.55;")


def test_outputs_that_are_not_those_promised_refuse_the_claim() -> None:
    assert found(candidate=replace(STUDENT, not_as_promised="differ by 0.25")) == (
        "refused",
        ["R01"],
        f"{NO_CLAIM}the outputs of student are not those promised: they differ by 0.25",
    )


def test_without_the_null_a_claim_is_an_indication() -> None:
    status, codes, text = found(with_null=False, null=None)
    assert (status, codes) == ("indicative", ["R05"])
    assert text.startswith("indication only: student >= 6.5x faster than teacher (")


def test_a_refusal_does_not_name_the_missing_null_as_its_reason() -> None:
    _, _, text = found(with_null=False, null=None, void_fraction=0.5)
    assert text == f"{NO_CLAIM}50% of the blocks are void, at most 15% may be"


def test_an_interval_that_contains_1_shows_no_difference() -> None:
    assert found(ratio=Estimate(1.05, 0.98, 1.1)) == (
        "no_difference_shown",
        ["R06"],
        "no difference shown between student and teacher (median latency 1.05x, 99 % interval 0.98 to 1.10; batch 1, "
        "1 thread, onnxruntime 1.32.0 CPU fp32, 12 process pairs; top-1 -0.4 pt)",
    )


def test_an_effect_too_small_to_name_shows_no_difference() -> None:
    claim = judged(replace(EVIDENCE, ratio=Estimate(1.02, 1.01, 1.03), null=Estimate(1.0, 0.999, 1.001)))
    assert claim.status == "no_difference_shown"
    assert claim.reasons[0].text == "the difference of 2.0% is below the smallest that counts, 3%"


def test_without_quality_a_claim_is_an_indication_and_says_so() -> None:
    status, codes, text = found(candidate=replace(STUDENT, quality=None))
    assert (status, codes) == ("indicative", ["R04"])
    assert text.startswith("indication only: student >= 6.5x faster than teacher (")
    assert text.endswith("; quality was not compared)")


@pytest.mark.parametrize("change", [{"metric": "f1"}, {"dataset_sha256": "other"}])
def test_quality_on_other_data_is_not_compared(change: dict[str, str]) -> None:
    side = replace(STUDENT, quality=GOOD.model_copy(update=change))
    claim = judged(replace(EVIDENCE, candidate=side))
    assert claim.status == "indicative"
    assert claim.reasons[0].text == "quality was not compared: the metrics or the data differ"
    assert claim.text.endswith("; quality was not compared)")


def test_fewer_than_12_replicates_are_an_indication() -> None:
    claim = judged(replace(EVIDENCE, replicates=11))
    assert claim.status == "indicative"
    assert claim.reasons[0].text == "11 process pairs, a supported claim needs 12"


def test_too_few_replicates_for_an_interval_give_a_ratio_without_a_bound() -> None:
    status, codes, text = found(ratio=Estimate(6.8, None, None), null=Estimate(1.2, None, None), replicates=1)
    assert (status, codes) == ("indicative", ["R08"])
    assert text == (
        "indication only: student about 6.8x faster than teacher (median latency 6.8x, too few process pairs for an "
        "interval; batch 1, 1 thread, onnxruntime 1.32.0 CPU fp32, 1 process pair; top-1 -0.4 pt)"
    )


def test_a_null_that_excludes_1_refuses() -> None:
    assert found(null=Estimate(1.05, 1.02, 1.08)) == (
        "refused",
        ["R05"],
        f"{NO_CLAIM}the baseline differs from itself: 1.02 to 1.08, so this machine makes up differences",
    )


def test_a_null_too_wide_for_the_ratio_refuses() -> None:
    claim = judged(replace(EVIDENCE, ratio=Estimate(1.1, 1.08, 1.12), null=Estimate(1.0, 0.94, 1.06)))
    assert claim.status == "refused"
    assert claim.reasons[0].text == "the baseline against itself varies by 6.0%, too much for a ratio of 1.10x"


def test_a_wide_null_does_not_refuse_a_large_ratio() -> None:
    assert found(null=Estimate(1.0, 0.9, 1.1))[0] == "supported"


def test_a_wide_null_and_no_difference_is_no_difference() -> None:
    assert found(ratio=Estimate(1.05, 0.98, 1.1), null=Estimate(1.0, 0.9, 1.1))[:2] == ("no_difference_shown", ["R06"])


def test_precision_that_differs_refuses() -> None:
    other = replace(STUDENT, settings=SETTINGS | {"precision": "bf16"})
    assert found(candidate=other) == (
        "refused",
        ["R02"],
        f"{NO_CLAIM.replace('fp32', 'bf16')}the precision differs: fp32 for the baseline, bf16 for the candidate",
    )


def test_precisions_may_differ_where_both_models_are_called_by_theirs() -> None:
    one = replace(TEACHER, model="student in fp32")
    other = replace(STUDENT, model="student in bf16", settings=SETTINGS | {"precision": "bf16"})
    assert found(baseline=one, candidate=other)[:2] == ("supported", [])
    assert found(baseline=one, candidate=replace(other, model="student"))[1] == ["R02"]
    assert found(baseline=replace(one, model="student in bf16"), candidate=other)[1] == ["R02"]


def test_a_setting_known_of_one_arm_only_refuses() -> None:
    other = replace(STUDENT, settings={"precision": "fp32", "threads": "1"})
    claim = judged(replace(EVIDENCE, candidate=other))
    assert claim.status == "refused"
    assert claim.reasons[0].text == (
        "provider differs: CPUExecutionProvider for the baseline, unknown for the candidate"
    )


def test_wrong_outputs_refuse() -> None:
    assert found(candidate=replace(STUDENT, wrong_outputs=3)) == (
        "refused",
        ["R13"],
        f"{NO_CLAIM}3 timed outputs of student are wrong",
    )


@pytest.mark.parametrize(("fraction", "status"), [(0.15, "supported"), (0.16, "refused")])
def test_too_many_void_blocks_refuse(fraction: float, status: str) -> None:
    assert found(void_fraction=fraction)[0] == status


def test_nothing_measured_is_refused_with_its_reason() -> None:
    assert found(ratio=None, null=None, void_fraction=1.0, replicates=0)[2] == (
        f"{NO_CLAIM}100% of the blocks are void, at most 15% may be"
    )


def test_the_strongest_reason_decides_and_all_are_listed() -> None:
    status, codes, _ = found(
        candidate=replace(STUDENT, quality=None, wrong_outputs=1), ratio=Estimate(1.0, 0.9, 1.1), replicates=8
    )
    assert (status, codes) == ("refused", ["R13", "R06", "R08", "R04"])


def test_the_text_gives_the_release_of_a_runtime_without_its_build() -> None:
    text = found(runtime="openvino", version="2026.4.1-22982-abc", batch=8, threads=2)[2]
    assert "batch 8, 2 threads, openvino 2026.4.1 CPU fp32" in text


def test_a_refused_claim_says_what_was_seen_all_the_same() -> None:
    seen = Seen(baseline_ns=1_234_000, candidate_ns=181_000, ratio=6.82)
    assert found(void_fraction=1.0, ratio=None, null=None, replicates=0, seen=seen)[2] == (
        f"{NO_CLAIM}100% of the blocks are void, at most 15% may be; "
        "seen, with all that disturbed it: teacher 1.234 ms, student 0.181 ms, 6.8x"
    )
