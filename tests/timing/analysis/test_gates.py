from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy.records.bench import BenchRecord
from kdeploy.records.circumstances import PairCost, Timer
from kdeploy.timing.analysis.gates import Surroundings, refusals, timer_texts
from kdeploy.timing.messages import Counters
from kdeploy.timing.raw import Block, Replicate, WorkerReport
from kdeploy.timing.request import ROLES, NoiseLimits
from kdeploy.timing.run.orchestrator import measure
from tests.timing.scripted import Script, counters_of, request

TIMER = Timer(clock="perf_counter_ns", resolution_ns=1, pair_cost_ns=PairCost(median=80, p99=131))
QUIET = Surroundings(TIMER, None)
ELAPSED = 30_000_000
SECOND = 1_000_000_000


def worker(*, steady: bool = True, tracer: int | None = 0, provider: str = "CPUExecutionProvider") -> WorkerReport:
    return WorkerReport({"tracer": tracer, "settings": {"provider": provider}}, {"steady": steady}, None)


def replicates(count: int = 12, blocks: int = 6, drift: float = 0.0, **changes: int | None) -> list[Replicate]:
    """Every block has these changes; every replicate is slower than the one before by `drift`."""
    found = []
    for number in range(count):
        took = round(100_000 * (1 + drift) ** number)
        turns = [
            Block(turn, place, arm, [took] * 300, [], 0, "", 0, counters_of(ELAPSED, at_ns=number * SECOND, **changes))
            for turn in range(blocks)
            for place, arm in enumerate(ROLES)
        ]
        found.append(Replicate(number, turns, dict.fromkeys(ROLES, worker())))
    return found


def found(replicates: list[Replicate], surroundings: Surroundings = QUIET) -> list[tuple[str, str]]:
    reasons = refusals(replicates, surroundings, NoiseLimits(), level=0.99, provider="CPU")
    return [(reason.code, reason.text) for reason in reasons]


def one_block(replicates: list[Replicate], **changes: int | None) -> list[Replicate]:
    """The same, with these changes in the first block alone."""
    first, *rest = replicates[0].blocks
    disturbed = replace(first, counters=counters_of(ELAPSED, **changes))
    return [replace(replicates[0], blocks=[disturbed, *rest]), *replicates[1:]]


def test_a_quiet_run_passes_every_gate() -> None:
    assert found(replicates()) == []


@pytest.mark.parametrize(
    ("name", "most", "text"),
    [
        ("steal_ns", 600_000, "the hypervisor took 3.0% of the time, at most 2% may be"),
        ("wait_ns", 3_000_000, "the arms waited for the CPU for 15.0% of the time, at most 10% may be"),
    ],
)
def test_a_share_of_the_whole_run_refuses(name: str, most: int, text: str) -> None:
    assert found(replicates(**{name: most})) == []
    assert found(replicates(**{name: most * 3 // 2})) == [("R07", text)]


def test_one_throttled_block_refuses() -> None:
    run = one_block(replicates(), throttled_ns=2_500_000, throttled_times=1)
    assert found(run) == [("R07", "the control group was throttled 1 time, for 2.5 ms")]


def test_a_cpu_that_overheats_between_blocks_refuses() -> None:
    run = replicates()
    last = run[-1].blocks[-1]
    hot = replace(last, counters={"before": {"overheated": 1004}, "after": {"overheated": 1004}})
    run[-1] = replace(run[-1], blocks=[*run[-1].blocks[:-1], hot])
    assert found(run) == [("R07", "the CPU overheated 4 times")]


@pytest.mark.parametrize(("blocks", "refused"), [(2, False), (3, True)])
def test_disk_in_more_than_one_block_of_a_hundred_refuses(blocks: int, refused: bool) -> None:
    run = replicates()
    for number in range(blocks):
        run[number] = one_block(run[number : number + 1], major_faults=1)[0]
    assert found(run) == ([("R07", "memory came from disk in 3 of 216 blocks")] if refused else [])


def test_one_block_in_which_a_stopped_arm_ran_refuses() -> None:
    run = replicates()
    first, *rest = run[0].blocks
    run[0] = replace(run[0], blocks=[replace(first, void="a stopped arm used the CPU"), *rest])
    assert found(run) == [("R07", "a stopped arm used the CPU in 1 of 216 blocks")]


@pytest.mark.parametrize(("unsteady", "refused"), [(5, False), (6, True)])
def test_warm_ups_that_were_not_steady_refuse(unsteady: int, refused: bool) -> None:
    run = replicates()
    for number in range(unsteady):
        run[number] = replace(run[number], workers=run[number].workers | {"baseline": worker(steady=False)})
    text = "6 of 36 warm-ups were not steady, at most 15% may be"
    assert found(run) == ([("R09", text)] if refused else [])


@pytest.mark.parametrize(("drift", "texts"), [(0.002, []), (0.005, ["+5.6%"]), (-0.005, ["-5.4%"])])
def test_a_machine_that_drifts_refuses(drift: float, texts: list[str]) -> None:
    expected = [("R09", f"the latency of all arms drifted by {text}, at most 3% may be") for text in texts]
    assert found(replicates(drift=drift)) == expected


def test_a_block_of_fewer_than_a_thousand_steps_of_the_clock_refuses() -> None:
    coarse = TIMER.model_copy(update={"resolution_ns": 15_600_000})
    assert found(replicates(), Surroundings(coarse, None)) == [
        ("R10", "a block took 30000000 ns, less than 1000 steps of the clock")
    ]


def test_a_call_no_longer_than_reading_the_clock_refuses() -> None:
    dear = TIMER.model_copy(update={"pair_cost_ns": PairCost(median=10_001, p99=20_000)})
    assert found(replicates(), Surroundings(dear, None)) == [
        ("R10", "a call took 100000 ns, less than 10 times the 10001 ns of reading the clock")
    ]


def test_without_a_block_that_counts_the_clock_is_not_judged() -> None:
    assert list(timer_texts([], TIMER, NoiseLimits())) == []


@pytest.mark.parametrize(("tracer", "texts"), [(0, []), (None, []), (41, ["process 41 traces the arms"])])
def test_a_tracer_refuses(tracer: int | None, texts: list[str]) -> None:
    run = replicates()
    run[5] = replace(run[5], workers=run[5].workers | {"candidate": worker(tracer=tracer)})
    assert found(run) == [("R11", text) for text in texts]


@pytest.mark.parametrize(("source", "texts"), [("ac", []), (None, []), ("battery", ["the machine runs on battery"])])
def test_a_battery_refuses(source: str | None, texts: list[str]) -> None:
    assert found(replicates(), Surroundings(TIMER, source)) == [("R11", text) for text in texts]


@pytest.mark.parametrize("provider", ["AUTO", "CUDAExecutionProvider,CPUExecutionProvider", "GPU"])
def test_a_provider_that_was_not_asked_for_refuses(provider: str) -> None:
    run = replicates()
    run[0] = replace(run[0], workers=dict.fromkeys(ROLES, worker(provider=provider)))
    assert found(run) == [("R12", f"the provider asked for is CPU, and {provider} ran")]


def test_nothing_measured_passes_these_gates() -> None:
    assert found([]) == []


def measured(script: Script, folder: Path, **settings: object) -> BenchRecord:
    return measure(request(folder, **settings), folder / "out", start=script.start, clock=script.clock)


def hog(_arm: str, _block: int) -> Counters:
    return {"wait_ns": 15_000_000}  # about half of a block


def test_a_cpu_hog_is_refused_with_its_code_and_its_blocks_are_kept(tmp_path: Path) -> None:
    record = measured(Script(counters=hog), tmp_path, looks=(12,))
    claim = record.comparison[0].claim
    assert claim.status == "refused"
    assert {"R07", "R09"} <= {reason.code for reason in claim.reasons}
    assert record.noise.void_reasons == {"the arm waited for the CPU": 216}
    assert record.noise.cpu_wait_fraction == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("share", "codes"), [(0.9, []), (0.5, ["R15"])])
def test_a_model_that_remembers_its_answers_is_refused(tmp_path: Path, share: float, codes: list[str]) -> None:
    reasons = measured(Script(repeated=share), tmp_path, looks=(2,)).comparison[0].claim.reasons
    found = [reason.text for reason in reasons if reason.code == "R15"]
    assert [reason.code for reason in reasons if reason.code == "R15"] == codes * 2
    assert not found or found[0] == (
        "the baseline takes 2.0 times as long for rotating inputs as for one, at most 1.2 may be: it may remember its "
        "answers"
    )


def test_of_one_distinct_input_nobody_can_say_whether_it_is_remembered() -> None:
    one = replicates()
    told = worker()
    alone = replace(told, loaded=told.loaded | {"distinct_inputs": 1}, repeated_ns=[50_000] * 100)
    assert found([replace(replicate, workers=dict.fromkeys(ROLES, alone)) for replicate in one]) == []


def test_a_few_disturbed_blocks_leave_the_claim_and_the_statistics_alone(tmp_path: Path) -> None:
    def rarely(arm: str, block: int) -> Counters:
        return {"wait_ns": 20_000_000} if (arm, block) == ("candidate", 3) else {}

    def latency(arm: str, _start: int, block: int) -> int:
        return 300_000 if (arm, block) == ("candidate", 3) else 100_000 if arm == "candidate" else 700_000

    record = measured(Script(counters=rarely, latency_ns=latency), tmp_path)
    assert record.comparison[0].claim.status == "indicative"  # quality was not compared
    assert record.noise.blocks_void == 12
    assert record.arms[1].latency_ns is not None
    assert record.arms[1].latency_ns.max == 100_000


def test_a_signal_that_nobody_could_read_is_listed_with_its_reason(tmp_path: Path) -> None:
    record = measured(Script(counters=lambda *_: {"steal_ns": None, "frequency_khz": None}), tmp_path)
    assert record.noise.steal_fraction is None
    assert record.noise.unobserved == ("steal", "frequency", "canary")
    reasons = {entry.field: entry.reason for entry in record.unavailable}
    for field in ("noise.steal_fraction", "noise.unobserved.frequency"):
        assert reasons[field] == "not readable, or went backwards, in 216 of 216 blocks"


@pytest.mark.parametrize(("script", "code"), [(Script(tracer=7), "R11"), (Script(steady=False), "R09")])
def test_what_a_worker_reports_reaches_the_claim(tmp_path: Path, script: Script, code: str) -> None:
    claim = measured(script, tmp_path).comparison[0].claim
    assert claim.status == "refused"
    assert code in [reason.code for reason in claim.reasons]
