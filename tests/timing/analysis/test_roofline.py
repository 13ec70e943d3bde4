"""Limits worked by hand, which part of them binds, and when a time below them is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import IntegrityError
from kdeploy.records.bench import CallFloor, Compute, Latency, Roofline, TimeEstimate
from kdeploy.timing.analysis.machine_peaks import Peaks
from kdeploy.timing.analysis.roofline import Bounds, Subject, refusals, roofline
from kdeploy.timing.recompute import recompute
from kdeploy.timing.request import Request
from kdeploy.timing.run.orchestrator import measure
from tests.timing.scripted import Script, request

# 100 GFLOP/s; 50 GB/s in a cache of 1 MB, 10 GB/s where 4 MB are read in turn
PEAKS = Peaks(flops=1e11, engine="numpy 512", cache_bandwidth=5e10, memory_bandwidth=1e10, far_bytes=4 * 10**6)


def bounds(peaks: Peaks = PEAKS, floor_ns: int = 5_000) -> Bounds:
    floor = CallFloor(runtime="onnxruntime", threads=1, call_floor_ns=TimeEstimate(value=floor_ns))
    return Bounds({("onnxruntime", 1): floor}, {1: peaks})


def latency(median: int) -> Latency:
    rest = dict.fromkeys(("p90", "p95", "p99", "p999"))
    centre = TimeEstimate(value=median, ci=(median - median // 10, median + median // 10), level=0.99)
    return Latency(n_calls=1, n_replicates=1, mean=median, median=centre, min=median, max=median, mad=0, **rest)


def subject(multiply_adds: int, weights_bytes: int, median: int = 100_000) -> Subject:
    compute = Compute(multiply_adds=multiply_adds, flops=2 * multiply_adds, weights_bytes=weights_bytes)
    return Subject("onnxruntime", 1, "fp32", 400, compute, latency(median))


def found(asked: Subject, limits: Bounds | None = None) -> Roofline:
    answer = roofline(asked, limits or bounds())
    assert isinstance(answer, Roofline)
    return answer


def test_a_net_that_is_bound_by_its_multiply_adds() -> None:
    line = found(subject(1_000_000, 99_600))
    # 2 MFLOP at 100 GFLOP/s: 20 us; 100 kB at 50 GB/s: 2 us; and 5 us for the call
    assert (line.limit_ns, line.bound, line.bytes_min, line.call_floor_ns) == (25_000, "compute", 100_000, 5_000)
    assert line.fraction_of_limit.value == pytest.approx(0.25)
    assert line.fraction_of_limit.ci == pytest.approx((25 / 110, 25 / 90))
    assert (line.peak_flops, line.peak_engine, line.bandwidth_of) == (1e11, "numpy 512", "cache")


def test_a_net_that_is_bound_by_its_weights() -> None:
    line = found(subject(1_000_000, 3_999_599))
    # 3,999,999 bytes are below 4 MB: at 50 GB/s 80 us
    assert (line.limit_ns, line.bound, line.bandwidth_of) == (85_000, "memory", "cache")
    line = found(subject(1_000_000, 3_999_600))
    assert (line.limit_ns, line.bound, line.bandwidth_of) == (405_000, "memory", "memory")


def test_a_net_that_is_bound_by_the_call() -> None:
    assert found(subject(10_000, 400)).bound == "overhead"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latency": None}, "every block is void"),
        ({"compute": None}, "no count was given"),
        ({"precision": "int8"}, "the peaks are those of fp32, and the arm runs in int8"),
        ({"precision": None}, "the peaks are those of fp32, and the arm runs in an unknown precision"),
        ({"threads": 2}, "the machine's peaks were not asked for, or the measurement was too short for them"),
        ({"runtime": "openvino"}, "the call floor of openvino was not measured"),
    ],
)
def test_an_arm_without_a_roofline_has_a_reason(changes: dict[str, object], reason: str) -> None:
    assert roofline(replace(subject(1000, 1000), **changes), bounds()) == reason


@pytest.mark.parametrize(("median", "refused"), [(19_050, False), (19_040, True)])
def test_less_time_than_the_hardware_needs_is_refused(median: int, refused: bool) -> None:
    """It needs 20 us: 20 / 19.05 is 1.0499, 20 / 19.04 is 1.0504. The floor of 5 us does not count."""
    asked = subject(1_000_000, 100, median)
    reasons = list(refusals("student", found(asked), asked.latency))
    text = "student takes less time than the hardware needs: 1.05 of its latency, peak underestimated"
    assert [(reason.code, reason.text) for reason in reasons] == [("R16", text)] * refused


def test_an_arm_near_the_call_floor_is_not_refused() -> None:
    asked = subject(1000, 100, median=4_000)
    assert found(asked).fraction_of_limit.value > 1.05
    assert list(refusals("student", found(asked), asked.latency)) == []


@given(factor=st.integers(1, 1000), multiply_adds=st.integers(1, 10**8), weights=st.integers(1, 10**8))
def test_a_slower_clock_changes_no_fraction(factor: int, multiply_adds: int, weights: int) -> None:
    slow = replace(
        PEAKS,
        flops=PEAKS.flops / factor,
        cache_bandwidth=PEAKS.cache_bandwidth / factor,
        memory_bandwidth=PEAKS.memory_bandwidth / factor,
    )
    one = found(subject(multiply_adds, weights))
    other = found(subject(multiply_adds, weights, 100_000 * factor), bounds(slow, 5_000 * factor))
    assert other.fraction_of_limit.value == pytest.approx(one.fraction_of_limit.value)
    assert other.bound == one.bound


def counted(asked: Request, multiply_adds: int) -> Request:
    """The same, its candidate with a count."""
    compute = Compute(multiply_adds=multiply_adds, flops=2 * multiply_adds, weights_bytes=100)
    one = asked.comparisons[0]
    candidate = one.candidate.model_copy(update={"compute": compute})
    return asked.model_copy(update={"comparisons": (one.model_copy(update={"candidate": candidate}),)})


@pytest.mark.parametrize(("multiply_adds", "codes"), [(1, ["R04"]), (10_000, ["R16", "R04"])])
def test_a_whole_measurement_has_rooflines_and_refuses_what_cannot_be(
    multiply_adds: int, codes: list[str], tmp_path: Path
) -> None:
    """The scripted products make 2 x 2048 FLOPs in 0.1 s: 20,000 FLOPs need half a second, and the student 0.1 ms."""
    script = Script()
    asked = counted(request(tmp_path, floor=True, peak_share=0.5), multiply_adds)
    record = measure(asked, tmp_path / "out", start=script.start, start_probe=script.start_probe, clock=script.clock)
    baseline, candidate = record.arms
    assert baseline.roofline is None
    assert candidate.roofline is not None
    assert candidate.roofline.peak_flops == pytest.approx(2 * 2048 / 0.1)
    assert candidate.roofline.call_floor_ns == 700_000
    assert [reason.code for reason in record.comparison[0].claim.reasons] == codes
    (tmp_path / "out" / "bench.json").write_bytes(record.sealed())
    assert recompute(tmp_path / "out") == record
    faster = candidate.roofline.model_copy(update={"peak_flops": 1e12})
    arms = (baseline, candidate.model_copy(update={"roofline": faster}))
    (tmp_path / "out" / "bench.json").write_bytes(record.model_copy(update={"arms": arms}).sealed())
    with pytest.raises(IntegrityError, match=r"R14: arms.1.roofline.peak_flops is 1000000000000.0, and not 40960.0"):
        recompute(tmp_path / "out")
