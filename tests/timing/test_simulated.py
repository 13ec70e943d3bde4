"""Simulated runs: how often a claim is made where there is none, and how often an interval holds the true ratio.

    log latency = log median of the arm + process effect (sd 2.5 %) + AR(1) over the blocks (phi 0.5, sd 1 %) + bursts

A burst makes a block up to 1.5 times as long. Nothing sleeps: a block is one number.
"""

from __future__ import annotations

import math
import random

import pytest

from kdeploy.timing import noise
from kdeploy.timing.claims import Evidence, Side, judged
from kdeploy.timing.gates import Surroundings, refusals
from kdeploy.timing.raw import AGAIN, ARMS, CANDIDATE, Block, Replicate
from kdeploy.timing.request import ArmRequest, ComparisonRequest, Limits
from kdeploy.timing.summary import Measured
from tests.timing.scripted import counters_of
from tests.timing.test_claims import EVIDENCE
from tests.timing.test_gates import TIMER

RUNS = 300
ARM = ArmRequest(model="m", artefact="m.onnx", inputs="m.npz")
ASKED = ComparisonRequest(baseline=ARM, candidate=ARM, runtime="onnxruntime")
LIMITS = Limits()
ELAPSED = 30_000_000


def run(seed: str, ratio: float, *, bursts: float = 0.0, seen: bool = False) -> Measured:
    """12 replicates of 6 blocks; `seen` bursts show in the counters, as a wait of half the block."""
    chance = random.Random(seed)
    return Measured(ASKED, [replicate(number, chance, ratio, bursts, seen) for number in range(12)], "replicates")


def replicate(number: int, chance: random.Random, ratio: float, bursts: float, seen: bool) -> Replicate:
    process = {arm: chance.gauss(0, 0.025) for arm in ARMS}
    memory = dict.fromkeys(ARMS, 0.0)
    blocks = []
    for turn in range(6):
        for place, arm in enumerate(chance.sample(ARMS, 3)):
            memory[arm] = 0.5 * memory[arm] + chance.gauss(0, 0.01)
            burst = chance.random() < bursts
            log = process[arm] + memory[arm] + (chance.random() * math.log(1.5) if burst else 0)
            usual = 50_000_000 / ratio if arm == CANDIDATE else 50_000_000
            counters = counters_of(ELAPSED, wait_ns=ELAPSED // 2 if burst and seen else 0)
            void = next(noise.disturbances(counters, 0, LIMITS), "")
            blocks.append(Block(turn, place, arm, [round(usual * math.exp(log))], [], 0, void, 0, counters))
    return Replicate(number, blocks)


def claim(measured: Measured) -> str:
    """The status, with the least effect that counts switched off."""
    total = sum(len(found.blocks) for found in measured.replicates)
    evidence = Evidence(
        baseline=Side("teacher", EVIDENCE.baseline.settings, EVIDENCE.baseline.quality, 0),
        candidate=Side("student", EVIDENCE.baseline.settings, EVIDENCE.baseline.quality, 0),
        ratio=measured.estimate(CANDIDATE, 0.99),
        null=measured.estimate(AGAIN, 0.99),
        replicates=12,
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


@pytest.mark.parametrize("bursts", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("seen", [False, True])
def test_a_model_against_itself_is_called_different_in_at_most_2_of_100_runs(bursts: float, seen: bool) -> None:
    found = [claim(run(f"null {number}", 1.0, bursts=bursts, seen=seen)) for number in range(RUNS)]
    assert found.count("supported") <= 0.02 * RUNS
    assert found.count("no_difference_shown") > 0.5 * RUNS  # it is not refused either


@pytest.mark.parametrize("ratio", [1.05, 3.0, 50.0])
@pytest.mark.parametrize("bursts", [0.0, 0.1])
def test_the_interval_holds_the_true_ratio_in_97_of_100_runs(ratio: float, bursts: float) -> None:
    estimates = [run(f"ratio {number}", ratio, bursts=bursts).estimate(CANDIDATE, 0.99) for number in range(RUNS)]
    held = sum(found is not None and found.contains(ratio) for found in estimates)
    assert held >= 0.97 * RUNS


def test_a_run_with_bursts_in_30_of_100_blocks_is_refused() -> None:
    for ratio in (1.0, 3.0):
        for number in range(30):
            assert claim(run(f"burst {number}", ratio, bursts=0.3, seen=True)) == "refused"


def test_a_quiet_run_of_a_faster_model_is_supported() -> None:
    found = [claim(run(f"quiet {number}", 3.0)) for number in range(100)]
    assert found.count("supported") >= 95  # the A/A null refuses 1 in 100 by its level
