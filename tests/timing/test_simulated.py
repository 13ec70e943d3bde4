"""Simulated runs: how often a claim is made where there is none, and how often an interval holds the true ratio.

    log latency = log median of the arm + process effect (sd 2.5 %) + AR(1) over the blocks (phi 0.5, sd 1 %) + bursts

A burst makes a block up to 1.5 times as long. Nothing sleeps: a block is one number. `make test` asks 2,000 runs of
each ratio, with bursts in 0 to 10 % of the blocks; `make long` asks 2,000 more at either end of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from kdeploy.timing.analysis import noise
from kdeploy.timing.analysis.claims import Evidence, Side, judged
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.gates import Surroundings, refusals
from kdeploy.timing.raw import Block, Replicate
from kdeploy.timing.request import ROLES, ArmRequest, ComparisonRequest, NoiseLimits
from tests.timing.analysis.test_claims import EVIDENCE
from tests.timing.analysis.test_gates import TIMER
from tests.timing.scripted import counters_of

RUNS, SAMPLE = 2000, 200
REPLICATES, TURNS = 12, 6
USUAL_NS = 50_000_000
ELAPSED = 30_000_000
ARM = ArmRequest(model="m", artefact="m.onnx", inputs="m.npz")
ASKED = ComparisonRequest(baseline=ARM, candidate=ARM, runtime="onnxruntime")
LIMITS = NoiseLimits()
# what the counters of a block say: nothing, or that the arm waited for half of it
COUNTERS = {seen: counters_of(ELAPSED, wait_ns=ELAPSED // 2 if seen else 0) for seen in (False, True)}
VOID = {seen: next(noise.disturbances(counters, 0, LIMITS), "") for seen, counters in COUNTERS.items()}


def simulated(
    runs: int, ratio: float, *, bursts: tuple[float, float] = (0, 0), seen: bool | None = None
) -> Iterator[MeasuredComparison]:
    """Runs of 12 replicates of 6 turns; the share of bursts of each is drawn from the two bounds.

    `seen` bursts show in the counters; None lets a coin decide for each run.
    """
    chance = np.random.default_rng(round(1000 * ratio))
    shape = (REPLICATES, TURNS, len(ROLES))
    for _ in range(runs):
        burst = chance.random(shape) < chance.uniform(*bursts)
        logs = chance.normal(0, 0.025, shape)[:, :1] + wandering(chance, shape)
        logs += burst * chance.random(shape) * math.log(1.5)
        logs[..., ROLES.index("candidate")] -= math.log(ratio)
        shown = burst & (chance.random() < 0.5 if seen is None else seen)
        times = np.rint(USUAL_NS * np.exp(logs)).astype(int)
        yield measured(times.tolist(), shown.tolist())


def wandering(chance: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """AR(1) over the turns of one process."""
    steps = chance.normal(0, 0.01, shape)
    for turn in range(1, TURNS):
        steps[:, turn] += 0.5 * steps[:, turn - 1]
    return steps


def measured(times: list[list[list[int]]], shown: list[list[list[bool]]]) -> MeasuredComparison:
    replicates = [
        Replicate(number, [block(turn, place, took, seen) for turn, place, took, seen in places(*found)])
        for number, found in enumerate(zip(times, shown, strict=True))
    ]
    return MeasuredComparison(ASKED, replicates, "replicates")


def places(times: list[list[int]], shown: list[list[bool]]) -> Iterator[tuple[int, int, int, bool]]:
    for turn in range(TURNS):
        for place in range(len(ROLES)):
            yield turn, place, times[turn][place], shown[turn][place]


def block(turn: int, place: int, took: int, seen: bool) -> Block:
    return Block(turn, place, ROLES[place], [took], [], 0, VOID[seen], 0, COUNTERS[seen])


def claim(measured: MeasuredComparison) -> str:
    """The status, with the least effect that counts switched off."""
    total = sum(len(found.blocks) for found in measured.replicates)
    evidence = Evidence(
        baseline=Side("teacher", EVIDENCE.baseline.settings, EVIDENCE.baseline.quality, 0),
        candidate=Side("student", EVIDENCE.baseline.settings, EVIDENCE.baseline.quality, 0),
        ratio=measured.ratio("candidate", 0.99),
        null=measured.ratio("control", 0.99),
        replicates=REPLICATES,
        void_fraction=len(measured.void_blocks()) / total,
        runtime="onnxruntime",
        version="1",
        batch=1,
        threads=1,
        level=0.99,
        min_effect=0.0,
        gates=refusals(measured.replicates, Surroundings(TIMER, None), LIMITS, level=0.99, provider="CPU"),
    )
    return judged(evidence).status


def check_null(runs: int, bursts: tuple[float, float], seen: bool | None) -> None:
    found = [claim(one) for one in simulated(runs, 1.0, bursts=bursts, seen=seen)]
    assert found.count("supported") <= 0.02 * runs
    assert found.count("no_difference_shown") > 0.5 * runs  # it is not refused either


def check_ratio(runs: int, ratio: float, bursts: tuple[float, float]) -> None:
    estimates = [one.ratio("candidate", 0.99) for one in simulated(runs, ratio, bursts=bursts)]
    held = sum(found is not None and found.contains(ratio) for found in estimates)
    assert held >= 0.97 * runs


def test_a_model_against_itself_is_called_different_in_at_most_40_of_2000_runs() -> None:
    check_null(RUNS, (0, 0.1), None)


@pytest.mark.long
@pytest.mark.parametrize("bursts", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("seen", [False, True])
def test_nor_at_any_share_of_bursts(bursts: float, seen: bool) -> None:
    check_null(RUNS, (bursts, bursts), seen)


@pytest.mark.parametrize("ratio", [1.05, 3.0, 50.0])
def test_the_interval_holds_the_true_ratio_in_1940_of_2000_runs(ratio: float) -> None:
    check_ratio(RUNS, ratio, (0, 0.1))


@pytest.mark.long
@pytest.mark.parametrize("ratio", [1.05, 3.0, 50.0])
@pytest.mark.parametrize("bursts", [0.0, 0.1])
def test_and_at_any_share_of_bursts(ratio: float, bursts: float) -> None:
    check_ratio(RUNS, ratio, (bursts, bursts))


@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_a_run_with_bursts_in_30_of_100_blocks_is_refused(ratio: float) -> None:
    assert {claim(one) for one in simulated(SAMPLE, ratio, bursts=(0.3, 0.3), seen=True)} == {"refused"}


def test_a_quiet_run_of_a_faster_model_is_supported() -> None:
    found = [claim(one) for one in simulated(SAMPLE, 3.0)]
    assert found.count("supported") >= 0.95 * SAMPLE  # the A/A null refuses 1 in 100 by its level
