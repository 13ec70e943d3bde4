from __future__ import annotations

import gzip
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdeploy.errors import ClaimError, ResourceError
from kdeploy.records.bench import BenchRecord
from kdeploy.timing import raw
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.gates import Surroundings
from kdeploy.timing.analysis.roofline import Bounds
from kdeploy.timing.analysis.summary import arm_names, summary
from kdeploy.timing.request import ROLES, Request, Settings
from kdeploy.timing.run.orchestrator import Step, label, measure, would_pass
from tests.timing.scripted import Script, request

MINUTE = 60_000_000_000
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def measured(script: Script, asked: Request, folder: Path, steps: list[Step] | None = None) -> BenchRecord:
    return measure(
        asked,
        folder / "out",
        progress=(steps if steps is not None else []).append,
        start=script.start,
        clock=script.clock,
        now=lambda: NOON,
    )


def noisy(arm: str, start: int, _block: int) -> int:
    """Process effects of sd 2.5 %, hence a half-width above 2 % or so."""
    usual = 100_000 if arm == "candidate" else 700_000
    return round(usual * (1 + random.Random(f"{arm}{start}").gauss(0, 0.1)))


def test_a_steady_machine_is_done_at_the_first_look(tmp_path: Path) -> None:
    steps: list[Step] = []
    record = measured(Script(), request(tmp_path), tmp_path, steps)
    (found,) = record.comparison
    assert found.ratio is not None
    assert (found.ratio.value, found.ratio.n_pairs, found.stopped) == (pytest.approx(7.0, rel=1e-12), 12, "target")
    assert found.claim.status == "indicative"  # quality was not compared
    assert [(step.replicate, step.look) for step in steps] == [(number, 12) for number in range(1, 13)]
    assert steps[0].label == "student against teacher, onnxruntime, batch 1, 1 thread"
    assert steps[6].half_width is None
    assert steps[7].half_width == pytest.approx(0, abs=1e-12)


def test_a_noisy_machine_is_looked_at_again_until_the_looks_end(tmp_path: Path) -> None:
    steps: list[Step] = []
    asked = request(tmp_path, limit_ns=10**15)
    record = measured(Script(latency_ns=noisy), asked, tmp_path, steps)
    assert record.comparison[0].stopped == "replicates"
    assert [step.look for step in steps] == [12] * 12 + [24] * 12 + [48] * 24


def test_the_time_limit_ends_a_comparison_before_a_look_that_would_pass_it(tmp_path: Path) -> None:
    record = measured(Script(latency_ns=noisy), request(tmp_path, limit_ns=MINUTE), tmp_path)
    assert record.comparison[0].stopped == "time"
    assert record.comparison[0].ratio is not None
    assert record.comparison[0].ratio.n_pairs == 12


def test_the_first_look_is_reached_although_the_time_limit_passes(tmp_path: Path) -> None:
    record = measured(Script(start_ns=4_000_000_000, latency_ns=noisy), request(tmp_path, limit_ns=MINUTE), tmp_path)
    assert record.duration_ns > 140 * 10**9
    assert record.arms[0].latency_ns is not None
    assert record.arms[0].latency_ns.n_replicates == 12


def test_the_hard_limit_ends_everything(tmp_path: Path) -> None:
    record = measured(Script(start_ns=20_000_000_000), request(tmp_path, limit_ns=MINUTE), tmp_path)
    assert (record.comparison[0].stopped, record.noise.blocks_total) == ("hard limit", 3 * 18)


@pytest.mark.parametrize(
    ("elapsed_s", "replicates", "passes"),
    [(20, 12, False), (30, 12, False), (31, 12, True), (31, 24, True), (99, 48, False)],
)
def test_a_look_is_projected_at_the_pace_so_far(elapsed_s: int, replicates: int, passes: bool) -> None:
    assert would_pass(Settings(limit_ns=MINUTE), elapsed_s * 10**9, replicates) is passes


def test_workers_run_one_at_a_time_warm_up_before_blocks_and_none_is_left(tmp_path: Path) -> None:
    script = Script()
    measured(script, request(tmp_path, looks=(2,)), tmp_path)
    assert script.open_arms == []
    assert script.starts == dict.fromkeys(ROLES, 1)
    first = [do for _, do in script.log[: len(script.log) // 2]]
    assert first == ["load"] * 3 + ["warm_up"] * 3 + ["run"] * (18 + 3) + ["finish"] * 3


@pytest.mark.parametrize("command", ["load", "warm_up", "run", "finish"])
def test_a_worker_that_dies_ends_the_measurement_and_leaves_nobody(tmp_path: Path, command: str) -> None:
    script = Script(fails=command)
    with pytest.raises(ResourceError) as caught:
        measured(script, request(tmp_path), tmp_path)
    assert str(caught.value) == (
        "bench worker candidate: must answer until it is told to end (it ended with signal 9)."
    )
    assert script.open_arms == []
    assert (tmp_path / "out" / raw.NAME).exists()


def test_a_clock_that_stands_still_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClaimError) as caught:
        measured(Script(latency_ns=lambda *_: 0), request(tmp_path, looks=(1,)), tmp_path)
    assert str(caught.value) == (
        "timer: must advance during a call (the median call of a block took 0 ns). "
        "Measure on a machine whose clock is steady."
    )


def test_the_order_follows_from_the_seed(tmp_path: Path) -> None:
    logs = []
    for seed in (1, 1, 2):
        script = Script()
        measured(script, request(tmp_path, looks=(2,), seed=seed), tmp_path)
        logs.append(script.log)
    assert logs[0] == logs[1] != logs[2]


def test_blocks_in_which_a_stopped_arm_ran_are_void_and_many_refuse_the_claim(tmp_path: Path) -> None:
    record = measured(Script(idle_cpu_ns=10_000_000), request(tmp_path, looks=(2,)), tmp_path)
    assert record.noise.void_reasons == {"a stopped arm used the CPU": 36}
    assert (record.comparison[0].ratio, record.arms[0].latency_ns) == (None, None)
    assert record.comparison[0].claim.status == "refused"
    assert "every block is void" in {entry.reason for entry in record.unavailable}


def test_cpu_time_that_cannot_be_read_voids_nothing(tmp_path: Path) -> None:
    record = measured(Script(idle_cpu_ns=None), request(tmp_path, looks=(2,)), tmp_path)
    assert record.noise.blocks_void == 0


def test_a_difference_between_baseline_and_itself_refuses_the_claim(tmp_path: Path) -> None:
    script = Script(latency_ns=lambda arm, *_: {"baseline": 700_000, "control": 600_000, "candidate": 100_000}[arm])
    claim = measured(script, request(tmp_path), tmp_path).comparison[0].claim
    assert claim.status == "refused"
    assert "R05" in [reason.code for reason in claim.reasons]


def test_without_the_null_two_processes_make_an_indication(tmp_path: Path) -> None:
    script = Script()
    record = measured(script, request(tmp_path, null=False), tmp_path)
    found = record.comparison[0]
    assert script.starts.keys() == {"baseline", "candidate"}
    assert (found.aa_null, found.claim.status) == (None, "indicative")
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(7.0, rel=1e-12)
    assert ("R05", "the baseline was not compared with itself") in [(one.code, one.text) for one in found.claim.reasons]


@pytest.mark.parametrize("arm", ROLES)
def test_wrong_outputs_of_any_worker_refuse_the_claim(tmp_path: Path, arm: str) -> None:
    claim = measured(Script(wrong={arm: 1}), request(tmp_path, looks=(1,)), tmp_path).comparison[0].claim
    assert claim.status == "refused"
    assert "R13" in [reason.code for reason in claim.reasons]


@pytest.mark.parametrize(("name", "code"), [("precision", "R02"), ("threads", "R03"), ("provider", "R03")])
@pytest.mark.parametrize("arm", ROLES)
def test_a_setting_that_differs_refuses_the_claim(tmp_path: Path, arm: str, name: str, code: str) -> None:
    script = Script(settings={arm: {name: "7"}})
    claim = measured(script, request(tmp_path, looks=(1,)), tmp_path).comparison[0].claim
    assert claim.status == "refused"
    assert code in [reason.code for reason in claim.reasons]


def test_a_fixed_batch_may_differ(tmp_path: Path) -> None:
    script = Script(settings={"candidate": {"fixed_batch": "1"}})
    assert measured(script, request(tmp_path), tmp_path).comparison[0].claim.status == "indicative"


def test_every_comparison_has_its_own_arms(tmp_path: Path) -> None:
    record = measured(Script(), request(tmp_path, comparisons=2, looks=(1,)), tmp_path)
    names = [arm.name for arm in record.arms]
    assert names == [
        "teacher@onnxruntime-b1-t1",
        "student@onnxruntime-b1-t1",
        "teacher@onnxruntime-b1-t1-2",
        "student@onnxruntime-b1-t1-2",
    ]
    assert [(found.baseline, found.candidate) for found in record.comparison] == [
        (names[0], names[1]),
        (names[2], names[3]),
    ]
    assert record.arm(names[3]).role == "candidate"


def test_the_arms_hold_what_was_measured(tmp_path: Path) -> None:
    record = measured(Script(), request(tmp_path), tmp_path)
    teacher, student = record.arms
    assert teacher.latency_ns is not None
    assert teacher.latency_ns.median.value == teacher.latency_ns.mean == 700_000
    assert teacher.latency_ns.n_calls == 12 * 6 * 42  # 30 ms / 700 us; the control is not counted
    assert teacher.latency_ns.median.ci == (700_000, 700_000)
    assert teacher.latency_ns.p90 is not None
    assert teacher.latency_ns.p999 is None
    assert student.throughput is not None
    assert student.throughput.value == pytest.approx(10_000, rel=1e-12)
    assert student.memory_bytes is not None
    assert (student.memory_bytes.peak_rss, student.memory_bytes.model_increment) == (80, 30)
    assert student.artifact.bytes == len("student.onnx")


def test_every_null_of_an_arm_has_a_reason(tmp_path: Path) -> None:
    record = measured(Script(), request(tmp_path), tmp_path)
    explained = {entry.field for entry in record.unavailable}
    for arm in record.arms:
        for name, value in arm:
            assert value is not None or f"arms[{arm.name}].{name}" in explained or f"arms[].{name}" in explained, name
    for name, value in [*record.host, *record.noise]:
        assert value is not None or {f"host.{name}", f"noise.{name}"} & explained, name


def test_the_record_can_be_computed_again_from_the_raw_samples(tmp_path: Path) -> None:
    asked = request(tmp_path)
    record = measured(Script(latency_ns=noisy), asked, tmp_path)
    replicates = raw.read_replicates(tmp_path / "out" / record.raw.path)[0]
    again = MeasuredComparison(asked.comparisons[0], replicates, record.comparison[0].stopped)
    surroundings = Surroundings(record.timer, record.host.power_source)
    names = arm_names(asked.comparisons[0], set())
    found = summary(again, names, Bounds(), asked.settings, surroundings)
    assert found.comparison == record.comparison[0]
    assert [arm.latency for arm in found.arms] == [arm.latency_ns for arm in record.arms]


def test_the_raw_file_has_a_line_a_block_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    hashes = {measured(Script(), request(tmp_path, looks=(2,)), tmp_path).raw.sha256 for _ in range(2)}
    assert len(hashes) == 1
    assert (tmp_path / "out" / raw.NAME).read_bytes()[4:8] == bytes(4)  # gzip keeps no time of its own
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / "out" / raw.NAME).read_bytes()).splitlines()]
    blocks = [line for line in lines if line["kind"] == "block"]
    assert len(blocks) == 2 * 18
    kinds = [line["kind"] for line in lines]
    assert (kinds.count("arm"), kinds[0], kinds[-1], kinds.count("end")) == (2 * 3, "request", "end", 1)
    assert {line["n"] for line in blocks} == {42, 300}
    assert all(len(line["ns"]) == line["n"] and len(line["resume_ns"]) == 3 for line in blocks)


def test_where_no_other_cpu_is_left_the_record_says_so(tmp_path: Path) -> None:
    asked = request(tmp_path, looks=(1,))
    threads = len(os.sched_getaffinity(0))
    busy = asked.comparisons[0].model_copy(update={"threads": threads})
    record = measured(Script(), asked.model_copy(update={"comparisons": (busy,)}), tmp_path)
    assert record.host.housekeeping_cpus == ()
    assert "host.housekeeping_cpus" in {entry.field for entry in record.unavailable}
    assert f"{threads} thread" in label(busy)
